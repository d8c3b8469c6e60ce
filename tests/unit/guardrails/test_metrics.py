from dataclasses import FrozenInstanceError
from math import comb, exp, inf, lgamma, log, log1p, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from optimizer.guardrails.metrics import ALERT, CONSEQUENCES, PAUSE_VARIANT, STOP_CAMPAIGN, Breach, MetricRule, breaches
from optimizer.guardrails.metrics import breach_probability as probability

LIMITS = st.floats(1e-6, 0.999)
COUNTS = st.integers(0, 10**15)
SMALL = st.integers(0, 2_000)
ROUNDING = 1e-9


def rule(**changes: Any) -> MetricRule:
    return MetricRule(
        **{"outcome": "unsubscribed", "at_most": 0.005, "confidence": 0.95, "then": PAUSE_VARIANT} | changes
    )


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# --- the probability


@given(at_most=st.floats(1e-12, 0.999_999))
def test_without_evidence_the_limit_is_as_likely_exceeded_as_not(at_most: float) -> None:
    assert probability(0, 0, at_most) == pytest.approx(0.5, abs=ROUNDING)


@given(k=st.integers(0, 40), more=SMALL, at_most=st.floats(1e-4, 0.5))
def test_the_probability_is_the_negative_binomial_sum(k: int, more: int, at_most: float) -> None:
    """For a whole ``a``, P(Beta(a, c) > x) = (1-x)^c sum_{j<a} G(c+j) / (G(c) j!) x^j (DLMF 8.17.24, by symmetry).

    With the prior's ``(1 - x)^b = 1/2`` it is half of what a count would give, which no incomplete beta is needed for.
    """
    c = log(0.5) / log1p(-at_most) + more
    terms = (lgamma(c + j) - lgamma(c) - lgamma(j + 1) + j * log(at_most) for j in range(k + 1))
    exact = 0.5 * sum(exp(term + more * log1p(-at_most)) for term in terms)
    assert probability(k, k + more, at_most) == pytest.approx(exact, rel=1e-7, abs=1e-12)


def test_a_limit_of_one_half_has_the_uniform_prior() -> None:
    """Beta(1, 1): by hand P(rate > 1/2 | k of n) = P(at most k heads in n + 1 tosses)."""
    for n in range(12):
        for k in range(n + 1):
            heads = sum(comb(n + 1, j) for j in range(k + 1)) / 2 ** (n + 1)
            assert probability(k, n, 0.5) == pytest.approx(heads, rel=1e-12)


def test_golden_probabilities_agree_with_the_posterior_distribution() -> None:
    for k, n, at_most in ((14, 1_200, 0.005), (3, 200, 0.003), (0, 1_000, 0.02), (480, 20_000, 0.02)):
        b = log(0.5) / log1p(-at_most)
        assert probability(k, n, at_most) == pytest.approx(beta_distribution(1 + k, b + n - k).sf(at_most), rel=1e-9)
    assert probability(14, 1_200, 0.005) == pytest.approx(0.99625, abs=5e-6)
    assert probability(0, 1_000, 0.02) == pytest.approx(0.5 * 0.98**1_000, rel=1e-9)


@given(k=COUNTS, n=COUNTS, more=st.integers(1, 10**6), at_most=LIMITS)
def test_more_events_never_lower_the_probability_and_more_exposures_never_raise_it(
    k: int, n: int, more: int, at_most: float
) -> None:
    here = probability(k, n, at_most)
    assert probability(k + more, n, at_most) >= here - ROUNDING
    assert probability(k, n + more, at_most) <= here + ROUNDING


@given(at_most=st.floats(1e-4, 0.4))
def test_clear_evidence_is_believed(at_most: float) -> None:
    """A thousand events expected at the limit: half as many or twice as many settle the matter."""
    n = round(1_000 / at_most)
    assert probability(500, n, at_most) < 1e-6
    assert probability(2_000, n, at_most) > 1 - 1e-6


@given(k=COUNTS, n=COUNTS, at_most=st.floats(2.3e-308, 1 - 2**-53))
def test_any_counts_and_any_limit_give_a_probability(k: int, n: int, at_most: float) -> None:
    assert 0.0 <= float(probability(k, n, at_most)) <= 1.0


