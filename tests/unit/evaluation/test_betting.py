"""Betting sequences against the definition, candidate by candidate, and what must hold for any values."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.evaluation.betting import BettingSequence, intervals_at_every_time, weighted_range

LAWS = {
    "rare": lambda rng, n: (rng.random(n) < 0.1).astype(float),
    "spread": lambda rng, n: rng.beta(1.0, 1.0, n),
    "tight": lambda rng, n: rng.beta(400.0, 600.0, n),
    "heavy": lambda rng, n: np.where(rng.random(n) < 0.05, rng.choice([0.002, 0.02, 1.0], n, p=[0.6, 0.37, 0.03]), 0.0),
}


def drawn(law: str, n: int, seed: int = 1) -> np.ndarray:
    return LAWS[law](np.random.Generator(np.random.PCG64(seed)), n)


def by_definition(x: np.ndarray, level: float, candidates: np.ndarray) -> tuple[float, float]:
    """Theorem 3 of the paper on a fine grid, one value at a time; only the caps are asked of the sequence itself."""
    sequence = BettingSequence.begin(0.0, 1.0, level)
    up, down = np.zeros(len(candidates)), np.zeros(len(candidates))
    is_in = np.ones(len(candidates), dtype=bool)
    seen: list[float] = []
    squares = total = 0.0
    for value in x:
        t = len(seen) + 1
        bet = sqrt(2.0 * log(2.0 / (1.0 - level)) / ((0.25 + squares) / t * t * log(1.0 + t)))
        top, bottom = sequence.candidates[-1], sequence.candidates[0]
        with np.errstate(divide="ignore", invalid="ignore"):  # candidates that were dropped long ago
            up += np.log(1.0 + min(bet, 0.75 / top) * (value - candidates))
            down += np.log(1.0 - min(bet, 0.75 / (1.0 - bottom)) * (value - candidates))
        is_in &= ~((up >= log(2.0 / (1.0 - level))) | (down >= log(2.0 / (1.0 - level))))
        is_in &= (candidates >= bottom) & (candidates <= top)
        seen.append(value)
        total += value
        squares += (value - (0.5 + total) / (t + 1)) ** 2
        sequence = sequence.after(np.array([value]))
    return float(candidates[is_in][0]), float(candidates[is_in][-1])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_that_of_the_definition(law: str, level: float) -> None:
    x = drawn(law, 600)
    low, high = by_definition(x, level, np.linspace(0.0, 1.0, 50_001))
    found_low, found_high = BettingSequence.begin(0.0, 1.0, level).after(x).interval
    # The grid's step is .00002. Chords may only widen, and by less than 1 %.
    assert low - 0.01 * (high - low) - 2e-5 <= found_low <= low
    assert high <= found_high <= high + 0.01 * (high - low) + 2e-5


def test_the_first_value_is_bet_on_without_knowing_it() -> None:
    """The first bet is sqrt(2 log 40 / (1/4 log 2)) = 6.52, capped at .75: one value leaves 1.75 at most, not 40."""
    for value in (0.0, 0.3, 1.0):
        after = BettingSequence.begin(0.0, 1.0).after(np.array([value]))
        assert after.interval == (0.0, 1.0)
        assert after.log_up == pytest.approx(np.log1p(0.75 * (value - after.candidates)))
        assert after.log_down == pytest.approx(np.log1p(-0.75 * (value - after.candidates)))


@given(st.lists(st.floats(0.0, 1.0), max_size=120), st.lists(st.integers(0, 120), max_size=6))
def test_how_values_are_cut_into_chunks_makes_no_difference(values: list[float], cuts: list[int]) -> None:
    x = np.array(values)
    whole = BettingSequence.begin(0.0, 1.0, 0.5).after(x)
    parts = BettingSequence.begin(0.0, 1.0, 0.5)
    for part in np.split(x, sorted(cuts)):
        parts = parts.after(part)
    assert parts.interval == whole.interval
    assert parts.n == whole.n == len(x)
    assert parts.log_up.tolist() == whole.log_up.tolist()
    assert parts.log_down.tolist() == whole.log_down.tolist()


@pytest.mark.parametrize("law", LAWS)
def test_chunks_make_no_difference_to_long_sequences_either(law: str) -> None:
    x = drawn(law, 20_000)
    whole = BettingSequence.begin(0.0, 1.0).after(x)
    parts = BettingSequence.begin(0.0, 1.0)
    for part in np.array_split(x, 13):
        parts = parts.after(part)
    assert parts.interval == pytest.approx(whole.interval, abs=1e-9)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200))
def test_intervals_never_widen_and_never_leave_the_range(values: list[float]) -> None:
    lows, highs = intervals_at_every_time(np.array(values), (0.0, 1.0), 0.5)
    assert (np.diff(lows) >= 0.0).all()
    assert (np.diff(highs) <= 0.0).all()
    assert (lows >= 0.0).all()
    assert (highs <= 1.0).all()
    assert (lows < highs).all()


def test_the_interval_at_each_time_is_the_one_of_the_values_until_then() -> None:
    x = drawn("spread", 300)
    lows, highs = intervals_at_every_time(x, (0.0, 1.0))
    for n in (1, 2, 17, 60, 299, 300):
        assert BettingSequence.begin(0.0, 1.0).after(x[:n]).interval == (lows[n - 1], highs[n - 1])


@pytest.mark.parametrize("law", LAWS)
def test_intervals_narrow_about_the_mean(law: str) -> None:
    x = drawn(law, 10_000)
    lows, highs = intervals_at_every_time(x, (0.0, 1.0))
    widths = (highs - lows)[[99, 999, 9_999]]
    assert widths[0] > 1.8 * widths[1] > 1.8 * 1.8 * widths[2]  # ten times the values: about a third
    assert lows[-1] < x.mean() < highs[-1]
    # No wider than four times a normal interval, where the mean is not small compared with the largest value.
    if law != "heavy":
        assert widths[2] < 4.0 * 2.0 * 1.96 * x.std() / 100.0


@pytest.mark.parametrize("law", LAWS)
def test_values_turned_upside_down_turn_the_interval(law: str) -> None:
    x = drawn(law, 2_000)
    low, high = BettingSequence.begin(0.0, 1.0).after(x).interval
    assert BettingSequence.begin(0.0, 1.0).after(1.0 - x).interval == pytest.approx((1.0 - high, 1.0 - low), abs=1e-9)


def test_units_make_no_difference() -> None:
    x = drawn("spread", 2_000)
    low, high = BettingSequence.begin(0.0, 1.0).after(x).interval
    scaled = BettingSequence.begin(-3.0, 17.0).after(-3.0 + 20.0 * x).interval
    assert scaled == pytest.approx((-3.0 + 20.0 * low, -3.0 + 20.0 * high), abs=1e-9)


def test_a_finer_grid_changes_next_to_nothing() -> None:
    for law in LAWS:
        x = drawn(law, 3_000)
        coarse, fine = (np.array(BettingSequence.begin(0.0, 1.0, n_grid=n).after(x).interval) for n in (48, 1_000))
        assert np.abs(coarse - fine).max() < 0.01 * np.diff(fine)[0]


def test_constant_values_are_pinned_down() -> None:
    for value in (0.0, 0.37, 1.0):
        low, high = BettingSequence.begin(0.0, 1.0).after(np.full(5_000, value)).interval
        assert low <= value <= high
        assert high - low < 0.002


def test_a_mean_that_moves_is_found_out() -> None:
    moved = np.concatenate([np.zeros(500), np.ones(500)])
    after = BettingSequence.begin(0.0, 1.0).after(moved)
    assert after.is_contradicted
    assert after.low < after.high
    assert after.after(np.ones(100)).interval == after.interval
    assert not BettingSequence.begin(0.0, 1.0).after(moved[:500]).is_contradicted


def test_weighted_rewards_reach_from_the_least_to_the_most() -> None:
    assert weighted_range((0.0, 1.0), 46.0) == (0.0, 46.0)
    assert weighted_range((-0.5, 2.0), 10.0) == (-5.0, 20.0)
    assert weighted_range((0.2, 1.0), 3.0) == (0.0, 3.0)  # a weight may be 0
    assert weighted_range((-2.0, -1.0), 3.0) == (-6.0, 0.0)


UNIT = BettingSequence.begin(0.0, 1.0)
REFUSED = {
    "empty range": ("value_range", lambda: BettingSequence.begin(1.0, 1.0)),
    "endless range": ("value_range", lambda: BettingSequence.begin(0.0, np.inf)),
    "level 1": ("level", lambda: BettingSequence.begin(0.0, 1.0, 1.0)),
    "one candidate": ("n_grid", lambda: BettingSequence.begin(0.0, 1.0, n_grid=1)),
    "value too high": ("values", lambda: UNIT.after(np.array([0.5, 1.1]))),
    "value too low": ("values", lambda: UNIT.after(np.array([0.5, -0.1]))),
    "no number": ("values", lambda: UNIT.after(np.array([0.5, np.nan]))),
    "rewards upside down": ("reward_range", lambda: weighted_range((1.0, 0.0), 2.0)),
    "no weight": ("largest_possible_weight", lambda: weighted_range((0.0, 1.0), 0.0)),
    "endless weight": ("largest_possible_weight", lambda: weighted_range((0.0, 1.0), np.inf)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case: str) -> None:
    place, call = REFUSED[case]
    with pytest.raises(ValueError, match=f"^{place}: found .*; allowed"):
        call()
