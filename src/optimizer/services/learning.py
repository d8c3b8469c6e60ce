"""Learn: fold the statistics of a campaign into a new snapshot, if it says anything new."""

from __future__ import annotations

from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.engine.learning import differs, evidence_of, learn
from optimizer.engine.tactic import Tactic
from optimizer.services.live import DOCUMENTS, SNAPSHOTS, Live
from optimizer.storage.store import Ledger


def learn_campaign(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Snapshot:
    """The campaign's newest snapshot, after learning from everything recorded so far.

    Raises:
        NotFound: no such campaign.
    """
    # Nobody applies other documents, or learns, between what is read here and what is written.
    ledger.revisions.hold(DOCUMENTS)
    return learn_tactic(ledger, live.at(ledger).tactic(campaign_id), now)


def learn_tactic(ledger: Ledger, tactic: Tactic, now: Instant) -> Snapshot:
    """The tactic's newest snapshot; stored only if it differs from the one before."""
    ledger.statistics.flush()
    latest = ledger.snapshots.latest(tactic.campaign_id)
    number = 1 if latest is None else latest.number + 1
    evidence = evidence_of(tactic, ledger.statistics.of_campaign(tactic.campaign_id))
    snapshot = learn(tactic, evidence, number, now)
    if latest is not None and not differs(latest, snapshot):
        return latest
    if ledger.snapshots.insert(snapshot):
        ledger.revisions.bump(SNAPSHOTS)
    return snapshot
