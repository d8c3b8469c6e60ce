"""How late a campaign's rewards come, and what its evidence says once that is allowed for."""

from __future__ import annotations

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.engine.tactic import Tactic
from optimizer.policy.delay import DelayCurve, all_at_once, delay_curve
from optimizer.policy.effective import Maturity, effective_evidence, expected_at_maturity


def curve_of(tactic: Tactic, evidence: Evidence, now: Instant) -> DelayCurve:
    """Which share of the rewards has come by an age: as estimated, or all at once where the policy ignores delay.

    Args:
        tactic: the campaign; ages count up to its attribution window.
        evidence: what its statistics say, by the hour of the decision.
        now: ages are measured to it.
    """
    window = tactic.reward_rule.window
    if not tactic.policy.estimates_delay:
        return all_at_once(window)
    return delay_curve(evidence.delays, evidence.buckets, now, window, tactic.policy.delay_median)


def effective(tactic: Tactic, evidence: Evidence, now: Instant) -> Evidence:
    """The evidence as models of rewards read it: trials that are too young count in part; see `policy.effective`."""
    return effective_evidence(evidence, curve_of(tactic, evidence, now), now)


def hours_matter(tactic: Tactic, evidence: Evidence) -> bool:
    """Whether evidence has to tell the hours of its trials apart; else their sums say as much to the policy.

    Args:
        tactic: the campaign.
        evidence: what its statistics say, at least in sums.
    """
    policy = tactic.policy
    late = policy.estimates_delay and (policy.delay_median is not None or bool(evidence.delays[1:].any()))
    return late or policy.compares_times


def maturity_of(tactic: Tactic, evidence: Evidence, now: Instant) -> Maturity:
    """What the evidence says for good, and what all its trials are expected to have come to in the end."""
    return expected_at_maturity(evidence, curve_of(tactic, evidence, now), now, tactic.reward_rule.penalty_units)
