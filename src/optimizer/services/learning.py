"""Learn: fold the statistics of a campaign into a new snapshot, if it says anything new."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.learning import evidence_of, is_frozen, next_snapshot
from optimizer.engine.pricing import paced_budget
from optimizer.engine.tactic import Tactic
from optimizer.services.live import DOCUMENTS, SNAPSHOTS, Live
from optimizer.services.watching import watch_campaign
from optimizer.storage.store import Ledger


def learn_campaign(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Snapshot:
    """The campaign's newest snapshot, after acting on its guardrails and learning from everything recorded so far.

    Raises:
        NotFound: no such campaign.
    """
    # Nobody applies other documents, or learns, between what is read here and what is written.
    ledger.revisions.hold(DOCUMENTS)
    live.at(ledger).tactic(campaign_id)
    ledger.statistics.flush()
    cells = list(ledger.statistics.of_campaign(campaign_id))
    watch_campaign(ledger, live, campaign_id, now, cells)
    return learn_tactic(ledger, live.at(ledger).tactic(campaign_id), now, cells)


def learn_tactic(
    ledger: Ledger, tactic: Tactic, now: Instant, cells: Sequence[tuple[Cell, Sums]] | None = None
) -> Snapshot:
    """The tactic's newest snapshot; stored only if it differs from the one before.

    Args:
        ledger: the ledger.
        tactic: the campaign.
        now: the instant of learning.
        cells: the campaign's statistics, where they have been read already.
    """
    ledger.statistics.flush()
    latest = ledger.snapshots.latest(tactic.campaign_id)
    if latest is not None and is_frozen(tactic, latest, now):
        return latest
    if cells is None:
        cells = list(ledger.statistics.of_campaign(tactic.campaign_id))
    paced = paced_budget(tactic, now)
    readings = {} if paced is None else ledger.meters.of([paced.key])
    snapshot = next_snapshot(tactic, evidence_of(tactic, cells), cells, readings, latest, now)
    if snapshot is not latest and ledger.snapshots.insert(snapshot):
        ledger.revisions.bump(SNAPSHOTS)
    return snapshot
