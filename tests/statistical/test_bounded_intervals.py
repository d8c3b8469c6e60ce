"""How often intervals for bounded values miss: betting sequences at any time at all, Bernstein's at a fixed number."""

import numpy as np
import pytest

from optimizer.evaluation.betting import BettingSequence, intervals_at_every_time, weighted_range
from optimizer.evaluation.empirical_bernstein import empirical_bernstein

N_RUNS, N_ROWS = 2_000, 1_500
LEVEL = 0.95
RATE, SHARES, PROPENSITIES = 0.3, np.array([0.1, 0.3, 0.6]), np.array([0.6, 0.3, 0.1])


def bernoulli(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return (rng.random(size) < 0.1).astype(float)


def beta(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.beta(2.0, 5.0, size)


def importance_weighted(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Weights 1/6, 1 and 6; the second arm is twice as good as the others."""
    arms = (rng.random(size)[..., None] > PROPENSITIES.cumsum()).sum(axis=-1)
    rewards = rng.random(size) < RATE * np.array([0.5, 1.0, 0.5])[arms]
    return (SHARES / PROPENSITIES)[arms] * rewards


MEANS = {bernoulli: 0.1, beta: 2.0 / 7.0, importance_weighted: RATE * float(SHARES @ [0.5, 1.0, 0.5])}
RANGES = {bernoulli: (0.0, 1.0), beta: (0.0, 1.0), importance_weighted: weighted_range((0.0, 1.0), 6.0)}


@pytest.mark.slow
@pytest.mark.parametrize("law", MEANS, ids=lambda law: law.__name__)
def test_betting_sequences_hold_at_every_time_at_once(law: object) -> None:
    """An interval never widens, so the last one holds the mean only if all did. Seen: .966, .980 and .975."""
    rng = np.random.Generator(np.random.PCG64(7))
    begun = BettingSequence.begin(*RANGES[law], LEVEL)
    ends = np.array([begun.after(values).interval for values in law(rng, (N_RUNS, N_ROWS))])  # type: ignore[operator]
    covers = (ends[:, 0] <= MEANS[law]) & (MEANS[law] <= ends[:, 1])
    print(f"{law.__name__}: {covers.mean():.4f} cover, width {np.diff(ends).mean():.4g}")  # type: ignore[attr-defined]
    assert covers.mean() >= LEVEL - 3.0 * (LEVEL * (1.0 - LEVEL) / N_RUNS) ** 0.5
    # It must be an interval worth having: at most three times a normal one, which holds at one time only.
    normal = 2.0 * 1.96 * law(rng, (100, N_ROWS)).std() / N_ROWS**0.5  # type: ignore[operator]
    assert np.diff(ends).mean() < 3.0 * normal


@pytest.mark.slow
def test_who_looks_all_the_time_is_misled_by_other_intervals() -> None:
    """Normal intervals, looked at after every value, miss far more often than they say; so the test above can fail."""
    rng = np.random.Generator(np.random.PCG64(8))
    x = bernoulli(rng, (200, N_ROWS))
    times = np.arange(1, N_ROWS + 1)
    means = x.cumsum(axis=1) / times
    reach = 1.96 * np.sqrt(means * (1.0 - means) / times)
    misses = (np.abs(means - 0.1) > reach)[:, 100:].any(axis=1)
    assert misses.mean() > 0.2
    sequences = [intervals_at_every_time(row, (0.0, 1.0), LEVEL) for row in x]
    assert np.mean([((lows > 0.1) | (highs < 0.1)).any() for lows, highs in sequences]) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 200, 2_000])
@pytest.mark.parametrize("law", MEANS, ids=lambda law: law.__name__)
def test_empirical_bernstein_intervals_hold_at_a_fixed_number(law: object, n: int) -> None:
    rng = np.random.Generator(np.random.PCG64(9))
    x = law(rng, (N_RUNS, n))  # type: ignore[operator]
    found = empirical_bernstein(n, x.mean(axis=1), x.var(axis=1, ddof=1), RANGES[law], LEVEL)
    covers = (found.low <= MEANS[law]) & (MEANS[law] <= found.high)
    print(f"{law.__name__}, {n} values: {covers.mean():.4f} cover")  # type: ignore[attr-defined]
    assert covers.mean() >= LEVEL - 3.0 * (LEVEL * (1.0 - LEVEL) / N_RUNS) ** 0.5