def test_huge_counts_agree_with_the_normal_distribution() -> None:
    """At 10^12 exposures the posterior is normal; two standard deviations above the limit is P = .97725."""
    n, at_most = 10**12, 0.005
    k = round(n * at_most + 2 * (n * at_most * (1 - at_most)) ** 0.5)
    assert probability(k, n, at_most) == pytest.approx(0.97725, abs=1e-4)


@given(k=st.integers(0, 10**6), n=st.integers(0, 10**6), at_most=LIMITS)
def test_events_without_exposures_count_as_exposed(k: int, n: int, at_most: float) -> None:
    assert probability(k, n, at_most) == probability(k, max(k, n), at_most)


def test_arrays_are_judged_element_by_element() -> None:
    k, n = np.array([[0], [3]]), np.array([0, 100, 1_000])
    found = probability(k, n, 0.01)
    assert found.shape == (2, 3)
    assert found[1, 1] == probability(3, 100, 0.01)


@pytest.mark.parametrize("wrong", [-1, nan, inf])
def test_impossible_counts_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"events: found .*; allowed counts of 0 or more"):
        probability([1, wrong], 10, 0.01)
    with pytest.raises(ValueError, match=r"exposures: found .*; allowed counts of 0 or more"):
        probability(1, [10, wrong], 0.01)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 1.5, nan, 5e-324])
def test_a_limit_that_is_no_rate_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"at_most: found .*; allowed a rate above 0 and below 1"):
        probability(1, 10, wrong)
    with pytest.raises(ValueError, match="at_most"):
        rule(at_most=wrong)


def test_how_many_events_an_alarm_needs_at_least() -> None:
    """A few people who leave at once are no alarm: one is never enough at 0.85, two at 0.97, three at 0.995."""
    limits = np.geomspace(1e-9, 0.9, 200)
    for events, most in ((1, 0.85), (2, 0.97), (3, 0.995)):
        assert max(float(probability(events, events, limit)) for limit in limits) < most
    assert probability(2, 2, 0.005) > 0.95
    assert probability(3, 3, 0.005) > 0.99


# --- the rules


@pytest.mark.parametrize("wrong", [0.5, 0.0, 1.0, -1.0, 2.0, nan])
def test_a_confidence_that_would_be_an_alarm_without_evidence_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"confidence: found .*; allowed a number above 0.5 and below 1"):
        rule(confidence=wrong)


def test_an_unknown_consequence_is_refused() -> None:
    with pytest.raises(ValueError, match="then: found explode; allowed one of: pause_variant, alert, stop_campaign"):
        rule(then="explode")


@given(
    at_most=st.floats(1e-9, 0.99),
    confidence=st.floats(0.500_001, 0.999),
    then=st.sampled_from(CONSEQUENCES),
    n_arms=st.integers(0, 5),
)
def test_nothing_is_breached_before_anything_happened(
    at_most: float, confidence: float, then: str, n_arms: int
) -> None:
    nothing = np.zeros(n_arms, np.int64)
    assert breaches([rule(at_most=at_most, confidence=confidence, then=then)], {}, nothing) == []


def test_a_rule_is_breached_from_its_confidence_on() -> None:
    evidence = {"unsubscribed": counts(14)}
    exactly = float(probability(14, 1_200, 0.005))
    assert len(breaches([rule(confidence=exactly)], evidence, counts(1_200))) == 1
    assert breaches([rule(confidence=float(np.nextafter(exactly, 1.0)))], evidence, counts(1_200)) == []


def test_pausing_judges_each_variant_and_stopping_or_alerting_all_of_them_together() -> None:
    evidence, exposures = {"unsubscribed": counts(14, 3, 0)}, counts(1_200, 1_200, 5_000)
    (paused,) = breaches([rule()], evidence, exposures)
    assert (paused.arm, paused.events, paused.exposures) == (0, 14, 1_200)
    assert breaches([rule(then=STOP_CAMPAIGN), rule(then=ALERT)], evidence, exposures) == []

    everywhere = {"unsubscribed": counts(8, 9, 8)}  # too few in each to be sure of it, enough in all
    assert breaches([rule()], everywhere, counts(1_000, 1_100, 1_000)) == []
    (stopped,) = breaches([rule(then=STOP_CAMPAIGN)], everywhere, counts(1_000, 1_100, 1_000))
    assert (stopped.arm, stopped.events, stopped.exposures, stopped.then) == (None, 25, 3_100, STOP_CAMPAIGN)
    assert stopped.rate == pytest.approx(25 / 3_100)


