"""Leases: of all workers that share a ledger, one learns a campaign, and another takes over when that one is gone.

A campaign's lease says who learned it last, when it is due, and from when on anybody may learn it. It is seized, and
renewed, in the transaction that learns: what was learned and who learns next are durable together or not at all. So a
campaign is learned once per refresh, and a worker that has died is replaced within `GRACE` of the next refresh.
"""

from __future__ import annotations

from optimizer.domain.instants import SECOND, Duration, Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.live import Live
from optimizer.storage.leases import Lease
from optimizer.storage.store import Ledger

GRACE: Duration = 15 * SECOND  # how much longer than a refresh a lease is good for


def may_learn(lease: Lease, worker: str, refresh: Duration, now: Instant) -> bool:
    """Whether a worker shall learn a campaign now.

    No lease that was made with a right clock, and for the refresh in force, lies further ahead than it can: one that
    does is overdue, so that neither a clock that was hours ahead nor a slower refresh of before holds learning up.

    Args:
        lease: the campaign's.
        worker: who asks.
        refresh: how often the campaign shall be learned.
        now: the instant.
    """
    if lease.holder == worker:
        return now >= lease.due_at or lease.due_at > now + refresh
    return now >= lease.until or lease.until > now + refresh + GRACE


def begin_lease(ledger: Ledger, campaign_id: str, worker: str, refresh: Duration, now: Instant) -> None:
    """Give a campaign that has no lease its first one: it was learned when it was applied."""
    ledger.leases.begin(_lease(campaign_id, worker, refresh, now))


def learn_if_due(ledger: Ledger, live: Live, campaign_id: str, worker: str, now: Instant) -> Snapshot | None:
    """Learn a campaign if this worker shall, and renew its lease in the same transaction.

    Args:
        ledger: where the leases are.
        live: the documents in force.
        campaign_id: the campaign.
        worker: who asks.
        now: the instant.

    Returns:
        The campaign's newest snapshot; None when it was not this worker's turn.
    """
    lease = ledger.leases.seize(campaign_id)
    tactic = live.at(ledger).tactics.get(campaign_id)
    if lease is None or tactic is None or not may_learn(lease, worker, tactic.policy.refresh, now):
        return None
    snapshot = learn_campaign(ledger, live, campaign_id, now)
    ledger.leases.renew(_lease(campaign_id, worker, tactic.policy.refresh, now))
    return snapshot


def _lease(campaign_id: str, worker: str, refresh: Duration, now: Instant) -> Lease:
    return Lease(campaign_id, worker, due_at=now + refresh, until=now + refresh + GRACE)
