"""Watch: guardrail metrics pause, stop and raise alarms, and rollouts go on, at every refresh of a campaign."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.watching import watched
from optimizer.services.live import DOCUMENTS, Live
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

WATCHER = "optimizer"  # actor in the audit trail: nobody in person


def watch_campaign(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    now: Instant,
    cells: Iterable[tuple[Cell, Sums]] | None = None,
) -> tuple[str, ...]:
    """Judge a campaign's guardrail metrics and move its rollout on, or hold it; see `engine.watching.watched`.

    Args:
        ledger: where statistics, controls and the audit trail are.
        live: the documents in force.
        campaign_id: the campaign.
        now: instant of the check.
        cells: the campaign's statistics, if they have been read in this transaction already.

    Returns:
        A sentence for everything it did. When that is nothing, nothing was written.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    ledger.revisions.hold(DOCUMENTS)
    tactic = live.at(ledger).tactic(campaign_id)
    if not tactic.metrics and not tactic.stages:
        return ()
    if cells is None:
        ledger.statistics.flush()
        cells = ledger.statistics.of_campaign(campaign_id)
    before = ledger.controls.all().get(campaign_id, UNTOUCHED)
    controls, done = watched(tactic, before, cells, now)
    if controls != before:
        ledger.controls.put(campaign_id, controls)
        ledger.revisions.bump(DOCUMENTS)
    for one in done:
        ledger.audit.append(AuditEntry(now, WATCHER, one.action, one.subject, one.sentence, one.before, one.after))
    return tuple(f"{one.subject}: {one.action}: {one.sentence}" for one in done)
