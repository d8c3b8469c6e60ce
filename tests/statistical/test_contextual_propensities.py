"""A contextual policy logs what it draws with: importance-weighted estimates from its own logs are unbiased."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.domain.trials import Trials
from optimizer.policy.allocation import allocation
from optimizer.policy.contextual_training import contextual_posterior
from optimizer.policy.draw import draw
from optimizer.policy.features import Described, Features

Floats = NDArray[np.float64]
N_ARMS, N_FEATURES, RUNS, DECISIONS, REFRESH, FLOOR = 3, 4, 150, 300, 60, 0.05
FEATURES = Features(tuple(Described(f"f{place}", "number") for place in range(N_FEATURES)))


def run(number: int) -> tuple[Floats, Floats, Floats, float]:
    """Of each arm: weighted estimate, what everyone getting it would have earned; draws less propensities; served."""
    rng = np.random.Generator(np.random.PCG64([number, 17]))
    features = rng.normal(size=(DECISIONS, N_FEATURES))
    chances = expit(features @ rng.normal(0.0, 0.7, (N_FEATURES, N_ARMS)) - 1.0)
    would_earn = rng.random((DECISIONS, N_ARMS)) < chances
    u, every = rng.random(DECISIONS), np.arange(DECISIONS)
    arms, logged = np.zeros(DECISIONS, np.int64), np.zeros((DECISIONS, N_ARMS))
    before = None
    for start in range(0, DECISIONS, REFRESH):
        here, past = slice(start, start + REFRESH), slice(0, start)
        seen = arms[past]
        nobody = np.zeros(start, np.int64)
        rewarded = would_earn[past][every[past], seen]
        trials = Trials(features[past], nobody, seen, rewarded, nobody, np.ones(start), (1, N_ARMS))
        posterior = contextual_posterior(trials, FEATURES, start, None, before=before, seed=(number, start))
        before = posterior.belief
        rows = FEATURES.rows(features[here], before.arrays["location"], before.arrays["scale"])
        eligible = np.ones((REFRESH, N_ARMS), np.bool_)
        logged[here] = allocation(posterior.shares(rows, eligible), eligible, FLOOR, 1.0)
        arms[here] = draw(logged[here], u[here])
    drawn = np.arange(N_ARMS) == arms[:, None]
    estimates = (drawn / logged * would_earn).mean(axis=0)
    served = float(chances[every, arms].mean() - chances.mean())
    return estimates, would_earn.mean(axis=0), (drawn - logged).sum(axis=0), served


@pytest.mark.slow
def test_estimates_from_its_logs_are_unbiased_though_it_learns() -> None:
    runs = [run(number) for number in range(RUNS)]
    estimates, truths, misses, served = (np.array(column) for column in zip(*runs, strict=True))
    for differences in (estimates - truths, misses):
        error = differences.std(axis=0, ddof=1) / np.sqrt(RUNS)
        assert (np.abs(differences.mean(axis=0)) < 3.5 * error).all()
    # And it did learn, so that the propensities were far from equal.
    assert served.mean() > 5 * served.std(ddof=1) / np.sqrt(RUNS)
