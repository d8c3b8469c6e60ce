"""Learning: evidence becomes a snapshot, if it says anything new."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant, bucket
from optimizer.domain.meters import UNUSED, MeterKey, Reading
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.trials import Trials
from optimizer.engine.allocations import bounds_of
from optimizer.engine.beliefs import posterior_of
from optimizer.engine.contexts import TrialsNow
from optimizer.engine.elsewhere import evidence_elsewhere
from optimizer.engine.moving import is_moving, shares_in_force
from optimizer.engine.pricing import UNPRICED, Cells, Pricing, pace_differs, paced_budget, pricing
from optimizer.engine.tactic import Tactic
from optimizer.policy.exploration import shares
from optimizer.policy.posterior import Posterior

# A posterior that moved by less than one part in ten thousand would not change any allocation one could see.
IMMATERIAL = 1e-4


def is_frozen(tactic: Tactic, latest: Snapshot | None, now: Instant) -> bool:
    """Whether the allocation stays as it is: a review is overdue, or outcomes have stopped coming in."""
    frozen = frozen_by_review(tactic, now) or tactic.silent_since is not None
    return frozen and latest is not None and latest.strategy_version == tactic.strategy_version


def frozen_by_review(tactic: Tactic, now: Instant) -> bool:
    """Whether a review is overdue, in a strategy that keeps the allocation as it is until somebody looks."""
    return tactic.frozen_when_overdue and tactic.review_due_at is not None and now >= tactic.review_due_at


def next_snapshot(
    tactic: Tactic,
    evidence: Evidence,
    cells: Cells,
    readings: Mapping[MeterKey, Reading],
    latest: Snapshot | None,
    now: Instant,
    trials_now: TrialsNow | None = None,
    others: Cells = (),
) -> Snapshot:
    """The campaign's newest snapshot after learning: the latest itself where that would change nothing.

    During a silence it is made of what was known when that began.

    Args:
        tactic: the campaign.
        evidence: what its statistics say about its variants, see `evidence_of`.
        cells: those statistics, for the price of a budget that is paced.
        readings: what is in use of that budget; absent means nothing.
        latest: its newest snapshot so far; None when it has none.
        now: the instant of learning.
        trials_now: reads the trials one by one, for a policy that looks at whom they were made on.
        others: statistics of the campaign that this one's warm start names.
    """
    if latest is not None and is_frozen(tactic, latest, now):
        return latest
    number = 1 if latest is None else latest.number + 1
    known_at = now
    if tactic.silent_since is not None:  # documents applied during a silence: nobody is punished for what is missing
        known_at = tactic.silent_since
        evidence, trials_now = evidence.known_at(known_at), _known_at(known_at, trials_now)
    elsewhere = evidence_elsewhere(tactic, evidence, others, known_at)
    posterior = posterior_of(tactic, evidence + elsewhere, known_at, latest, number, trials_now)
    before = shares_in_force(tactic, latest)
    paced = paced_budget(tactic, now)
    price = UNPRICED
    if paced is not None:
        reading = readings.get(paced.key, UNUSED)
        trials, was = evidence.trials.sum(axis=-1), before if before.size else None
        sharing = partial(shares, trials=trials, before=was, bounds=bounds_of(tactic.policy))
        price = pricing(tactic, paced, posterior, cells, reading, latest, now, sharing)
    snapshot = _snapshot(tactic, posterior, (evidence, elsewhere), number, now, price, before)
    return snapshot if latest is None or differs(latest, snapshot) or is_moving(tactic, latest) else latest


def learn(
    tactic: Tactic,
    evidence: Evidence,
    number: int,
    now: Instant,
    trials_now: TrialsNow | None = None,
    others: Cells = (),
) -> Snapshot:
    """A snapshot without a price, as if it were the first: what the policy believes about the evidence at `now`."""
    elsewhere = evidence_elsewhere(tactic, evidence, others, now)
    posterior = posterior_of(tactic, evidence + elsewhere, now, None, number, trials_now)
    before = shares_in_force(tactic, None)
    return _snapshot(tactic, posterior, (evidence, elsewhere), number, now, UNPRICED, before)


def _snapshot(
    tactic: Tactic,
    posterior: Posterior,
    rests_on: tuple[Evidence, Evidence],
    number: int,
    now: Instant,
    pricing: Pricing,
    before: NDArray[np.float64],
) -> Snapshot:
    policy = tactic.policy
    here, elsewhere = (evidence.trials.sum(axis=-1) for evidence in rests_on)
    return Snapshot(
        campaign_id=tactic.campaign_id,
        number=number,
        created_at=now,
        strategy_version=tactic.strategy_version,
        config_hash=tactic.config_hash,
        segment_ids=tactic.rules.segment_ids,
        variant_ids=tactic.variant_ids,
        content_hashes=tactic.content_hashes,
        belief=posterior.belief,
        trials=here,
        floor=policy.floor,
        cap=policy.cap,
        price=pricing.price,
        costs=np.broadcast_to(pricing.costs, posterior.mean.shape).copy(),
        pace=pricing.pace,
        top_two=policy.top_two,
        minimum_trials=policy.minimum_trials,
        largest_change=policy.largest_change,
        before=before,
        elsewhere=elsewhere if elsewhere.any() else np.zeros((0, 0)),
    )


def _known_at(instant: Instant, trials_now: TrialsNow | None) -> TrialsNow | None:
    """Reads the trials of the hours that were over at an instant; see `Evidence.known_at`."""
    if trials_now is None:
        return None

    def known() -> Trials:
        trials = trials_now()
        return trials.part(trials.decided_at < bucket(instant))

    return known


def differs(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots of a campaign would choose differently in a way worth keeping."""
    if pace_differs(one, other):
        return True
    if one.config_hash != other.config_hash or one.strategy_version != other.strategy_version:
        return True
    if ((one.trials < one.minimum_trials) != (other.trials < other.minimum_trials)).any():
        return True
    return not one.belief.close_to(other.belief, IMMATERIAL)
