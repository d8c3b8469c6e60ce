"""Identities that tie estimators together, and a log's evaluation that does not depend on how it is cut."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.evaluating import Estimate, Partial, Settings, concluded, evaluate, sums_of
from optimizer.evaluation.targets import Logged, SegmentShares, always, uniform

FEW = Settings(bootstraps=50)
N_ARMS, N_SEGMENTS = 3, 2


class Given:
    """Predictions that are known for every row of a log."""

    def __init__(self, predictions: NDArray[np.float64]) -> None:
        self.predictions = predictions

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:
        return self.predictions[first_row : first_row + len(feedback)]


def logged(seed: int, n: int, **changes: object) -> tuple[LoggedFeedback, SegmentShares]:
    """A log of a policy by segment, and that policy."""
    rng = np.random.default_rng(seed)
    policy = SegmentShares(rng.dirichlet(np.full(N_ARMS, 2.0), N_SEGMENTS))
    segments = rng.integers(0, N_SEGMENTS, n)
    arms = np.array([rng.choice(N_ARMS, p=policy.shares[segment]) for segment in segments])
    columns = {
        "variant_ids": ("a", "b", "c"),
        "segment_ids": ("young", "old"),
        "arms": arms,
        "segments": segments,
        "propensities": policy.shares[segments, arms],
        "rewards": rng.normal(1.0, 1.0, n),
    }
    return LoggedFeedback(**{**columns, **changes}), policy  # type: ignore[arg-type]


def guesses(seed: int, n: int) -> Given:
    return Given(np.random.default_rng(seed).normal(1.0, 0.5, (n, N_ARMS)))


def numbers(found: dict[str, Estimate]) -> Iterator[float]:
    for estimate in found.values():
        yield from (estimate.value, estimate.standard_error)
        for interval in estimate.intervals.values():
            yield from interval


SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(2, 60)


@given(SEEDS, LENGTHS)
def test_a_target_that_is_the_logs_policy_earns_the_logs_mean(seed: int, n: int) -> None:
    log, policy = logged(seed, n)
    found = evaluate([log], {"same": policy, "logged": Logged()}, replace(FEW, bootstraps=1))
    for name in ("same", "logged"):
        for estimator, estimate in found.judgements[name].estimates.items():
            assert estimate.value == pytest.approx(log.rewards.mean(), rel=1e-12), estimator
            assert estimate.standard_error == pytest.approx(found.logged.standard_error, rel=1e-9)
            assert found.judgements[name].lifts[estimator].value == pytest.approx(0.0, abs=1e-12)


@given(SEEDS, LENGTHS)
def test_without_a_clue_from_the_model_dr_is_ips_and_sndr_is_snips(seed: int, n: int) -> None:
    log, _ = logged(seed, n)
    found = evaluate([log], {"uniform": uniform(2, 3)}, FEW, Given(np.zeros((n, N_ARMS)))).judgements["uniform"]
    for one, other in (("dr", "ips"), ("sndr", "snips")):
        own, same = found.estimates[one], found.estimates[other]
        np.testing.assert_allclose([*numbers({one: own})], [*numbers({other: same})], rtol=1e-9, atol=1e-12)
    assert found.estimates["dm"].value == 0.0


@given(SEEDS, LENGTHS, st.floats(-100, 100))
def test_self_normalised_estimates_move_with_the_rewards(seed: int, n: int, shift: float) -> None:
    log, _ = logged(seed, n)
    model = guesses(seed, n)
    moved = replace(log, rewards=log.rewards + shift)
    target = {"target": uniform(2, 3)}
    before = evaluate([log], target, FEW, model).judgements["target"].estimates
    after = evaluate([moved], target, FEW, model).judgements["target"].estimates
    assert after["snips"].value == pytest.approx(before["snips"].value + shift, rel=1e-9, abs=1e-9)
    assert after["snips"].standard_error == pytest.approx(before["snips"].standard_error, rel=1e-6, abs=1e-9)
    assert after["sndr"].value == pytest.approx(before["sndr"].value + shift, rel=1e-9, abs=1e-9)
    for end in (0, 1):
        own, other = (each["snips"].intervals["bootstrap"][end] for each in (after, before))
        assert own == pytest.approx(other + shift, rel=1e-9, abs=1e-9)


@given(SEEDS, LENGTHS)
def test_a_switch_goes_from_the_direct_method_to_doubly_robust(seed: int, n: int) -> None:
    log, _ = logged(seed, n)
    model, target = guesses(seed, n), {"target": uniform(2, 3)}
    for switch_at, name in ((0.0, "dm"), (inf, "dr")):
        found = evaluate([log], target, replace(FEW, switch_at=switch_at), model).judgements["target"].estimates
        assert [*numbers({name: found["switch_dr"]})] == [*numbers({name: found[name]})]


@given(SEEDS, LENGTHS)
def test_clipping_nothing_is_ips_and_clipping_more_earns_less(seed: int, n: int) -> None:
    log, _ = logged(seed, n)
    log = replace(log, rewards=np.abs(log.rewards))
    values = []
    for clip in (inf, 1.5, 0.5, 0.0):
        found = evaluate([log], {"t": uniform(2, 3)}, replace(FEW, weight_clip=clip)).judgements["t"].estimates
        values.append(found["clipped_ips"].value)
    assert values[0] == found["ips"].value
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.0


@given(SEEDS, LENGTHS, st.integers(1, 60), st.booleans(), st.sampled_from([2, 7, 4_096]))
@settings(max_examples=50)
def test_how_a_log_is_cut_makes_no_difference(seed: int, n: int, size: int, known: bool, n_blocks: int) -> None:
    log, _ = logged(seed, n)
    if known:
        log = replace(log, recipients=np.random.default_rng(seed).integers(0, 9, n).astype(np.uint64))
    model, targets = guesses(seed, n), {"uniform": uniform(2, 3), "b": always(1, 2, 3)}
    few = replace(FEW, n_blocks=n_blocks)
    whole, cut = evaluate([log], targets, few, model), evaluate(log.chunks(size), targets, few, model)
    assert whole.n == cut.n == n
    for name in targets:
        for kind in ("estimates", "lifts"):
            own, other = getattr(whole.judgements[name], kind), getattr(cut.judgements[name], kind)
            np.testing.assert_allclose([*numbers(own)], [*numbers(other)], rtol=1e-9, atol=1e-7)  # a root of rounding


@given(SEEDS, st.permutations(range(4)))
@settings(max_examples=30)
def test_parts_may_be_summed_in_any_order(seed: int, order: list[int]) -> None:
    log, _ = logged(seed, 40)
    model, targets = guesses(seed, 40), {"uniform": uniform(2, 3)}
    parts = [sums_of(chunk, targets, FEW, model, 10 * i) for i, chunk in enumerate(log.chunks(10))]
    total: Partial = parts[order[0]]
    for i in order[1:]:
        total += parts[i]
    own = concluded(total, FEW).judgements["uniform"].estimates
    other = evaluate([log], targets, FEW, model).judgements["uniform"].estimates
    np.testing.assert_allclose([*numbers(own)], [*numbers(other)], rtol=1e-9, atol=1e-9)


def test_parts_travel_between_processes() -> None:
    log, _ = logged(12, 40)
    targets, model = {"uniform": uniform(2, 3)}, guesses(12, 40)
    parts = [sums_of(chunk, targets, FEW, model, 10 * i) for i, chunk in enumerate(log.chunks(10))]
    first, *others = pickle.loads(pickle.dumps(parts))
    found = concluded(sum(others, first), FEW).judgements["uniform"]
    alone = evaluate(log.chunks(10), targets, FEW, model).judgements["uniform"]
    assert (found.estimates, found.lifts, found.verdict) == (alone.estimates, alone.lifts, alone.verdict)


def test_a_long_chunk_is_read_in_pieces_that_know_their_place() -> None:
    rng = np.random.default_rng(5)
    n = 100_000
    arms = rng.integers(0, 2, n)
    log = LoggedFeedback(("a", "b"), ("all",), arms, np.zeros(n, int), np.full(n, 0.5), rng.random(n))
    model = Given(rng.random((n, 2)))
    found = evaluate([log], {"b": always(1, 1, 2)}, FEW, model).judgements["b"].estimates
    weights, q = 2.0 * arms, model.predictions
    residuals = weights * (log.rewards - q[np.arange(n), arms])
    assert found["dr"].value == pytest.approx((q[:, 1] + residuals).mean(), rel=1e-12)
    assert found["dr"].standard_error == pytest.approx((q[:, 1] + residuals).std(ddof=1) / np.sqrt(n), rel=1e-9)


def test_a_lift_knows_that_it_is_a_difference_of_the_same_rows() -> None:
    log, _ = logged(6, 60)
    found = evaluate([log], {"uniform": uniform(2, 3)}, FEW).judgements["uniform"].lifts["ips"]
    weights = (1 / 3) / log.propensities
    differences = (weights - 1.0) * log.rewards
    assert found.value == pytest.approx(differences.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(differences.std(ddof=1) / np.sqrt(60), rel=1e-9)


def test_rows_of_one_recipient_are_not_independent() -> None:
    log, _ = logged(7, 50)
    thrice = log.taken(np.repeat(np.arange(50), 3))
    known = replace(thrice, recipients=np.repeat(np.arange(50), 3).astype(np.uint64))
    errors = [
        evaluate([each], {"t": uniform(2, 3)}, replace(FEW, n_blocks=1 << 16)).judgements["t"].estimates["snips"]
        for each in (log, thrice, known)
    ]
    assert errors[1].standard_error == pytest.approx(errors[0].standard_error / np.sqrt(3), rel=0.02)
    assert errors[2].standard_error == pytest.approx(errors[0].standard_error, rel=0.02)


def test_equal_seeds_give_equal_numbers() -> None:
    log, _ = logged(8, 60)
    first, again = (evaluate([log], {"t": uniform(2, 3)}, FEW).judgements["t"] for _ in range(2))
    assert (first.estimates, first.lifts, first.verdict) == (again.estimates, again.lifts, again.verdict)
    other = evaluate([log], {"t": uniform(2, 3)}, replace(FEW, seed=1)).judgements["t"].estimates["ips"]
    assert other.intervals["normal"] == first.estimates["ips"].intervals["normal"]
    assert other.intervals["bootstrap"] != first.estimates["ips"].intervals["bootstrap"]


def test_a_target_whose_arm_was_never_chosen_has_no_ratio() -> None:
    log, _ = logged(9, 30)
    never = replace(log, arms=np.zeros(30, int))
    found = evaluate([never], {"b": always(1, 2, 3)}, FEW).judgements["b"].estimates
    assert found["ips"].value == 0.0
    assert np.isnan([*numbers({"snips": found["snips"]})]).all()


def test_estimators_that_need_a_model_are_left_out_without_one() -> None:
    log, _ = logged(10, 9)
    targets = {"t": uniform(2, 3)}
    assert [*evaluate([log], targets, FEW).judgements["t"].estimates] == ["ips", "clipped_ips", "snips"]
    chosen = evaluate([log], targets, replace(FEW, estimators=("dr", "ips")), guesses(1, 9)).judgements["t"]
    assert [*chosen.estimates] == ["dr", "ips"]
    with pytest.raises(ValueError, match="estimators: found dr without a reward model; allowed ips, clipped_ips, sn"):
        evaluate([log], targets, replace(FEW, estimators=("ips", "dr")))


def test_nothing_can_be_said_of_an_empty_log_or_without_targets() -> None:
    log, _ = logged(11, 9)
    for chunks in ([], [log.taken(slice(0, 0))]):
        with pytest.raises(ValueError, match="chunks: found no rows; allowed one or more"):
            evaluate(chunks, {"t": uniform(2, 3)}, FEW)
    with pytest.raises(ValueError, match="targets: found none; allowed one or more policies"):
        evaluate([log], {}, FEW)
    one, other = (sums_of(log, {name: uniform(2, 3)}, FEW, None, 0) for name in ("t", "u"))
    with pytest.raises(ValueError, match="partials: found other targets or estimators"):
        one + other


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"level": 1.0}, "level: found 1.0; allowed above 0 and below 1"),
        ({"bootstraps": 0}, "bootstraps: found 0; allowed 1 or more"),
        ({"n_blocks": 1}, "n_blocks: found 1; allowed 2 or more"),
        ({"weight_clip": -1.0}, "weight_clip: found -1.0; allowed 0 or more"),
        ({"switch_at": float("nan")}, "switch_at: found nan; allowed 0 or more"),
        ({"estimators": ("ipw",)}, "estimators: found ipw; allowed ips, clipped_ips, snips, dm, dr, sndr, switch_dr"),
        ({"intervals": ("exact",)}, "intervals: found exact; allowed normal, bootstrap"),
    ],
)
def test_what_cannot_be_done_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**changes)  # type: ignore[arg-type]
