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
    stages: int = Field(description="How many there are.")
    share: float = Field(description="Share of the recipients that take part; the others get control.")
    since: datetime | None = Field(description="null until the campaign has sent something.")
    held: bool = Field(description="A guardrail metric was breached: it stays here until somebody releases it.")
    approved_stage: int | None = Field(description="The stage somebody has said yes to.")
    waits_for: list[Wait] = Field(description="What keeps it at this stage; empty when the next refresh moves it on.")


class ReviewOut(_Out):
    """When people looked, and must look again."""

    reviewed_at: datetime | None = Field(description="When somebody looked last; null: nobody has.")
    due_at: datetime | None = Field(description="By when somebody must look again.")
    overdue: bool = Field(description="Whether that has passed.")
    when_overdue: Literal["warn", "freeze", "stop"] = Field(description="What happens then.")


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

    campaign: str = Field(description="The campaign.")
    status: Status = Field(description="Whether it runs, is paused or is stopped.")
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
    controls: ControlsOut = Field(description="How the campaign stands now.")


class AuditEntryOut(_Out):
    """Who changed what, when and why."""

    number: int = Field(description="Counted from 1, without gaps.")
    at: datetime = Field(description="When it was done.")
    actor: str = Field(description="Who did it: a person, a key, or the service itself.")
    action: str = Field(description="What was done.")
    subject: str = Field(description="To what.")
    note: str = Field(description="Why.")
    before: str = Field(description="How it was.")
    after: str = Field(description="How it is since.")
    previous_hash: str = Field(description="Hash of the entry before it.")
    hash: str = Field(description="SHA-256 of the entry and the hash before it; empty if older than the chain.")


class AuditOut(_Out):
    """Entries of the audit trail, newest first."""

    entries: list[AuditEntryOut] = Field(description="One for each change.")
    next_before: int | None = Field(description="`before` of the next page; null when this is the last.")


class SuppressionOut(_Out):
    """One entry of the suppression list."""

    channel: str | None = Field(description="null: every channel.")
    at: datetime = Field(description="Since when.")
    source: str = Field(description="What put them on the list: an outcome, or a person.")


class SuppressionsOut(_Out):
    """Where a recipient gets nothing."""

    recipient: str = Field(description="Your id of the person.")
    suppressions: list[SuppressionOut] = Field(description="One for each channel, or one for all.")


class KeptReportOut(_Out):
    """What was reported; a recipient only as a keyed hash."""

    event_id: str = Field(description="The event, as its reporter calls it.")
    kind: str = Field(description="What the recipient did.")
    occurred_at: datetime = Field(description="When it happened.")
    decision_id: str | None = Field(description="The decision it names, if it does.")
    recipient_key: str | None = Field(description="Keyed hash of the recipient it names, if it does.")
    campaign: str | None = Field(description="The campaign it names, if it does.")
    value: float | None = Field(description="Amount or count, if it has one.")
    currency: str | None = Field(description="Of a value that is money.")
    reverses: str | None = Field(description="The event it undoes.")
    machine: bool = Field(description="Whether its reporter said that a machine did it.")


class WaitingOut(_Out):
    """A report in quarantine."""

    reason: str = Field(description="Why it could not be used.")
    judged_at: datetime = Field(description="When that was found last.")
    report: KeptReportOut = Field(description="As it came.")


class QuarantineOut(_Out):
    """Reports that could not be used, those judged last first."""

    waiting: int = Field(description="How many there are.")
    reports: list[WaitingOut] = Field(description="As many as were asked for.")
