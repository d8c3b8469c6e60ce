"""Diagnostics: arithmetic by hand, merging, and logs made to show one flaw each."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.diagnostics import Diagnostics, DiagnosticSums, WeightHistogram, diagnosed


def log_of(
    arms: np.ndarray, propensities: np.ndarray, segments: np.ndarray | None = None, n_arms: int = 3, n_segments: int = 1
) -> LoggedFeedback:
    return LoggedFeedback(
        variant_ids=tuple(f"v{arm}" for arm in range(n_arms)),
        segment_ids=tuple(f"s{segment}" for segment in range(n_segments)),
        arms=np.asarray(arms, dtype=np.int64),
        segments=np.zeros(len(arms), dtype=np.int64) if segments is None else np.asarray(segments, dtype=np.int64),
        propensities=np.asarray(propensities, dtype=np.float64),
        rewards=np.zeros(len(arms)),
    )


def summed(log: LoggedFeedback, shares: np.ndarray) -> DiagnosticSums:
    probabilities = np.broadcast_to(shares, (log.n_segments, log.n_arms))[log.segments]
    return DiagnosticSums.of(log, probabilities, probabilities[np.arange(len(log)), log.arms] / log.propensities)


def drawn(shares: np.ndarray, n: int, seed: int = 3) -> LoggedFeedback:
    """A log whose propensities are right: ``[S, A]`` shares, segments equally likely."""
    rng = np.random.Generator(np.random.PCG64(seed))
    segments = rng.integers(0, len(shares), n)
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)[segments]).sum(axis=1)
    return log_of(arms, shares[segments, arms], segments, shares.shape[1], len(shares))


def diagnosed_by(log: LoggedFeedback, shares: np.ndarray) -> Diagnostics:
    return diagnosed(summed(log, shares))


def test_weights_are_summed_up_as_by_hand() -> None:
    log = log_of(np.array([0, 0, 1, 2]), np.array([0.5, 0.25, 0.25, 0.5]))
    found = diagnosed_by(log, np.array([0.75, 0.25, 0.0]))  # weights 1.5, 3, 1, 0
    assert found.n == 4
    assert found.effective_sample_size == pytest.approx(5.5**2 / (2.25 + 9.0 + 1.0))
    assert found.effective_share == pytest.approx(5.5**2 / 12.25 / 4)
    assert found.largest_weight == 3.0
    assert found.largest_share == pytest.approx(3.0 / 5.5)
    assert found.mean_weight == pytest.approx(5.5 / 4)
    # Squared distances from 1.375 sum to 4.6875, and one imagined weight makes that 5.6875.
    assert found.mean_weight_z == pytest.approx(0.375 / (5.6875 / 4 / 4) ** 0.5)
    assert found.smallest_propensity == 0.25
    assert found.weights.zeros == 1


def test_the_log_itself_is_worth_all_of_its_rows() -> None:
    shares = np.array([[0.2, 0.3, 0.5]])
    found = diagnosed_by(drawn(shares, 5_000), shares)
    assert found.effective_sample_size == pytest.approx(5_000)
    assert found.mean_weight == pytest.approx(1.0)
    assert found.mean_weight_z == pytest.approx(0.0, abs=1e-6)
    assert found.unsupported_mass == 0.0
    assert found.top_share == pytest.approx(0.01)


@given(st.lists(st.just(0.0) | st.floats(1e-9, 1e6), min_size=1, max_size=100).filter(any))
def test_the_effective_sample_size_is_between_one_and_all_rows(weights: list[float]) -> None:
    n = len(weights)
    found = diagnosed(DiagnosticSums.of(log_of(np.zeros(n), np.ones(n)), np.full((n, 3), 1 / 3), np.array(weights)))
    assert 1.0 - 1e-9 <= found.effective_sample_size <= n * (1.0 + 1e-9)
    assert found.largest_share >= 1.0 / n - 1e-9
    assert found.largest_share**2 <= 1.0 / found.effective_sample_size + 1e-9


def same(one: DiagnosticSums, other: DiagnosticSums) -> bool:
    first, second = diagnosed(one), diagnosed(other)
    for name in ("effective_sample_size", "largest_weight", "top_share", "mean_weight", "mean_weight_z"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9, abs=1e-6), name
    assert (first.n, first.smallest_propensity) == (second.n, second.smallest_propensity)
    assert first.unsupported_mass == pytest.approx(second.unsupported_mass)
    assert one.cells.target == pytest.approx(other.cells.target)
    assert [u.shown for u in first.unsupported] == [u.shown for u in second.unsupported]
    assert first.weights.counts.tolist() == second.weights.counts.tolist()
    assert [c.z for c in first.calibration] == pytest.approx([c.z for c in second.calibration], rel=1e-6, abs=1e-6)
    assert first.ratio_mismatch == pytest.approx(second.ratio_mismatch)
    return True


@given(st.integers(0, 1_000), st.lists(st.integers(1, 399), min_size=1, max_size=5, unique=True))
def test_sums_of_chunks_are_those_of_the_log_in_any_order(seed: int, cuts: list[int]) -> None:
    shares = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    log = drawn(shares, 400, seed)
    target = np.array([[0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    edges = [0, *sorted(cuts), 400]
    parts = [summed(log.taken(slice(a, b)), target) for a, b in pairwise(edges)]
    assert same(reduce(add, parts), summed(log, target))
    assert same(reduce(add, reversed(parts)), summed(log, target))
    assert same(reduce(lambda late, early: early + late, reversed(parts)), summed(log, target))


def test_sums_of_other_logs_do_not_add() -> None:
    one = summed(drawn(np.array([[0.5, 0.5]]), 10), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match=r"found other segments.*; allowed"):
        one + replace(one, segment_ids=("elsewhere",))


def test_the_heaviest_hundredth_is_found_to_a_few_percent() -> None:
    rng = np.random.Generator(np.random.PCG64(8))
    weights = np.where(rng.random(20_000) < 0.3, 0.0, rng.lognormal(0.0, 2.0, 20_000))
    exact = np.sort(weights)[-200:].sum() / weights.sum()
    halves = WeightHistogram.of(weights[:7_000]) + WeightHistogram.of(weights[7_000:])
    assert 0.97 * exact < halves.top_share(0.01) <= exact
    assert halves.counts.sum() + halves.zeros == 20_000
    assert halves.sums.sum() == pytest.approx(weights.sum())
    assert halves.top_share(1.0) == pytest.approx(1.0)


def test_weights_are_counted_in_the_bin_they_lie_in() -> None:
    histogram = WeightHistogram.of(np.array([0.0, 1e-30, 0.5, 2.0, 2.0, 21_739.13, 1e300]))
    places = np.flatnonzero(histogram.counts)
    inside = [place for place in places if 0 < place < len(histogram.counts) - 1]
    assert [int(histogram.counts[place]) for place in inside] == [1, 2, 1]
    for place, weight in zip(inside, (0.5, 2.0, 21_739.13), strict=True):
        assert histogram.edges[place] <= weight < histogram.edges[place + 1]
    assert histogram.counts[0] == histogram.counts[-1] == 1
    assert histogram.zeros == 1


# ---------------------------------------------------------------- what the log never shows


def test_arms_the_log_never_shows_are_counted_by_what_the_target_gives_them() -> None:
    log = drawn(np.array([[0.5, 0.5, 0.0], [0.5, 0.3, 0.2]]), 2_000)
    found = diagnosed_by(log, np.array([[0.2, 0.2, 0.6], [0.2, 0.2, 0.6]]))
    in_first = int((log.segments == 0).sum())
    assert found.unsupported_mass == pytest.approx(0.6 * in_first / 2_000)
    (only,) = found.unsupported
    assert (only.segment_id, only.variant_id, only.shown, only.rows) == ("s0", "v2", 0, in_first)
    assert found.mean_weight == pytest.approx(1.0 - found.unsupported_mass, abs=0.05)


def test_an_arm_shown_hardly_ever_is_as_good_as_not_shown() -> None:
    arms = np.zeros(30_000, dtype=np.int64)
    for shown, mass in ((100, 0.4), (101, 0.0)):  # 1 % of an equal split of 10,000
        arms[:] = 0
        arms[:shown] = 1
        found = diagnosed_by(log_of(arms, np.full(30_000, 0.5)), np.array([0.6, 0.4, 0.0]))
        assert found.unsupported_mass == pytest.approx(mass)


def test_arms_the_target_does_not_want_may_be_missing() -> None:
    found = diagnosed_by(drawn(np.array([[0.5, 0.5, 0.0]]), 2_000), np.array([0.9, 0.1, 0.0]))
    assert (found.unsupported_mass, found.unsupported) == (0.0, ())


def test_arms_missing_from_small_segments_by_chance_are_no_flaw() -> None:
    """500 segments of four decisions each: most cells are empty though every arm is shown a third of the time."""
    shares = np.full((500, 3), 1 / 3)
    log = drawn(shares, 2_000)
    assert diagnosed_by(log, shares).unsupported_mass == 0.0


def test_arms_missing_from_all_small_segments_together_are_a_flaw() -> None:
    shares = np.tile([0.5, 0.5, 0.0], (500, 1))
    assert diagnosed_by(drawn(shares, 2_000), np.full((500, 3), 1 / 3)).unsupported_mass == pytest.approx(1 / 3)


def test_arms_that_could_not_be_chosen_are_not_missed() -> None:
    log = drawn(np.array([[0.5, 0.5, 0.0]]), 2_000)
    eligible = np.array([[True, True, False]]).repeat(2_000, axis=0)
    found = diagnosed_by(replace(log, eligible=eligible), np.array([0.5, 0.5, 0.0]))
    assert found.unsupported_mass == 0.0
    assert {(cell.variant_id, cell.rows) for cell in found.calibration} == {("v0", 2_000), ("v1", 2_000)}


def test_arms_that_could_be_chosen_now_and_then_are_judged_by_those_times() -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    is_open = np.arange(4_000) < 1_000
    arms = np.where(is_open, rng.integers(0, 3, 4_000), rng.integers(0, 2, 4_000))
    eligible = np.column_stack([np.ones(4_000, bool), np.ones(4_000, bool), is_open])
    log = replace(log_of(arms, np.where(is_open, 1 / 3, 1 / 2)), eligible=eligible)
    found = diagnosed(DiagnosticSums.of(log, eligible / eligible.sum(axis=1, keepdims=True), np.ones(4_000)))
    last = found.calibration[-1]
    assert (last.variant_id, last.rows) == ("v2", 1_000)
    assert abs(last.z) < 3.5
    assert found.unsupported_mass == 0.0
    assert found.ratio_mismatch is None


# ---------------------------------------------------------------- propensities


def test_right_propensities_are_calibrated() -> None:
    shares = np.array([[0.1, 0.3, 0.6], [0.4, 0.4, 0.2]])
    found = diagnosed_by(drawn(shares, 20_000), np.full((2, 3), 1 / 3))
    assert len(found.calibration) == 6
    assert max(abs(cell.z) for cell in found.calibration) < 3.5
    assert abs(found.mean_weight_z) < 3.5
    assert found.ratio_mismatch is not None
    assert found.ratio_mismatch > 0.001


def test_the_calibration_of_constant_propensities_is_a_binomial_test() -> None:
    arms = np.repeat([0, 1], [540, 460])
    found = diagnosed_by(log_of(arms, np.full(1_000, 0.5), n_arms=2), np.array([0.5, 0.5]))
    first, second = found.calibration
    assert (first.rows, first.shown, first.recovered) == (1_000, 540, pytest.approx(1.08))
    assert first.z == pytest.approx((540 - 500) / 250**0.5, rel=1e-3)
    assert second.z == pytest.approx(-first.z)
    assert found.ratio_mismatch == pytest.approx(0.0114, abs=1e-4)  # chi-square 6.4, one degree


def test_wrong_propensities_are_seen_everywhere() -> None:
    log = drawn(np.array([[0.2, 0.3, 0.5]]), 20_000)
    wrong = replace(log, propensities=np.array([0.3, 0.3, 0.4])[log.arms])
    found = diagnosed_by(wrong, np.array([1.0, 0.0, 0.0]))
    assert found.mean_weight == pytest.approx(0.2 / 0.3, abs=0.02)
    assert found.mean_weight_z < -20.0
    assert [abs(cell.z) > 5.0 for cell in found.calibration] == [True, False, True]
    assert found.ratio_mismatch is not None
    assert found.ratio_mismatch < 1e-10


def test_a_constant_that_is_wrong_is_seen_though_weights_do_not_vary() -> None:
    found = diagnosed_by(log_of(np.zeros(1_000), np.full(1_000, 0.5)), np.array([1.0, 0.0, 0.0]))
    assert found.mean_weight == 2.0
    assert found.mean_weight_z > 100.0


def test_arms_that_were_to_be_shown_but_never_were_are_a_mismatch() -> None:
    arms = np.arange(1_000) % 2
    found = diagnosed_by(log_of(arms, np.full(1_000, 1 / 3)), np.array([0.5, 0.5, 0.0]))
    assert found.ratio_mismatch is not None
    assert found.ratio_mismatch < 1e-50


def test_a_log_whose_shares_change_has_no_ratio_to_test() -> None:
    log = drawn(np.array([[0.2, 0.3, 0.5]]), 2_000)
    moved = replace(log, propensities=log.propensities * np.linspace(0.9, 1.0, 2_000))
    assert diagnosed_by(moved, np.array([1.0, 0.0, 0.0])).ratio_mismatch is None
    falling, rising = (summed(log_of(log.arms, np.full(2_000, p)), np.full(3, 1 / 3)) for p in (0.3, 0.25))
    assert diagnosed(falling + rising).ratio_mismatch is None
    assert diagnosed(rising + falling).ratio_mismatch is None
    estimated = replace(log, propensity_source="estimated")
    assert diagnosed_by(estimated, np.array([1.0, 0.0, 0.0])).ratio_mismatch is None


def test_cells_with_few_decisions_are_not_judged() -> None:
    arms = np.repeat([0, 1], [49, 951])
    found = diagnosed_by(log_of(arms, np.full(1_000, 0.5), n_arms=2), np.array([0.5, 0.5]))
    assert [cell.variant_id for cell in found.calibration] == ["v1"]


def test_what_cannot_be_is_refused() -> None:
    log, shares = log_of(np.zeros(2), np.ones(2)), np.full((2, 3), 1 / 3)
    for probabilities, weights, place in (
        (shares[:1], np.ones(2), "target_probabilities"),
        (shares, np.ones(3), "importance_weights"),
        (shares, np.array([1.0, -1.0]), "importance_weights"),
        (shares, np.array([1.0, np.nan]), "importance_weights"),
    ):
        with pytest.raises(ValueError, match=f"^{place}: found .*; allowed"):
            DiagnosticSums.of(log, probabilities, weights)
    with pytest.raises(ValueError, match=r"^feedback: found no rows"):
        DiagnosticSums.of(log.taken(slice(0, 0)), shares[:0], np.ones(0))
