"""Capacity: whether automation asks more of people than they said they can do."""

from __future__ import annotations

from collections.abc import Collection

from optimizer.domain.instants import DAY, Instant
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import Workspace

WEEK = 7 * DAY


def capacity_warnings(
    ledger: Ledger, workspace: Workspace, awaiting: Collection[tuple[str, str]], now: Instant
) -> tuple[str, ...]:
    """Sentences about what is more than the team said it can look after; nothing when all is well.

    A message counts once, however many targetings it has: it is read once.

    Args:
        ledger: has the approvals of the last seven days.
        workspace: the documents, with the strategy's capacity.
        awaiting: ``(campaign id, variant id)`` of what nobody has approved yet.
        now: end of the seven days.
    """
    most = workspace.strategy.capacity.approvals_per_week
    waiting = len({(campaign_id, _message(variant_id)) for campaign_id, variant_id in awaiting})
    if most is None or not waiting:
        return ()
    read = {
        (a.campaign_id, _message(a.variant_id)) for a in ledger.approvals.all() if now - WEEK < a.approved_at <= now
    }
    if waiting + len(read) <= most:
        return ()
    verb = "message waits" if waiting == 1 else "messages wait"
    also = f" and {len(read):,} {'was' if len(read) == 1 else 'were'} approved in the last 7 days" if read else ""
    return (f"{waiting:,} {verb} for approval{also}; the team approves {most:,} a week (capacity.approvals_per_week)",)


def _message(variant_id: str) -> str:
    return variant_id.partition(":")[0]
