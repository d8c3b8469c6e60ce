"""The Upworthy Research Archive: headline tests as they were counted, and what their true rates may have been."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln

from optimizer.evaluation.ratio_mismatch import ratio_mismatch
from optimizer.history.counts import CountsMapping, read_counts
from optimizer.policy.learned_prior import LearnedPrior, learned_prior

SEED = 1
# What is left to chance, each apart from the others, so that policies meet the same chance.
ORDER, RATES, CLICKS, DRAWS, TESTING, HALVES, AGAIN = range(7)
FILE = "upworthy_exploratory_slim.csv.gz"
DATA = Path(os.environ.get("OPTIMIZER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FIRST_BROKEN, LAST_BROKEN = 201_325, 201_401  # weeks of broken randomisation, as the archive's authors say
MISMATCH = 0.001
_GRID = np.linspace(np.log(0.0005), np.log(0.15), 120)  # logarithms of a test's mean rate

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def chance(purpose: int, *place: int) -> np.random.Generator:
    """Chance for one purpose, and one test."""
    return np.random.Generator(np.random.PCG64([SEED, purpose, *place]))


@dataclass(frozen=True)
class Test:
    """What was counted: trials and clicks of each headline, ``[A]``, its arms in an order drawn by chance.

    `week` is that of the test, as the archive writes it: 201446.
    """

    trials: Counts
    clicks: Counts
    week: int


def read_tests(data: Path) -> tuple[list[Test], dict[str, float]]:
    """The usable tests, in an order drawn by chance, and what the archive looks like."""
    mapping = CountsMapping(
        test="clickability_test_id", trials="impressions", successes="clicks", labels=("test_week",)
    )
    counts = read_counts(data / FILE, mapping)
    rows = np.split(np.argsort(counts.tests, kind="stable"), np.cumsum(np.bincount(counts.tests))[:-1])
    n_arms = np.array([len(of_test) for of_test in rows])
    shown = np.zeros((len(rows), n_arms.max()))
    for test, of_test in enumerate(rows):
        shown[test, : len(of_test)] = counts.trials[of_test]
    p_values = ratio_mismatch(shown, (np.arange(n_arms.max()) < n_arms[:, None]).astype(np.float64)).p_values
    week = np.array([counts.labels["test_week"][of_test].astype(int).min() for of_test in rows])
    broken, mismatch = (week >= FIRST_BROKEN) & (week <= LAST_BROKEN), p_values < MISMATCH
    usable = np.flatnonzero(~broken & ~mismatch)
    shuffled = [chance(ORDER, int(test)).permutation(rows[test]) for test in chance(ORDER).permutation(usable)]
    facts = {
        "tests": len(rows),
        "arms": len(counts.tests),
        "impressions": int(counts.trials.sum()),
        "clicks": int(counts.successes.sum()),
        "tests_in_the_broken_window": int(broken.sum()),
        "mismatch_inside": round(float(mismatch[broken].mean()), 4),
        "mismatch_outside": round(float(mismatch[~broken].mean()), 4),
        "usable_tests": len(usable),
        "usable_arms": int(n_arms[usable].sum()),
    }
    weeks = {int(test): int(week[test]) for test in usable}
    return [
        Test(counts.trials[arms], counts.successes[arms], weeks[int(counts.tests[arms[0]])]) for arms in shuffled
    ], facts


def priors_without_week(tests: Sequence[Test]) -> dict[int, LearnedPrior]:
    """What the product learns from the tests of all other weeks, for each week."""
    arms = np.repeat([test.week for test in tests], [len(test.trials) for test in tests])
    trials, clicks = (np.concatenate([getattr(t, name) for t in tests]) for name in ("trials", "clicks"))
    weeks = sorted({test.week for test in tests})
    return {week: learned_prior(trials[arms != week], clicks[arms != week]) for week in weeks}


@dataclass(frozen=True)
class Archive:
    """What a half of the tests says about rates.

    Attributes:
        alpha, beta: one Beta for all headlines, whatever their test.
        precision: how alike the headlines of one test are: ``rate ~ Beta(precision m, precision (1 - m))``.
        centre, spread: ``log m ~ Normal(centre, spread)`` over tests.
    """

    alpha: float
    beta: float
    precision: float
    centre: float
    spread: float

    def mean_rates(self, tests: Sequence[Test]) -> Floats:
        """Log joint density of each test's counts and its mean rate, ``[T, grid]``, but for constants."""
        likelihood = _likelihood(tests, self.precision * np.exp(_GRID), self.precision * -np.expm1(_GRID))
        prior = -0.5 * ((_GRID - self.centre) / self.spread) ** 2
        return likelihood + prior - np.logaddexp.reduce(prior)

    def rates(self, test: Test, rng: np.random.Generator) -> Floats:
        """True rates drawn from what this test's own counts say in the light of the other half, ``[A]``."""
        density = self.mean_rates([test])[0]
        mean = np.exp(rng.choice(_GRID, p=np.exp(density - np.logaddexp.reduce(density))))
        failures = self.precision * (1.0 - mean) + test.trials - test.clicks
        return np.asarray(rng.beta(self.precision * mean + test.clicks, failures))

    def unrelated_rates(self, test: Test, rng: np.random.Generator) -> Floats:
        """As `rates`, as if the headlines of a test had nothing in common: too wide a spread, for comparison."""
        return np.asarray(rng.beta(self.alpha + test.clicks, self.beta + test.trials - test.clicks))


def _likelihood(tests: Sequence[Test], alpha: Floats, beta: Floats) -> Floats:
    """Log beta-binomial likelihood of each test at each of ``G`` priors, ``[T, G]``, but for constants."""
    trials, clicks = (np.concatenate([getattr(t, name) for t in tests])[:, None] for name in ("trials", "clicks"))
    of_arms = betaln(alpha + clicks, beta + trials - clicks) - betaln(alpha, beta)
    ends = np.cumsum([len(t.trials) for t in tests])
    return np.asarray(np.add.reduceat(of_arms, np.concatenate([[0], ends[:-1]]), axis=0))


def fitted(tests: Sequence[Test]) -> Archive:
    """Both priors that make the counts of these tests likeliest (empirical Bayes: Efron & Morris 1973)."""

    def one_level(logs: NDArray[np.float64]) -> float:
        alpha, beta = np.exp(logs)
        return -float(_likelihood(tests, np.array([alpha]), np.array([beta])).sum())

    def two_levels(x: Floats) -> float:
        archive = Archive(1.0, 1.0, float(np.exp(x[0])), float(x[1]), float(np.exp(x[2])))
        return -float(np.logaddexp.reduce(archive.mean_rates(tests), axis=1).sum())

    settings = {"xatol": 0.003, "fatol": 0.05}
    alpha, beta = np.exp(minimize(one_level, [0.7, 5.0], method="Nelder-Mead", options=settings).x)
    precision, centre, spread = minimize(two_levels, [7.0, -4.4, -0.5], method="Nelder-Mead", options=settings).x
    return Archive(float(alpha), float(beta), float(np.exp(precision)), float(centre), float(np.exp(spread)))
