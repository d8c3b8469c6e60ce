"""Watch: guardrail metrics pause, stop and raise alarms, and rollouts go on, at every refresh of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.alarms import alarmed
from optimizer.engine.beliefs import posterior_from
from optimizer.engine.raising import Done
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import watched
from optimizer.services.live import DOCUMENTS, Live
from optimizer.services.notices.noticing import announce_done
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

WATCHER = "optimizer"  # actor in the audit trail: nobody in person


def watch_campaign(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    now: Instant,
    cells: Sequence[tuple[Cell, Sums]] | None = None,
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
    if cells is None:
        ledger.statistics.flush()
        cells = list(ledger.statistics.of_campaign(campaign_id))
    before = ledger.controls.all().get(campaign_id, UNTOUCHED)
    controls, done = watched(tactic, before, cells, now)
    return _written(ledger, campaign_id, before, controls, done, now)


def raise_alarms(ledger: Ledger, tactic: Tactic, snapshot: Snapshot, evidence: Evidence, now: Instant) -> None:
    """Look into what a campaign has just learned, and raise the alarms its policy asks for; see `engine.alarms`.

    Args:
        ledger: where controls and the audit trail are; the documents' counter is held.
        tactic: the campaign.
        snapshot: what it has learned.
        evidence: from what.
        now: instant of the check.
    """
    if not tactic.policy.alarms:
        return
    before = ledger.controls.all().get(tactic.campaign_id, UNTOUCHED)
    controls, done = alarmed(tactic, before, evidence, posterior_from(snapshot.belief), now)
    _written(ledger, tactic.campaign_id, before, controls, done, now)


def _written(
    ledger: Ledger, campaign_id: str, before: Controls, controls: Controls, done: Sequence[Done], now: Instant
) -> tuple[str, ...]:
    if controls != before or controls.noticed != before.noticed:
        ledger.controls.put(campaign_id, controls)
    if controls != before:  # what was only noticed decides nothing, so no worker need hear of it
        ledger.revisions.bump(DOCUMENTS)
    announce_done(ledger, campaign_id, done, now)
    for one in done:
        ledger.audit.append(AuditEntry(now, WATCHER, one.action, one.subject, one.sentence, one.before, one.after))
    return tuple(f"{one.subject}: {one.action}: {one.sentence}" for one in done)
