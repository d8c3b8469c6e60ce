"""Apply and approve: what people decide about the documents, versioned and audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant
from optimizer.engine.tactic import Tactic
from optimizer.errors import Conflict, Contended, DocumentError, NotFound
from optimizer.guardrails.budget import Span, limits_of, span_of
from optimizer.services.documents.capacity import capacity_warnings
from optimizer.services.documents.reused_ids import reused_id_warnings
from optimizer.services.forecasts.outlooks import expected_outlook, hopeless_findings
from optimizer.services.learning.refreshing import learn_tactic
from optimizer.services.live import DOCUMENTS, Live, tactics_of
from optimizer.services.recipients.behaviour import fill_behaviour
from optimizer.storage.access import Approval
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger
from optimizer.storage.versions import StrategyVersion
from optimizer.strategy.versions.changes import changes
from optimizer.strategy.versions.retirement import retirement_findings
from optimizer.strategy.workspace import Workspace, read_stored

MOST_SENTENCES = 30  # of an audit entry; `plan` shows them all


@dataclass(frozen=True, slots=True)
class Applied:
    """What an `apply` did.

    Attributes:
        changed: False when these very documents were in force already.
        awaiting: ``(campaign id, variant id)`` of what is not served until someone approves it.
        warnings: sentences about what is more than the team said it can look after, and about ids that are used again.
    """

    version: int
    changed: bool
    awaiting: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def apply_workspace(ledger: Ledger, workspace: Workspace, *, actor: str, note: str, now: Instant) -> Applied:
    """Put checked documents in force as a new version, all of them or none.

    Every campaign gets a snapshot under the new version in the same transaction, so no decision ever meets documents
    without one.

    Raises:
        DocumentError: a campaign expects an audience too small to learn anything from, or something that is retired
            changes.
    """
    hopeless = list(hopeless_findings(workspace, expected_outlook(workspace)))
    if hopeless:
        raise DocumentError(hopeless)
    ledger.revisions.hold(DOCUMENTS)
    latest = ledger.versions.latest()
    before = None if latest is None else read_stored(latest.files)
    if changed_in_retirement := list(retirement_findings(before, workspace)):
        raise DocumentError(changed_in_retirement)
    changed = latest is None or latest.digest != workspace.digest
    version = 1 if latest is None else latest.version + int(changed)
    if changed:
        _begin_reviews(ledger, workspace, now)
    compiled = tactics_of(workspace, version, ledger.approvals.granted(), ledger.controls.all())
    tactics = list(compiled.values())
    if changed:
        ledger.revisions.bump(DOCUMENTS)
        _forget_meters(ledger, before, tactics)
        ledger.versions.insert(StrategyVersion(version, workspace.digest, dict(workspace.files), now, actor, note))
        fill_behaviour(ledger, before, workspace, now)
        for tactic in tactics:
            learn_tactic(ledger, tactic, now)
        sentences = [change.sentence for change in changes(before, workspace)]
        ledger.audit.append(_entry(latest, sentences, workspace.digest, version, actor, note, now))
    awaiting = tuple(pair for tactic in tactics for pair in awaiting_approval(tactic))
    warnings = (*capacity_warnings(ledger, workspace, awaiting, now), *reused_id_warnings(ledger, before, workspace))
    return Applied(version, changed, awaiting, warnings)


def _entry(
    latest: StrategyVersion | None,
    sentences: list[str],
    digest: str,
    version: int,
    actor: str,
    note: str,
    now: Instant,
) -> AuditEntry:
    """What an `apply` changed, in words."""
    more = [f"and {len(sentences) - MOST_SENTENCES} more"] if len(sentences) > MOST_SENTENCES else []
    return AuditEntry(
        at=now,
        actor=actor,
        action="apply",
        subject=f"version {version}",
        note=note,
        before="" if latest is None else f"version {latest.version}, digest {latest.digest[:12]}",
        after=f"digest {digest[:12]}: " + "; ".join(sentences[:MOST_SENTENCES] + more),
    )


def _begin_reviews(ledger: Ledger, workspace: Workspace, now: Instant) -> None:
    """The time to the first review of a campaign runs from when it is first in force."""
    controls = ledger.controls.all()
    for campaign_id in workspace.campaigns:
        known = controls.get(campaign_id, UNTOUCHED)
        if known.reviewed_at is None:
            ledger.controls.put(campaign_id, replace(known, reviewed_at=now))


def _forget_meters(ledger: Ledger, before: Workspace | None, tactics: Sequence[Tactic]) -> None:
    """Meters that do not count all along, as their limit is new or gone or its days begin elsewhere, are read anew.

    Raises:
        Contended: other transactions may be writing, so nothing that is read now is the last word.
    """
    if not ledger.alone:
        raise Contended("documents are applied by a transaction that is alone")
    counted: set[tuple[str, Span]] = set()
    if before is not None and all(tactic.zone == before.strategy.time_zone for tactic in tactics):
        counted = {
            (limit.scope, limit.span)
            for campaign in before.campaigns.values()
            for limit in limits_of(before.strategy, campaign)
        }
    counted &= {(limit.scope, limit.span) for tactic in tactics for limit in tactic.budget_limits}
    ledger.meters.forget([key for key in ledger.meters.all() if (key.scope, span_of(key.period)) not in counted])


def approve(
    ledger: Ledger, live: Live, campaign_id: str, message_id: str, *, actor: str, note: str, now: Instant
) -> tuple[str, ...]:
    """Approve a message, in every targeting it has, as its words stand in the documents in force.

    Returns:
        Ids of the variants that are approved by this.

    Raises:
        NotFound: no such campaign or message in the documents in force.
        Conflict: the strategy names approvers, and the actor is none of them.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    approvers = loaded.workspace.strategy.approval.approvers if loaded.workspace else None
    if approvers is not None and actor not in approvers:
        raise Conflict(f"actor: found {actor}; allowed an approver of the strategy: {', '.join(approvers)}")
    chosen = [variant for variant in tactic.variants if variant.message.id == message_id]
    if not chosen:
        known = ", ".join(message.id for message in tactic.campaign.messages)
        raise NotFound(f"message: found {message_id!r} in campaign {campaign_id}; allowed {known}")
    ledger.revisions.bump(DOCUMENTS)
    for variant in chosen:
        approval = Approval(campaign_id, variant.variant_id, variant.content_hash, now, actor, note)
        ledger.approvals.grant(approval)
    hashes = ", ".join(f"{variant.variant_id} {variant.content_hash[:12]}" for variant in chosen)
    ledger.audit.append(AuditEntry(now, actor, "approve", f"{campaign_id}/{message_id} ({hashes})", note))
    return tuple(variant.variant_id for variant in chosen)


def awaiting_approval(tactic: Tactic) -> list[tuple[str, str]]:
    """``(campaign id, variant id)`` of the variants nobody has approved as they stand, and that are not retired."""
    return [
        (tactic.campaign_id, variant.variant_id)
        for variant, approved in zip(tactic.variants, tactic.limits.approved, strict=True)
        if not (approved or variant.retired)
    ]
