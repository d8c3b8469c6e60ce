"""Learned policies: a row's policy was learned without it, and scores are what the formula says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import fold_of, numbered
from optimizer.evaluation.evaluating import evaluate
from optimizer.evaluation.policy_learning import (
    BestByModel,
    BestBySegment,
    ScoreSums,
    best_by_model,
    best_by_segment,
    chosen_scores,
    policy_value,
)
from optimizer.evaluation.reward_models import SHRINKAGE, cell_means
from optimizer.evaluation.targets import always

ARMS, SEGMENTS = 3, 2


def a_log(n: int = 300, seed: int = 0, *, some_eligible: bool = False) -> LoggedFeedback:
    rng = np.random.default_rng(seed)
    segments = rng.integers(SEGMENTS, size=n)
    shares = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])[segments]
    eligible = rng.random((n, ARMS)) < 0.8 if some_eligible else np.ones((n, ARMS), bool)
    eligible[np.arange(n), rng.integers(ARMS, size=n)] = True
    shares = shares * eligible / (shares * eligible).sum(axis=1, keepdims=True)
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=ARMS - 1)
    features = rng.normal(size=(n, 1))
    rewards = rng.random(n) < 0.2 + 0.2 * (arms == segments) + 0.1 * (features[:, 0] > 0.0) * (arms == 2)
    return LoggedFeedback(
        variant_ids=("a", "b", "c"),
        segment_ids=("s", "t"),
        arms=arms,
        segments=segments,
        propensities=shares[np.arange(n), arms],
        rewards=rewards.astype(float),
        features=features,
        feature_names=("x",),
        eligible=eligible if some_eligible else None,
    )


def only(log: LoggedFeedback) -> LoggedFeedback:
    return next(iter(numbered([log])))


@pytest.mark.parametrize("folds", [1, 2, 3])
@pytest.mark.parametrize("some_eligible", [False, True])
def test_scores_are_means_of_doubly_robust_scores_of_other_folds(folds: int, *, some_eligible: bool) -> None:
    log = a_log(some_eligible=some_eligible)
    fold = fold_of(log, 0, folds, 0)
    found = ScoreSums.of(log, 0, folds).scores()

    def mean(outside: set[int], segment: int, arm: int) -> float:
        """The shrunken mean of a cell, row by row."""
        rows = [i for i in range(len(log)) if fold[i] not in outside]
        of_arm = [i for i in rows if log.arms[i] == arm]
        of_cell = [i for i in of_arm if log.segments[i] == segment]
        overall = sum(log.rewards[rows]) / max(len(rows), 1)
        arm_mean = (sum(log.rewards[of_arm]) + SHRINKAGE * overall) / (len(of_arm) + SHRINKAGE)
        return (sum(log.rewards[of_cell]) + SHRINKAGE * arm_mean) / (len(of_cell) + SHRINKAGE)

    for here in range(folds):
        outside = set() if folds == 1 else {here}
        for segment in range(SEGMENTS):
            for arm in range(ARMS):
                scores = []
                for there in set(range(folds)) - outside:
                    q = mean(set() if folds == 1 else {here, there}, segment, arm)
                    for i in np.flatnonzero((fold == there) & (log.segments == segment)):
                        if log.eligible is None or log.eligible[i, arm]:
                            chosen = log.arms[i] == arm
                            scores.append(q + chosen * (log.rewards[i] - q) / log.propensities[i])
                assert found[here, segment, arm] == pytest.approx(np.mean(scores), rel=1e-10)


@settings(max_examples=30)
@given(size=st.integers(1, 300), seed=st.integers(0, 99))
def test_score_sums_of_chunks_are_those_of_the_log(size: int, seed: int) -> None:
    log = a_log(seed=seed, some_eligible=seed % 2 == 0)
    whole = ScoreSums.of(log, 0)
    first, *others = [ScoreSums.of(chunk, size * i) for i, chunk in enumerate(log.chunks(size))]
    np.testing.assert_allclose(sum(others, start=first).scores(), whole.scores(), rtol=1e-9)


@pytest.mark.parametrize("kind", ["segment", "cells", "logistic"])
def test_a_rows_reward_says_nothing_in_its_own_policy(kind: str) -> None:
    log = a_log(200)
    fold = fold_of(log, 0, 5, 0)

    def policy(of: LoggedFeedback) -> np.ndarray:
        if kind == "segment":
            scores = ScoreSums.of(of, 0).scores()
            return scores[fold, of.segments]  # finer than the arm that is best
        learned = best_by_model([of], kind).cross_fitted
        assert isinstance(learned, BestByModel)
        return learned.model.predicted(of, 0)

    before = policy(log)
    for row in range(0, 200, 41):
        rewards = log.rewards.copy()
        rewards[row] += 1.0 if kind == "segment" else 1.0 - 2.0 * rewards[row]
        after = policy(replace(log, rewards=rewards))
        np.testing.assert_array_equal(after[fold == fold[row]], before[fold == fold[row]])
        assert (after[fold != fold[row]] != before[fold != fold[row]]).any()


def test_the_best_arm_is_eligible() -> None:
    log = only(a_log(500, some_eligible=True))
    assert log.eligible is not None
    for learned in (best_by_segment([log]), best_by_model([log], "logistic")):
        for policy in (learned.policy, learned.cross_fitted):
            probabilities = policy.probabilities(log)
            assert probabilities[~log.eligible].max() == 0.0
            np.testing.assert_array_equal(probabilities.sum(axis=1), 1.0)


def test_the_second_best_arm_is_chosen_where_the_best_is_not_eligible() -> None:
    policy = BestBySegment(np.array([[[0.1, 0.3, 0.2]]]), seed=0)
    eligible = np.array([[True, True, True], [True, False, True], [True, False, False]])
    log = a_log(3)
    log = replace(log, segment_ids=("s",), segments=np.zeros(3, int), eligible=eligible, recipients=np.arange(3))
    assert policy.probabilities(log).argmax(axis=1).tolist() == [1, 2, 0]
    assert policy.arms().tolist() == [[1]]
    with pytest.raises(ValueError, match=r"eligible\[1\]: found no arm; allowed one or more"):
        policy.probabilities(replace(log, eligible=eligible & [[True], [False], [True]]))


def test_a_policy_is_the_same_in_chunks() -> None:
    log = a_log(400)
    for learned in (best_by_segment(log.chunks(70)), best_by_model(log.chunks(70))):
        whole = learned.cross_fitted.probabilities(only(log))
        parts = [learned.cross_fitted.probabilities(chunk) for chunk in numbered(log.chunks(90))]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_rows_that_do_not_say_who_they_are_get_no_learned_policy() -> None:
    log = a_log()
    learned = best_by_segment([log])
    for policy in (learned.cross_fitted, best_by_model([log], "cells").cross_fitted):
        with pytest.raises(ValueError, match="recipients: found none; allowed one for each row, as `numbered` gives"):
            policy.probabilities(log)
    assert learned.policy.probabilities(log).sum() == len(log)  # what was learned from all rows is for anybody


def test_the_value_is_the_mean_of_scores_however_the_log_is_cut() -> None:
    log = a_log(333)
    model, target = cell_means([log]), always(1, SEGMENTS, ARMS)
    q = model.predicted(log, 0)
    scores = q[:, 1] + (log.arms == 1) * (log.rewards - q[:, 1]) / log.propensities
    for size in (1, 50, 333):
        value = policy_value(target, model, log.chunks(size))
        assert value.value == pytest.approx(scores.mean(), rel=1e-12)
        assert value.standard_error == pytest.approx(scores.std(ddof=1) / np.sqrt(333), rel=1e-10)
        assert value.rows == 333


def test_scores_weigh_arms_by_the_policys_probabilities() -> None:
    log = replace(a_log(2), arms=np.array([0, 2]), rewards=np.array([1.0, 0.0]), propensities=np.array([0.5, 0.25]))
    pi = np.array([[0.2, 0.8, 0.0], [0.5, 0.0, 0.5]])
    q = np.array([[0.4, 0.1, 0.9], [0.3, 0.7, 0.5]])
    # .2 x .4 + .8 x .1 + .2 / .5 x (1 - .4), and .5 x .3 + .5 x .5 + .5 / .25 x (0 - .5)
    np.testing.assert_allclose(chosen_scores(log, pi, q), [0.4, -0.6])


def test_the_policy_that_is_learned_is_for_whom_it_works() -> None:
    log = a_log(20_000)
    learned = best_by_segment(log.chunks(6_000))
    assert isinstance(learned.policy, BestBySegment)
    assert learned.policy.arms().tolist() == [[0, 1]]
    assert learned.optimism == learned.plug_in.value - learned.honest.value
    assert abs(learned.honest.value - 0.4) < 4 * learned.honest.standard_error
    of_model = best_by_model([log], "logistic")
    assert abs(of_model.honest.value - 0.4) < 4 * of_model.honest.standard_error


@pytest.mark.parametrize("size", [37, 1000])
def test_evaluate_judges_a_learned_policy_as_honestly(size: int) -> None:
    log = a_log(600)
    learned, model = best_by_segment([log]), cell_means([log])
    found = evaluate(numbered(log.chunks(size)), {"learned": learned.cross_fitted}, reward_model=model)
    doubly_robust = found.judgements["learned"].estimates["dr"]
    assert doubly_robust.value == pytest.approx(learned.honest.value, rel=1e-12)
    assert doubly_robust.standard_error == pytest.approx(learned.honest.standard_error, rel=0.01)


def test_a_log_that_was_read_before_is_refused() -> None:
    with pytest.raises(ValueError, match="chunks: found no rows"):
        best_by_segment(iter([a_log()]))
