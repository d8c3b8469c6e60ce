"""Effective evidence: pending trials count in part, with the maximum and the information of the exact likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.delay import DelayCurve, all_at_once
from optimizer.policy.delay_shapes import bin_edges
from optimizer.policy.effective import effective_evidence, expected_at_maturity

WINDOW = 20 * DAY


def exponential(median: float, doubt: float = 0.0) -> DelayCurve:
    edges = bin_edges(WINDOW)
    shares = -np.expm1(-np.log(2.0) * edges[1:] / median)
    return DelayCurve(edges, shares / shares[-1], np.full(len(shares), doubt))


def evidence_of(
    trials: NDArray[np.float64], positives: NDArray[np.float64], penalties: NDArray[np.float64] | None = None
) -> Evidence:
    buckets = np.arange(trials.shape[-1]) * HOUR
    kinds = np.zeros((0, *trials.shape)) if penalties is None else penalties
    return Evidence(buckets, trials, positives, positives, positives, kinds)


def made(seed: int, rate: float, hours: int, n: int, curve: DelayCurve, n_arms: int = 3) -> Evidence:
    rng = np.random.default_rng(seed)
    shares = curve.of_buckets(np.arange(hours) * HOUR, hours * HOUR)
    trials = np.full((1, n_arms, hours), float(n))
    return evidence_of(trials, rng.binomial(n, rate * shares, (1, n_arms, hours)).astype(np.float64))


def test_without_lateness_the_evidence_is_the_same_object() -> None:
    evidence = made(1, 0.1, 30, 20, all_at_once(WINDOW))
    assert effective_evidence(evidence, all_at_once(WINDOW), 30 * HOUR) is evidence


def test_evidence_older_than_the_window_is_unchanged() -> None:
    evidence = made(2, 0.1, 30, 20, exponential(3 * DAY))
    found = effective_evidence(evidence, exponential(3 * DAY, 0.1), 30 * HOUR + WINDOW)
    np.testing.assert_array_equal(found.trials, evidence.trials)
    np.testing.assert_array_equal(found.positives, evidence.positives)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.6])
def test_the_maximum_is_that_of_the_exact_likelihood(rate: float) -> None:
    curve, hours = exponential(2 * DAY), 120
    evidence = made(3, rate, hours, 400, curve, n_arms=1)
    shares = curve.of_buckets(evidence.buckets, hours * HOUR)
    k, pending = evidence.positives.sum(), (evidence.trials - evidence.positives)[0, 0]
    exact = brentq(lambda t: k / t - (pending * shares / (1 - t * shares)).sum(), 1e-6, 1 - 1e-6)
    found = effective_evidence(evidence, curve, hours * HOUR)
    assert found.positives.sum() / found.trials.sum() == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.6])
def test_the_information_is_that_expected_of_the_exact_likelihood(rate: float) -> None:
    curve, hours, n = exponential(2 * DAY), 120, 2000
    shares = curve.of_buckets(np.arange(hours) * HOUR, hours * HOUR)
    trials = np.full((1, 1, hours), float(n))
    found = effective_evidence(evidence_of(trials, trials * rate * shares), curve, hours * HOUR)
    # Bernoulli trials of chance theta F: information on theta is F^2 / (theta F (1 - theta F)) each, on the logit
    # that times (theta (1 - theta))^2. A Beta of so many counts has theta (1 - theta) times their number.
    exact = (n * shares * rate * (1 - rate) ** 2 / (1 - rate * shares)).sum()
    assert found.trials.sum() * rate * (1 - rate) == pytest.approx(exact, rel=0.01)


def test_doubt_about_the_curve_widens_by_its_share_that_is_still_to_come() -> None:
    hours, rate, doubt = 24, 1e-3, 0.002
    curve = exponential(2 * DAY, doubt)
    shares = curve.of_buckets(np.arange(hours) * HOUR, hours * HOUR)
    trials = np.full((1, 1, hours), 1e5)
    known = effective_evidence(evidence_of(trials, trials * rate * shares), exponential(2 * DAY), hours * HOUR)
    found = effective_evidence(evidence_of(trials, trials * rate * shares), curve, hours * HOUR)
    # Of counts of small rates: variance of the logarithm 1 / k, and that of a mean of log F over the trials.
    ages = (hours - np.arange(hours) - 0.5) * HOUR
    later = np.array([np.clip((curve.edges[1:] - age) / np.diff(curve.edges), 0, 1) for age in ages])
    added = (((shares @ later) / shares.sum()) ** 2).sum() * doubt
    assert 1 / found.positives.sum() == pytest.approx(1 / known.positives.sum() + added, rel=0.02)


def test_an_arm_that_was_added_lately_is_not_taken_for_a_failure() -> None:
    curve, hours = exponential(3 * DAY), 240
    trials = np.full((1, 2, hours), 50.0)
    trials[0, 1, :216] = 0.0
    positives = trials * 0.1 * curve.of_buckets(np.arange(hours) * HOUR, hours * HOUR)
    naive = positives.sum(axis=-1) / trials.sum(axis=-1)
    found = effective_evidence(evidence_of(trials, positives), curve, hours * HOUR)
    rates = (found.positives.sum(axis=-1) / found.trials.sum(axis=-1))[0]
    assert naive[0, 1] < 0.02
    np.testing.assert_allclose(rates, 0.1, rtol=0.01)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.floats(0.0, 1.0),
    median=st.floats(HOUR, 100 * DAY),
    doubt=st.sampled_from([0.0, 1e-3, 0.5]),
    later=st.integers(0, 30 * DAY),
)
def test_effective_counts_stay_within_what_was_counted(
    seed: int, rate: float, median: float, doubt: float, later: int
) -> None:
    rng = np.random.default_rng(seed)
    trials = rng.integers(0, 5, (2, 3, 40)).astype(np.float64)
    positives = rng.binomial(trials.astype(int), rate).astype(np.float64)
    penalties = rng.binomial(trials.astype(int), 0.5, (1, *trials.shape)).astype(np.float64)
    evidence = evidence_of(trials, positives, penalties)
    now = 40 * HOUR + later
    found = effective_evidence(evidence, exponential(median, doubt), now)
    assert (found.positives <= found.trials).all()
    assert (found.trials <= trials + 1e-9).all()
    assert (found.positives <= positives).all()
    assert (found.penalty_counts <= found.trials).all()
    beta_posterior(found, now, None, penalties=(1.0,))  # every model reads it
    matured = expected_at_maturity(evidence, exponential(median, doubt), now, (1.0,))
    assert (matured.expected_positives >= positives.sum(axis=-1) - 1e-9).all()
    assert (matured.expected_positives <= trials.sum(axis=-1) + 1e-9).all()
    assert (matured.trials <= trials.sum(axis=-1)).all()


def test_penalised_outcomes_keep_their_rate_in_every_bucket() -> None:
    curve = exponential(3 * DAY)
    trials = np.full((1, 1, 24), 50.0)
    found = effective_evidence(evidence_of(trials, trials * 0.01, trials[None] * 0.2), curve, 24 * HOUR)
    np.testing.assert_allclose(found.penalty_counts[0] / found.trials, 0.2)


def test_expected_at_maturity_is_what_the_rates_promise() -> None:
    curve, hours, rate = exponential(3 * DAY), 600, 0.1
    trials = np.full((1, 2, hours), 100.0)
    positives = trials * rate * curve.of_buckets(np.arange(hours) * HOUR, hours * HOUR)
    found = expected_at_maturity(evidence_of(trials, positives), curve, hours * HOUR)
    n_over = hours - WINDOW // HOUR
    np.testing.assert_allclose(found.trials, 100.0 * n_over)
    np.testing.assert_allclose(found.positives, 100.0 * n_over * rate)
    np.testing.assert_allclose(found.expected_positives, 100.0 * hours * rate, rtol=1e-3)
    np.testing.assert_allclose(found.expected_rewards, found.expected_positives)


def test_penalties_are_not_expected_again_with_rewards_to_come() -> None:
    curve, hours = exponential(3 * DAY), 24
    trials = np.full((1, 1, hours), 100.0)
    positives, complaints = trials * 0.01, trials[None] * 0.02
    evidence = Evidence(
        np.arange(hours) * HOUR, trials, positives, positives - 0.5 * complaints[0], positives, complaints
    )
    found = expected_at_maturity(evidence, curve, hours * HOUR, (0.5,))
    np.testing.assert_allclose(found.expected_rewards, found.expected_positives - 0.5 * complaints.sum())


def test_nothing_tried_is_nothing_expected() -> None:
    curve = exponential(DAY)
    nothing = Evidence.none(2, 3)
    assert effective_evidence(nothing, curve, 0) is nothing
    assert (expected_at_maturity(nothing, curve, 0).expected_positives == 0.0).all()


def test_penalties_that_do_not_match_the_evidence_are_refused() -> None:
    with pytest.raises(ValueError, match="penalties: found 1; allowed one for each of 0 kinds"):
        expected_at_maturity(Evidence.none(1, 2), exponential(DAY), 0, (0.5,))
