"""Propensities of a log that has none: known ones are found again, and never below the bound."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import fold_of
from optimizer.evaluation.propensities import Frequencies, propensity_model, with_constant, with_estimated

SHARES = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
SLOPES = np.array([[0.5, -0.5], [0.0, 0.0], [-0.5, 1.0]])
CENTRE = np.array([3.0, -2.0])


def drawn(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    above = rng.random(len(probabilities))[:, None] > probabilities.cumsum(axis=1)
    return above.sum(axis=1).clip(max=probabilities.shape[1] - 1)


def a_log(
    n: int = 400, seed: int = 0, *, by_features: bool = False, eligible: np.ndarray | None = None
) -> LoggedFeedback:
    rng = np.random.default_rng(seed)
    segments, features = rng.integers(2, size=n), rng.normal(CENTRE, size=(n, 2))
    truth = SHARES[segments]
    if by_features:
        truth = softmax(np.log(truth) + (features - CENTRE) @ SLOPES.T, axis=1)
    if eligible is not None:
        truth = truth * eligible / (truth * eligible).sum(axis=1, keepdims=True)
    arms = drawn(truth, rng)
    return LoggedFeedback(
        variant_ids=("a", "b", "c"),
        segment_ids=("s", "t"),
        arms=arms,
        segments=segments,
        propensities=np.ones(n),
        rewards=rng.random(n),
        features=features,
        feature_names=("x", "y"),
        eligible=eligible,
        outcomes={"truth": truth[np.arange(n), arms]},
    )


def test_constant_shares_are_propensities() -> None:
    log = a_log()
    constant = with_constant(log, np.array([0.5, 0.3, 0.2]))
    assert constant.propensity_source == "constant"
    np.testing.assert_array_equal(constant.propensities, np.array([0.5, 0.3, 0.2])[log.arms])
    by_segment = with_constant(log, SHARES)
    np.testing.assert_array_equal(by_segment.propensities, log.outcomes["truth"])


def test_constant_shares_are_scaled_to_the_eligible_arms() -> None:
    eligible = np.random.default_rng(1).random((400, 3)) < 0.7
    eligible[:, 0] = True
    log = a_log(eligible=eligible)
    np.testing.assert_allclose(with_constant(log, SHARES).propensities, log.outcomes["truth"])


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ([0.5, 0.5, 0.5], "shares.* found a sum of 1.5; allowed 1"),
        ([0.5, 0.5, 0.0], "propensities: found 0 to 0.5; allowed above 0"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares: list[float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_constant(a_log(), np.array(shares))


def test_frequencies_are_those_of_the_other_folds() -> None:
    log = a_log()
    fold = fold_of(log, 0, 4, 0)
    probabilities = propensity_model([log], folds=4).probabilities(log, 0)
    for row in (0, 50, 399):
        others = (fold != fold[row]) & (log.segments == log.segments[row])
        expected = np.bincount(log.arms[others], minlength=3) / others.sum()
        np.testing.assert_allclose(probabilities[row], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["segments", "features"])
def test_a_rows_arm_says_nothing_in_its_own_propensity(kind: str) -> None:
    log = a_log()
    fold = fold_of(log, 0, 5, 0)
    before = propensity_model([log], kind).probabilities(log, 0)  # type: ignore[arg-type]
    arms = log.arms.copy()
    arms[7] = (arms[7] + 1) % 3
    changed = replace(log, arms=arms)
    after = propensity_model([changed], kind).probabilities(changed, 0)  # type: ignore[arg-type]
    np.testing.assert_array_equal(after[fold == fold[7]], before[fold == fold[7]])
    assert (after[fold != fold[7]] != before[fold != fold[7]]).any()


@settings(max_examples=30)
@given(size=st.integers(1, 400), seed=st.integers(0, 50))
def test_frequencies_of_chunks_are_those_of_the_log(size: int, seed: int) -> None:
    eligible = np.ones((400, 3), bool) if seed % 2 else None
    log = a_log(seed=seed, eligible=eligible)
    cut = propensity_model(log.chunks(size), seed=seed)
    whole = Frequencies.of(log, 0, seed=seed)
    assert isinstance(cut, Frequencies)
    np.testing.assert_array_equal(cut.chosen, whole.chosen)
    np.testing.assert_array_equal(cut.possible, whole.possible)
    parts = [with_estimated(chunk, size * i, cut).feedback.propensities for i, chunk in enumerate(log.chunks(size))]
    np.testing.assert_array_equal(np.concatenate(parts), with_estimated(log, 0, whole).feedback.propensities)


@pytest.mark.parametrize("kind", ["segments", "features"])
def test_estimates_recover_known_propensities(kind: str) -> None:
    n = 40_000
    log = a_log(n, by_features=kind == "features")
    estimated = with_estimated(log, 0, propensity_model([log], kind)).feedback  # type: ignore[arg-type]
    assert estimated.propensity_source == "estimated"
    truth = log.outcomes["truth"]
    # k x standard error: a share of a segment's 16,000 rows in four folds, or half a dozen slopes at once
    rows = n * 0.8 / 2
    k = 4.5 if kind == "segments" else 4.5 * 3.0
    within = k * np.sqrt(truth * (1.0 - truth) / rows)
    assert (np.abs(estimated.propensities - truth) < within).mean() > 0.999


def test_frequencies_are_right_where_eligibility_does_not_change_in_a_segment() -> None:
    segments = a_log(20_000).segments
    eligible = np.array([[True, False, True], [True, True, True]])[segments]
    log = a_log(20_000, eligible=eligible)
    probabilities = propensity_model([log]).probabilities(log, 0)
    assert probabilities[~eligible].max() == 0.0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    truth = np.array([[6 / 7, 0.0, 1 / 7], [0.2, 0.2, 0.6]])[segments]
    assert np.abs(probabilities - truth).max() < 4.5 * np.sqrt(0.25 / 8_000)


@pytest.mark.parametrize("kind", ["segments", "features"])
def test_only_eligible_arms_are_probable(kind: str) -> None:
    eligible = np.random.default_rng(5).random((2000, 3)) < 0.6
    eligible[:, 1] |= ~eligible.any(axis=1)
    log = a_log(2000, eligible=eligible)
    probabilities = propensity_model([log], kind).probabilities(log, 0)  # type: ignore[arg-type]
    assert probabilities[~eligible].max() == 0.0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    alone = eligible.sum(axis=1) == 1
    np.testing.assert_allclose(probabilities[alone][eligible[alone]], 1.0)


def test_estimates_below_the_bound_are_raised_and_counted() -> None:
    log = a_log(1000)
    arms = np.where(np.arange(1000) == 123, 2, log.arms % 2)  # the third arm is in the log once
    rare = replace(log, arms=arms)
    for kind in ("segments", "features"):
        model = propensity_model([rare], kind)  # type: ignore[arg-type]
        estimated = with_estimated(rare, 0, model, least=0.02)
        assert estimated.bounded == 1
        assert estimated.least == 0.02
        assert estimated.feedback.propensities[123] == 0.02
        assert estimated.feedback.propensities.min() == 0.02


def test_two_arms_and_one_arm_are_choices_too() -> None:
    log = a_log(5000, by_features=True)
    two = log.taken(log.arms != 1)
    truth = softmax(np.log(SHARES)[two.segments] + (two.features - CENTRE) @ SLOPES.T, axis=1)[:, [0, 2]]
    truth /= truth.sum(axis=1, keepdims=True)
    probabilities = propensity_model([two], "features").probabilities(two, 0)
    assert probabilities[:, 1].max() == 0.0
    assert np.abs(probabilities[:, [0, 2]] - truth).mean() < 0.02
    one = log.taken(log.arms == 1)
    assert (propensity_model([one], "features").probabilities(one, 0) == [0.0, 1.0, 0.0]).all()


def test_a_log_without_rows_has_no_propensities() -> None:
    for kind in ("segments", "features"):
        with pytest.raises(ValueError, match="chunks: found no rows; allowed one or more"):
            propensity_model([], kind)  # type: ignore[arg-type]
