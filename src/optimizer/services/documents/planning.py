"""Plan: what documents would change if they were applied now, and how long campaigns would need to learn under them."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant
from optimizer.errors import DocumentError
from optimizer.services.documents.applying import awaiting_approval
from optimizer.services.documents.capacity import capacity_warnings
from optimizer.services.documents.hindsight import Hindsight, hindsight
from optimizer.services.documents.reused_ids import reused_id_warnings
from optimizer.services.documents.undoing import undoing_warnings
from optimizer.services.forecasts.outlooks import NO_ASSUMPTIONS, Assumptions, SegmentOutlook, campaign_outlook
from optimizer.services.learning.elsewhere import start_in_words
from optimizer.services.live import Live, tactics_of
from optimizer.storage.store import Ledger
from optimizer.strategy.versions.changes import Change, campaigns_touched, changes
from optimizer.strategy.versions.retirement import retirement_findings
from optimizer.strategy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do.

    Attributes:
        live_version: version in force; 0 when there is none.
        is_new_version: whether the documents say anything else than those in force, even if it means the same.
        changes: everything that would become different.
        touched: campaigns that would work differently.
        awaiting: ``(campaign id, variant id)`` of what would not be served until someone approves it.
        lapsing: those of them that are approved now.
        outlook: who campaigns reach and how long they learn, by campaign and segment.
        hindsight: what the changed campaigns would have done with the requests of the last weeks.
        warm_starts: what campaigns begin with that was seen elsewhere, in words.
        warnings: what to think about before applying.
    """

    live_version: int
    is_new_version: bool
    changes: tuple[Change, ...]
    touched: tuple[str, ...]
    awaiting: tuple[tuple[str, str], ...]
    lapsing: tuple[tuple[str, str], ...]
    outlook: tuple[SegmentOutlook, ...]
    hindsight: tuple[Hindsight, ...]
    warm_starts: tuple[str, ...]
    warnings: tuple[str, ...]


def plan(
    ledger: Ledger, live: Live, workspace: Workspace, now: Instant, assumptions: Assumptions = NO_ASSUMPTIONS
) -> Plan:
    """What would change if checked documents were applied now. Nothing is written.

    Raises:
        DocumentError: something that is retired changes.
    """
    loaded = live.at(ledger)
    if changed_in_retirement := list(retirement_findings(loaded.workspace, workspace)):
        raise DocumentError(changed_in_retirement)
    compiled = tactics_of(workspace, loaded.version + 1, ledger.approvals.granted(), loaded.controls)
    tactics = list(compiled.values())
    changed = changes(loaded.workspace, workspace)
    awaiting = tuple(pair for tactic in tactics for pair in awaiting_approval(tactic))
    approved_now = {
        (tactic.campaign_id, variant_id) for tactic in loaded.tactics.values() for variant_id in tactic.variant_ids
    } - {pair for tactic in loaded.tactics.values() for pair in awaiting_approval(tactic)}
    return Plan(
        live_version=loaded.version,
        is_new_version=loaded.workspace is None or loaded.workspace.digest != workspace.digest,
        changes=changed,
        touched=campaigns_touched(changed),
        awaiting=awaiting,
        lapsing=tuple(pair for pair in awaiting if pair in approved_now),
        outlook=tuple(
            row for tactic in tactics for row in campaign_outlook(ledger, tactic, loaded.declared, now, assumptions)
        ),
        hindsight=tuple(
            found
            for name in campaigns_touched(changed)
            if name in compiled and name in loaded.tactics
            for found in [hindsight(ledger, live, compiled[name], loaded.controls.get(name, UNTOUCHED), now)]
            if found is not None
        ),
        warm_starts=tuple(said for tactic in tactics if (said := start_in_words(ledger, tactic, now)) is not None),
        warnings=(
            *capacity_warnings(ledger, workspace, awaiting, now),
            *reused_id_warnings(ledger, loaded.workspace, workspace),
            *undoing_warnings(ledger, workspace),
        ),
    )
