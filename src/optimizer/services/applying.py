"""Apply and approve: what people decide about the documents, versioned and audited."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.errors import NotFound
from optimizer.services.learning import learn_tactic
from optimizer.services.live import DOCUMENTS, Live
from optimizer.storage.access import Approval, AuditEntry
from optimizer.storage.store import Ledger
from optimizer.storage.versions import StrategyVersion
from optimizer.strategy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Applied:
    """What an `apply` did.

    Attributes:
        changed: False when these very documents were in force already.
        awaiting: ``(campaign id, variant id)`` of what is not served until someone approves it.
    """

    version: int
    changed: bool
    awaiting: tuple[tuple[str, str], ...]


def apply_workspace(ledger: Ledger, workspace: Workspace, *, actor: str, note: str, now: Instant) -> Applied:
    """Put checked documents in force as a new version, all of them or none.

    Every campaign gets a snapshot under the new version in the same transaction, so no decision ever meets documents
    without one.
    """
    ledger.revisions.hold(DOCUMENTS)
    latest = ledger.versions.latest()
    changed = latest is None or latest.digest != workspace.digest
    version = 1 if latest is None else latest.version + int(changed)
    approvals = {(a.campaign_id, a.variant_id, a.content_hash) for a in ledger.approvals.all()}
    tactics = [
        compile_tactic(workspace.strategy, campaign, version, approvals) for campaign in workspace.campaigns.values()
    ]
    if changed:
        ledger.revisions.bump(DOCUMENTS)
        ledger.versions.insert(StrategyVersion(version, workspace.digest, dict(workspace.files), now, actor, note))
        for tactic in tactics:
            learn_tactic(ledger, tactic, now)
        ledger.audit.append(AuditEntry(now, actor, "apply", f"version {version}", note))
    return Applied(version, changed, tuple(pair for tactic in tactics for pair in awaiting_approval(tactic)))


def approve(
    ledger: Ledger, live: Live, campaign_id: str, message_id: str, *, actor: str, note: str, now: Instant
) -> tuple[str, ...]:
    """Approve a message, in every targeting it has, as its words stand in the documents in force.

    Returns:
        Ids of the variants that are approved by this.

    Raises:
        NotFound: no such campaign or message in the documents in force.
    """
    tactic = live.at(ledger).tactic(campaign_id)
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
    """``(campaign id, variant id)`` of the variants nobody has approved as they stand."""
    return [
        (tactic.campaign_id, variant.variant_id)
        for variant, approved in zip(tactic.variants, tactic.limits.approved, strict=True)
        if not approved
    ]
