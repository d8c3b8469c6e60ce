"""Learn: fold the statistics of a campaign into a new snapshot, if it says anything new."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.meters import UNUSED
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.learning import differs, evidence_of, learn, posterior_of
from optimizer.engine.pricing import UNPRICED, Pricing, paced_budget, pricing
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


def _pricing(
    ledger: Ledger,
    tactic: Tactic,
    evidence: Evidence,
    cells: Sequence[tuple[Cell, Sums]],
    before: Snapshot | None,
    now: Instant,
) -> Pricing:
    paced = paced_budget(tactic, now)
    if paced is None:
        return UNPRICED
    reading = ledger.meters.of([paced.key]).get(paced.key, UNUSED)
    return pricing(tactic, paced, posterior_of(tactic, evidence, now), cells, reading, before, now)


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
    frozen = tactic.frozen_when_overdue and tactic.review_due_at is not None and now >= tactic.review_due_at
    if latest is not None and frozen and latest.strategy_version == tactic.strategy_version:
        return latest
    number = 1 if latest is None else latest.number + 1
    if cells is None:
        cells = list(ledger.statistics.of_campaign(tactic.campaign_id))
    evidence = evidence_of(tactic, cells)
    snapshot = learn(tactic, evidence, number, now, _pricing(ledger, tactic, evidence, cells, latest, now))
    if latest is not None and not differs(latest, snapshot):
        return latest
    if ledger.snapshots.insert(snapshot):
        ledger.revisions.bump(SNAPSHOTS)
    return snapshot
