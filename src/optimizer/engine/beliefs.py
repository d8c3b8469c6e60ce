"""Beliefs: evidence becomes a posterior by the model a campaign's policy names, and a snapshot's belief one again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.engine.contexts import TrialsNow, contextual_now
from optimizer.engine.lateness import effective
from optimizer.engine.tactic import Tactic
from optimizer.policy.beta_bernoulli import beta_of, beta_posterior
from optimizer.policy.contextual import contextual_of
from optimizer.policy.hierarchical import hierarchical_of, hierarchical_posterior
from optimizer.policy.hierarchical_design import Design, codes_of
from optimizer.policy.hurdle import hurdle_of, hurdle_posterior
from optimizer.policy.pooled_prior import pooled_prior
from optimizer.policy.posterior import Posterior

_FROM_BELIEFS: Mapping[str, Callable[[Belief], Posterior]] = {
    "beta_bernoulli": beta_of,
    "hierarchical": hierarchical_of,
    "hurdle": hurdle_of,
    "contextual": contextual_of,
}


def posterior_of(
    tactic: Tactic,
    evidence: Evidence,
    now: Instant,
    latest: Snapshot | None,
    number: int,
    trials: TrialsNow | None = None,
) -> Posterior:
    """What the tactic's policy believes about its evidence.

    Args:
        tactic: the campaign.
        evidence: what its statistics say about its variants, see `gathering.evidence_of`.
        now: the instant of learning.
        latest: its newest snapshot; models that are fitted step by step begin from its belief.
        number: of the snapshot this will be in; the seed of models that are known by draws.
        trials: reads the trials one by one; models that look at whom they were made on need it.
    """
    policy = tactic.policy
    if policy.model == "contextual":
        return contextual_now(tactic, evidence, now, latest, number, trials)
    evidence = effective(tactic, evidence, now)
    penalties = tactic.reward_rule.penalty_units
    prior = (policy.prior_successes, policy.prior_failures)
    before = None if latest is None else latest.belief
    if policy.model == "hierarchical":
        design = _design(tactic)
        return hierarchical_posterior(
            evidence, now, policy.half_life, design, prior, penalties, before=before, seed=(number,)
        )
    if policy.model == "hurdle":
        return hurdle_posterior(evidence, now, policy.half_life, prior, penalties, (number,), before)
    if not policy.pools_prior:
        return beta_posterior(evidence, now, policy.half_life, *prior, penalties)
    weights = evidence.weights(now, policy.half_life)
    pooled = pooled_prior(evidence.trials @ weights, evidence.positives @ weights)
    return beta_posterior(evidence, now, policy.half_life, *pooled, penalties)


def posterior_from(belief: Belief) -> Posterior:
    """The posterior that a snapshot's belief was made of, bit for bit.

    Raises:
        KeyError: no such model.
    """
    return _FROM_BELIEFS[belief.model](belief)


def _design(tactic: Tactic) -> Design:
    """Messages and targetings of the tactic's arms, and the period of its policy."""
    targetings = ["" if variant.targeting is None else variant.targeting.id for variant in tactic.variants]
    return Design(codes_of([v.message.id for v in tactic.variants]), codes_of(targetings), tactic.policy.period)
