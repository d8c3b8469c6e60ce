"""Learn: fold the statistics of a campaign into a new snapshot, if it says anything new."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from optimizer.domain.instants import Instant, bucket
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.gathering import evidence_of
from optimizer.engine.learning import is_frozen, next_snapshot
from optimizer.engine.pricing import paced_budget
from optimizer.engine.tactic import Tactic
from optimizer.services.learning.elsewhere import cells_elsewhere
from optimizer.services.learning.training import newest_trials
from optimizer.services.learning.watching import raise_alarms, watch_campaign
from optimizer.services.live import DOCUMENTS, SNAPSHOTS, Live
from optimizer.services.notices.noticing import announce_limits
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
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    announce_limits(ledger, loaded, campaign_id, now)
    before = ledger.snapshots.created_at(campaign_id)
    snapshot = learn_tactic(ledger, tactic, now, cells)
    learned = before is not None and snapshot.created_at > before and bucket(now) > bucket(before)
    if learned and tactic.silent_since is None:
        # What was learned is looked into once an hour: evidence is bucketed by hours.
        raise_alarms(ledger, tactic, snapshot, evidence_of(tactic, cells), now)
    return snapshot


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
    trials_now, others = partial(newest_trials, ledger, tactic), cells_elsewhere(ledger, tactic)
    snapshot = next_snapshot(tactic, evidence_of(tactic, cells), cells, readings, latest, now, trials_now, others)
    if snapshot is not latest and ledger.snapshots.insert(snapshot):
        ledger.revisions.bump(SNAPSHOTS)
    return snapshot
