"""Estimates are unbiased, and 95 % intervals cover the truth in 93 to 97 % of 2,000 logs.

A campaign as it may be: 4,000 decisions, four variants, three segments, success rates about 10 %, logged by a policy
that explores (smallest propensity 8 %, weights up to 9), a target that concentrates, and a model of the reward that is
off by up to half. A share of 95 % seen in 2,000 runs has a standard error of sqrt(.95 * .05 / 2,000) = .49 %, so the
limits of 2 % are four of them: one that covers 95 % is refused once in 16,000, one of 91 % passes once in 1,000.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.evaluating import Settings, evaluate
from optimizer.evaluation.targets import SegmentShares

pytestmark = pytest.mark.slow

N_RUNS, N = 2_000, 4_000
LIMITS = (0.93, 0.97)

SEGMENT_SHARES = np.array([0.5, 0.3, 0.2])
RATES = np.array([[0.08, 0.10, 0.12, 0.09], [0.15, 0.07, 0.10, 0.11], [0.06, 0.09, 0.05, 0.14]])
GUESSES = RATES * np.array([[1.5, 0.6, 0.9, 1.1], [0.8, 1.3, 0.7, 1.0], [1.2, 0.5, 1.4, 0.8]])
LOGGING = np.array([[0.40, 0.30, 0.20, 0.10], [0.25, 0.25, 0.42, 0.08], [0.30, 0.30, 0.30, 0.10]])
TARGET = np.array([[0.05, 0.15, 0.70, 0.10], [0.60, 0.05, 0.05, 0.30], [0.05, 0.05, 0.00, 0.90]])


class Guess:
    """A model that is the same whatever the log."""

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:  # noqa: ARG002
        return GUESSES[feedback.segments]


def log(rng: np.random.Generator) -> LoggedFeedback:
    segments = rng.choice(3, N, p=SEGMENT_SHARES)
    arms = (rng.random(N)[:, None] > LOGGING[segments].cumsum(axis=1)[:, :-1]).sum(axis=1)
    rewards = (rng.random(N) < RATES[segments, arms]).astype(np.float64)
    return LoggedFeedback(("a", "b", "c", "d"), ("x", "y", "z"), arms, segments, LOGGING[segments, arms], rewards)


@pytest.fixture(scope="module")
def runs() -> Mapping[tuple[str, str], NDArray[np.float64]]:
    """Value, error and the ends of both intervals, ``[runs, 6]``, by estimator and whether it is a lift."""
    rng = np.random.default_rng(20_260)
    found = defaultdict(list)
    names = ("ips", "snips", "dr", "sndr")
    for run in range(N_RUNS):
        settings = Settings(bootstraps=500, n_blocks=1_024, seed=run, estimators=names)
        judgement = evaluate([log(rng)], {"target": SegmentShares(TARGET)}, settings, Guess()).judgements["target"]
        for kind in ("estimates", "lifts"):
            for name, estimate in getattr(judgement, kind).items():
                ends = (*estimate.intervals["normal"], *estimate.intervals["bootstrap"])
                found[name, kind].append((estimate.value, estimate.standard_error, *ends))
    return {key: np.array(rows) for key, rows in found.items()}


def truth(kind: str) -> float:
    value = float(SEGMENT_SHARES @ (TARGET * RATES).sum(axis=1))
    return value if kind == "estimates" else value - float(SEGMENT_SHARES @ (LOGGING * RATES).sum(axis=1))


@pytest.mark.parametrize("kind", ["estimates", "lifts"])
@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
@pytest.mark.parametrize(("interval", "place"), [("normal", 2), ("bootstrap", 4)])
def test_intervals_cover_as_often_as_they_say(
    runs: Mapping[tuple[str, str], NDArray[np.float64]], name: str, kind: str, interval: str, place: int
) -> None:
    low, high = runs[name, kind][:, place : place + 2].T
    covered = float(np.mean((low <= truth(kind)) & (truth(kind) <= high)))
    print(f"{interval} interval of {name} ({kind}): covers {covered:.2%}, width {np.mean(high - low):.4f}")
    assert LIMITS[0] <= covered <= LIMITS[1]


@pytest.mark.parametrize("kind", ["estimates", "lifts"])
@pytest.mark.parametrize("name", ["ips", "dr"])
def test_ips_and_dr_are_unbiased(runs: Mapping[tuple[str, str], NDArray[np.float64]], name: str, kind: str) -> None:
    values = runs[name, kind][:, 0]
    error = values.std(ddof=1) / np.sqrt(N_RUNS)
    assert abs(values.mean() - truth(kind)) < 3 * error


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_standard_errors_are_the_spread_of_estimates(
    runs: Mapping[tuple[str, str], NDArray[np.float64]], name: str
) -> None:
    values, errors = runs[name, "estimates"][:, :2].T
    # The spread of 2,000 values is known to 1 / sqrt(2 * 2,000) = 1.6 %; four of that.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(ddof=1), rel=0.064)
