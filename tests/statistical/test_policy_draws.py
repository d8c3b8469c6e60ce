"""Draws from fixed secrets and seeds: a failure here is a bug, not bad luck."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, pearsonr

from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import BetaPosterior
from optimizer.policy.draw import decision_hash, draw, recipient_key, unit_hash

pytestmark = pytest.mark.slow
SECRET = b"a secret that these tests share."
N = 100_000


def chances(campaign: str = "winback") -> np.ndarray:
    return np.array([decision_hash(SECRET, campaign, str(i % 1000), f"request-{i}")[1] for i in range(N)])


def test_arms_are_drawn_as_often_as_their_propensity_says() -> None:
    p = np.array([0.02, 0.5, 0.0, 0.28, 0.2])
    q = allocation(p, np.array([True, True, False, True, True]), 0.03, 0.45)
    counts = np.bincount(draw(q, chances()), minlength=5)
    assert counts[2] == 0
    assert chisquare(counts[q > 0], N * q[q > 0]).pvalue > 0.001


def test_chances_are_uniform() -> None:
    assert kstest(chances(), "uniform").pvalue > 0.001
    assert kstest([unit_hash(SECRET, "holdout", str(i)) for i in range(N)], "uniform").pvalue > 0.001


def test_the_low_bits_of_chances_are_uniform_too() -> None:
    low = (chances() * 2**53).astype(np.int64) % 64
    assert chisquare(np.bincount(low, minlength=64)).pvalue > 0.001


def test_a_recipient_meets_independent_chances_in_different_campaigns_and_holdouts() -> None:
    here, there = chances("winback"), chances("welcome")
    holdout = np.array([unit_hash(SECRET, "holdout", str(i % 1000), f"request-{i}") for i in range(N)])
    for first, second in ((here, there), (here, holdout), (here[:-1], here[1:])):
        assert pearsonr(first, second).pvalue > 0.001


def test_keys_of_many_recipients_do_not_collide() -> None:
    assert len({recipient_key(SECRET, str(i)) for i in range(N)}) == N


def test_allocating_by_p_best_is_thompson_sampling() -> None:
    """The share of joint posterior draws an arm wins, which Thompson 1933 allocates by, is P(best)."""
    rng = np.random.Generator(np.random.PCG64(11))
    alpha, beta = np.array([4.0, 5.0, 0.5, 30.0]), np.array([40.0, 41.0, 6.0, 400.0])
    wins = np.bincount(rng.beta(alpha, beta, (10 * N, 4)).argmax(axis=1), minlength=4)
    best = BetaPosterior(alpha[None], beta[None]).prob_best(0, np.ones(4, np.bool_))
    assert chisquare(wins, 10 * N * best).pvalue > 0.001


def test_credible_intervals_cover_rates_drawn_from_the_prior() -> None:
    rng = np.random.Generator(np.random.PCG64(12))
    rate = rng.beta(2.0, 20.0, (N, 1))
    k = rng.binomial(300, rate)
    lower, upper = BetaPosterior(2.0 + k, 20.0 + 300 - k).interval(0.9)
    covered = int(((lower <= rate) & (rate <= upper)).sum())
    assert chisquare([covered, N - covered], [0.9 * N, 0.1 * N]).pvalue > 0.001