def test_each_rule_reads_its_own_outcome() -> None:
    both = [rule(), rule(outcome="complained", at_most=0.003, confidence=0.9, then=STOP_CAMPAIGN)]
    found = breaches(both, {"complained": counts(20, 20), "clicked": counts(900, 900)}, counts(1_000, 1_000))
    assert [(one.outcome, one.arm) for one in found] == [("complained", None)]


def test_breaches_come_in_the_order_of_the_rules_and_then_of_the_variants() -> None:
    rules = [rule(outcome="complained", then=ALERT), rule(), rule(confidence=0.8)]
    evidence = {"unsubscribed": counts(90, 0, 90), "complained": counts(90, 90, 90)}
    found = breaches(rules, evidence, counts(1_000, 1_000, 1_000))
    assert [(one.outcome, one.arm) for one in found] == [
        ("complained", None),
        *[("unsubscribed", 0), ("unsubscribed", 2)] * 2,
    ]


@given(
    evidence=st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=6),
    at_most=st.floats(1e-4, 0.5),
    confidence=st.floats(0.51, 0.99),
    then=st.sampled_from(CONSEQUENCES),
)
def test_a_breach_shows_a_rate_above_the_limit_and_counts_that_are_possible(
    evidence: list[tuple[int, int]], at_most: float, confidence: float, then: str
) -> None:
    events, exposures = np.array(evidence, np.int64).T
    asked = rule(at_most=at_most, confidence=confidence, then=then)
    for breach in breaches([asked], {"unsubscribed": events}, exposures):
        assert breach.rate > at_most
        assert breach.rate == breach.events / breach.exposures <= 1.0
        assert breach.probability >= confidence
        assert (breach.arm is None) == (then != PAUSE_VARIANT)


def test_variants_and_campaign_count_the_same_people() -> None:
    """The first variant's exposures are not reported yet; the second's do not stand in for them."""
    events, exposures = {"unsubscribed": counts(5, 0)}, counts(0, 10)
    (campaign,) = breaches([rule(then=ALERT)], events, exposures)
    (variant,) = breaches([rule()], events, exposures)
    assert (variant.exposures, campaign.exposures) == (5, 15)


def test_counts_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unsubscribed: found events \(2,\) and exposures \(3,\); allowed one \[A\]"):
        breaches([rule()], {"unsubscribed": counts(1, 2)}, counts(1, 2, 3))


def test_a_breach_stays_what_it_was() -> None:
    (breach,) = breaches([rule()], {"unsubscribed": counts(14)}, counts(1_200))
    with pytest.raises(FrozenInstanceError):
        breach.rate = 0.0  # type: ignore[misc]


# --- the sentence


def sentence(events: int, exposures: int, at_most: float, prob: float) -> str:
    return Breach("unsubscribed", 0, events, exposures, events / exposures, at_most, prob, PAUSE_VARIANT).sentence


def test_a_breach_says_what_was_found_and_what_was_allowed() -> None:
    (breach,) = breaches([rule()], {"unsubscribed": counts(14)}, counts(1_200))
    assert breach.sentence == "unsubscribed 14 of 1,200 (1.17 %) is above 0.5 % with probability 0.996"


def test_a_breach_never_claims_to_be_certain() -> None:
    assert sentence(500, 1_000, 0.003, 1.0).endswith("500 of 1,000 (50 %) is above 0.3 % with probability above 0.999")


def test_a_rate_just_above_the_limit_is_not_written_like_the_limit() -> None:
    assert "(0.50012 %) is above 0.5 %" in sentence(50_012_000, 10**10, 0.005, 0.99)


def test_numbers_are_written_without_the_noise_of_floats_and_without_exponents() -> None:
    assert "(2 %) is above 0.7 %" in sentence(2, 100, 0.007, 0.9)
    assert "(0.00002 %) is above 0.000001 %" in sentence(2, 10**7, 1e-8, 0.9)
