"""What people get who steer campaigns and read the audit trail: answer models for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.domain.controls import Status
from optimizer.guardrails.rollout import Wait


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class RolloutOut(_Out):
    """Where a rollout is."""

    stage: int = Field(description="1 for the first.")
    stages: int
    share: float = Field(description="Share of the recipients that take part; the others get control.")
    since: datetime | None = Field(description="null until the campaign has sent something.")
    held: bool = Field(description="A guardrail metric was breached: it stays here until somebody releases it.")
    approved_stage: int | None = Field(description="The stage somebody has said yes to.")
    waits_for: list[Wait] = Field(description="What keeps it at this stage; empty when the next refresh moves it on.")


class ReviewOut(_Out):
    """When people looked, and must look again."""

    reviewed_at: datetime | None
    due_at: datetime | None
    overdue: bool
    when_overdue: Literal["warn", "freeze", "stop"]


class ControlsOut(_Out):
    """What people, or guardrail metrics, have decided about a campaign."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "campaign": "winback",
                "status": "running",
                "paused": {"ten-percent": "unsubscribed 14 of 1,200 (1.17 %) is above 0.5 % with probability 0.996"},
                "pinned": None,
                "alerts": {},
                "rollout": {
                    "stage": 1,
                    "stages": 3,
                    "share": 0.1,
                    "since": "2026-12-01T09:00:00.000000Z",
                    "held": True,
                    "approved_stage": None,
                    "waits_for": ["held_by_breach", "time"],
                },
                "review": {
                    "reviewed_at": "2026-12-01T09:00:00.000000Z",
                    "due_at": "2026-12-15T09:00:00.000000Z",
                    "overdue": False,
                    "when_overdue": "freeze",
                },
            }
        }
    )

    campaign: str
    status: Status
    paused: dict[str, str] = Field(description="Variants that may not be chosen, with the sentence that says why.")
    pinned: str | None = Field(description="The variant everyone but the holdouts gets; null: the policy chooses.")
    alerts: dict[str, str] = Field(
        description="Alarms nobody has answered, by outcome kind, or silence, collapse or change of what is learned."
    )
    silent_since: datetime | None = Field(
        default=None, description="Since when nothing is learned, as no outcomes come in; null: they do."
    )
    rollout: RolloutOut | None = Field(description="null when the documents have none.")
    review: ReviewOut | None = Field(description="null when the strategy asks for none.")


class SteeredOut(_Out):
    """What became of a wish."""

    changed: bool = Field(description="False when it was so already; then the audit trail has no entry of it.")
    detail: str = Field(description="What is so now, in a sentence.")
    controls: ControlsOut


class AuditEntryOut(_Out):
    """Who changed what, when and why."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    note: str
    before: str
    after: str
    previous_hash: str
    hash: str = Field(description="SHA-256 of the entry and the hash before it; empty if older than the chain.")


class AuditOut(_Out):
    """Entries of the audit trail, newest first."""

    entries: list[AuditEntryOut]
    next_before: int | None = Field(description="`before` of the next page; null when this is the last.")


class SuppressionOut(_Out):
    """One entry of the suppression list."""

    channel: str | None = Field(description="null: every channel.")
    at: datetime
    source: str = Field(description="What put them on the list: an outcome, or a person.")


class SuppressionsOut(_Out):
    """Where a recipient gets nothing."""

    recipient: str
    suppressions: list[SuppressionOut]


class KeptReportOut(_Out):
    """What was reported; a recipient only as a keyed hash."""

    event_id: str
    kind: str
    occurred_at: datetime
    decision_id: str | None
    recipient_key: str | None
    campaign: str | None
    value: float | None
    currency: str | None
    reverses: str | None
    machine: bool


class WaitingOut(_Out):
    """A report in quarantine."""

    reason: str = Field(description="Why it could not be used.")
    judged_at: datetime = Field(description="When that was found last.")
    report: KeptReportOut


class QuarantineOut(_Out):
    """Reports that could not be used, those judged last first."""

    waiting: int = Field(description="How many there are.")
    reports: list[WaitingOut]
