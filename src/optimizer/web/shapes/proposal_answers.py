"""What people get who look at proposals: answer models for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from optimizer.domain.instants import isoformat
from optimizer.domain.proposal_json import digest
from optimizer.domain.proposals import Confidence, Kept, ProposalKind, ProposalState
from optimizer.services.proposing.deciding import Decided
from optimizer.services.proposing.showing import Shown
from optimizer.web.shapes.answers import Out


class EffectOut(Out):
    """What a change is expected to do."""

    value: float = Field(description="In `unit`; above zero is better.")
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float = Field(description="Upper end.")
    unit: str = Field(description="A share of the trials, rewards, or a currency.")
    per: str = Field(description="Of what: trial, day, month or campaign.")


class EditOut(Out):
    """One change of a document."""

    document: str = Field(description="A campaign's id; empty for the strategy.")
    path: list[str] = Field(description="Keys from the document's top; things with ids by their id.")
    op: Literal["set", "remove", "insert_before", "append"] = Field(description="What is done there.")
    value: Any = Field(description="What is written; null when something is removed.")


class ProposalOut(Out):
    """A change that the evidence suggests, and what people have decided about it."""

    number: int = Field(description="1 for the first ever.")
    state: ProposalState = Field(description="withdrawn: the evidence no longer says so.")
    kind: ProposalKind = Field(description="What it would do.")
    campaign: str = Field(description="The campaign it is about.")
    subject: str = Field(description="What in the campaign: a variant, segments, a stage.")
    headline: str = Field(description="What to do, in one sentence.")
    evidence: list[str] = Field(description="What is known, one sentence each.")
    expected: EffectOut | None = Field(description="The effect on the objective; null where it is no number.")
    risk: str = Field(description="What could go wrong.")
    confidence: Confidence = Field(description="How sure the evidence is.")
    edits: list[EditOut] = Field(description="The change of the documents; empty where there is none.")
    steering: Literal["advance", "roll_back"] | None = Field(description="The step of the rollout it is, if it is one.")
    made_at: datetime = Field(description="When it was first made.")
    as_of: datetime = Field(description="Until when the evidence counts.")
    strategy_version: int = Field(description="Documents it was made from.")
    seen: str = Field(description="To be given back when accepting: what exactly you have looked at.")
    decided_by: str | None = Field(description="Who decided.")
    decided_at: datetime | None = Field(description="When.")
    note: str | None = Field(description="Why.")
    became_version: int | None = Field(description="The documents that accepting it put in force.")


class ProposalsOut(Out):
    """Some proposals, the newest first."""

    proposals: list[ProposalOut] = Field(description="As many as were asked for.")
    next_before: int | None = Field(description="To be given as `before` for the next page; null on the last.")


class ShownOut(ProposalOut):
    """A proposal with what it would change in the documents in force."""

    changes: list[str] = Field(description="What would change, in words; empty where no document does.")
    diff: str = Field(description="The same as lines of the documents, as `diff -u` shows them.")
    misfit: str | None = Field(description="Why it cannot be accepted as the documents are now; null when it can.")


class AwaitingOut(Out):
    """Words that are not served until someone approves them."""

    campaign: str = Field(description="The campaign.")
    variant: str = Field(description="The variant.")


class DecidedOut(Out):
    """What became of a proposal."""

    detail: str = Field(description="What is so now.")
    awaiting_approval: list[AwaitingOut] = Field(description="What is not served until someone approves it.")
    warnings: list[str] = Field(description="What to think about.")
    proposal: ProposalOut = Field(description="As it is now.")


def proposal_json(kept: Kept) -> dict[str, Any]:
    """See `ProposalOut`."""
    made = kept.proposal
    return {
        "number": kept.number,
        "state": kept.state.value,
        "kind": made.kind.value,
        "campaign": made.campaign_id,
        "subject": made.subject,
        "headline": made.headline,
        "evidence": list(made.evidence),
        "expected": None if made.expected is None else asdict(made.expected),
        "risk": made.risk,
        "confidence": made.confidence.value,
        "edits": [asdict(edit) | {"path": list(edit.path)} for edit in made.edits],
        "steering": made.steering,
        "made_at": isoformat(kept.made_at),
        "as_of": isoformat(kept.as_of),
        "strategy_version": kept.strategy_version,
        "seen": digest(made),
        "decided_by": kept.decided_by,
        "decided_at": None if kept.decided_at is None else isoformat(kept.decided_at),
        "note": kept.note,
        "became_version": kept.became_version,
    }


def proposals_json(found: Sequence[Kept], n: int) -> dict[str, Any]:
    """See `ProposalsOut`; of one more than `n`, the last only says that there is another page."""
    following = found[n - 1].number if len(found) > n else None
    return {"proposals": [proposal_json(kept) for kept in found[:n]], "next_before": following}


def shown_json(shown: Shown) -> dict[str, Any]:
    """See `ShownOut`."""
    more = {"changes": list(shown.changes), "diff": shown.diff, "misfit": shown.misfit}
    return proposal_json(shown.kept) | more


def decided_json(done: Decided) -> dict[str, Any]:
    """See `DecidedOut`."""
    return {
        "detail": done.sentence,
        "awaiting_approval": [{"campaign": campaign, "variant": variant} for campaign, variant in done.awaiting],
        "warnings": list(done.warnings),
        "proposal": proposal_json(done.kept),
    }
