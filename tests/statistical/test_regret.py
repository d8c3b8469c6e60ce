"""Does choosing by computed P(best), refreshed now and then, learn as well as sampling one at a time?"""

import numpy as np
import pytest

from optimizer.domain.evidence import Evidence
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior

RATES = np.arange(0.02, 0.111, 0.01)
EXACT, EXACT_ERROR = 113.3, 0.7  # regret of exact one-at-a-time Thompson sampling at T = 10,000, 2,000 seeds


def regret(seed: int, horizon: int = 10_000, refresh: int = 100) -> float:
    rng = np.random.default_rng(seed)
    trials, wins = np.zeros((1, 10, 1)), np.zeros((1, 10, 1))
    everyone = np.ones(10, bool)
    lost = 0.0
    for _ in range(horizon // refresh):
        posterior = beta_posterior(Evidence(np.zeros(1, dtype=np.int64), trials, wins, wins, wins), 0, None)
        shares = allocation(posterior.prob_best(0, everyone), everyone, floor=0.0, cap=1.0)
        sent = rng.multinomial(refresh, shares)
        trials[0, :, 0] += sent
        wins[0, :, 0] += rng.binomial(sent, RATES)
        lost += float(sent @ (RATES.max() - RATES))
    return lost


@pytest.mark.slow
def test_regret_is_that_of_exact_thompson_sampling() -> None:
    """Within 3 % of the exact sampler, allowing 3 standard errors of both means."""
    found = np.array([regret(seed) for seed in range(400)])
    error = np.hypot(found.std(ddof=1) / len(found) ** 0.5, EXACT_ERROR)
    assert found.mean() <= 1.03 * EXACT + 3 * error
