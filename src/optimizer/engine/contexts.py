"""Contexts: what a campaign's policy makes of declared attributes, and when it is fitted to its trials again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.trials import Trials
from optimizer.engine.lateness import curve_of
from optimizer.engine.tactic import Tactic
from optimizer.policy.contextual import MODEL, ContextualPosterior, contextual_of
from optimizer.policy.contextual_training import Penalised, contextual_posterior

MOST_TRIALS: Final = 100_000  # the newest; to read them and to fit takes some five seconds

TrialsNow = Callable[[], Trials]
"""Reads the newest trials about a tactic's variants in force; called only when a fit is due."""


def contextual_now(
    tactic: Tactic, evidence: Evidence, now: Instant, latest: Snapshot | None, number: int, trials: TrialsNow | None
) -> ContextualPosterior:
    """What a contextual policy believes: as it did, until a fit is due.

    Args:
        tactic: the campaign.
        evidence: what its statistics say, for how late rewards come and what penalties cost.
        now: the instant of learning.
        latest: its newest snapshot; a fit begins from its belief.
        number: of the snapshot this will be in, the seed of the ensemble.
        trials: reads what it is fitted to.

    Raises:
        ValueError: a fit is due, and nothing reads its trials.
    """
    features, before = tactic.features, None if latest is None else latest.belief
    if before is not None and before.model == MODEL and latest is not None and latest.config_hash == tactic.config_hash:
        believed = contextual_of(before)
        if now - believed.fitted_at < tactic.policy.refit:
            return believed
    if trials is None or features is None:
        raise ValueError(f"{tactic.campaign_id}: found no trials one by one; allowed a contextual policy with them")
    policy, penalties = tactic.policy, tactic.reward_rule.penalty_units
    found, curve = trials(), curve_of(tactic, evidence, now)
    matured = curve.share(np.maximum(now - found.decided_at, 0))
    weights = evidence.weights(now, policy.half_life)
    counts, exposed = (evidence.penalty_counts @ weights).sum(axis=1), (evidence.trials @ weights).sum(axis=0)
    return contextual_posterior(
        replace(found, matured=matured),
        features,
        now,
        policy.half_life,
        prior=(policy.prior_successes, policy.prior_failures),
        penalised=Penalised(np.array(penalties, np.float64), counts, exposed),
        before=before,
        seed=(number,),
    )
