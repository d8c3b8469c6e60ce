"""What calls give: typed values that never change, read straight from the service's JSON.

None of them can be part of a cycle, so the collector of cycles need not look at the many there are (`gc=False`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field

LEDGER_UNAVAILABLE = "ledger_unavailable"
SERVICE_UNAVAILABLE = "service_unavailable"  # reason of a fallback


class Message(Struct, frozen=True, gc=False):
    """The words of a variant; placeholders are for the sender to fill in."""

    id: str
    subject: str | None = None
    body: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


class Targeting(Struct, frozen=True, gc=False):
    """Where, when and how a variant is delivered."""

    id: str
    fields: dict[str, str] = field(default_factory=dict)


class Source(StrEnum):
    """Who made a decision."""

    SERVICE = "service"
    LOCAL = "local"  # this process, by a bundle of the service's; it is uploaded
    FALLBACK = "fallback"  # nobody: the service was away, and this is the control that was configured


class Decision(Struct, frozen=True, gc=False):
    """A decision. `variant` is None when there is nothing to send; `reason` says why.

    Attributes:
        decision_id: to be given back with outcomes; None for a fallback, which nobody decided.
        propensity: probability with which this variant was drawn.
        expires_at: outcomes after this instant come too late to count.
        retry_at: when asking again may give a variant, if known.
        source: who made it.
    """

    decision_id: str | None
    campaign: str
    variant: str | None = None
    message: Message | None = None
    targeting: Targeting | None = None
    segment: str | None = None
    group: str | None = None
    propensity: float | None = None
    reason: str = SERVICE_UNAVAILABLE
    snapshot: str | None = None
    decided_at: datetime | None = None
    expires_at: datetime | None = None
    retry_at: datetime | None = None
    chosen_by: str | None = None
    actor: str | None = None
    source: Source = Source.SERVICE

    @property
    def is_fallback(self) -> bool:
        """Whether nobody decided this: it is not recorded, and no guardrail has looked at it."""
        return self.source is Source.FALLBACK


class ItemProblem(Struct, frozen=True, gc=False):
    """A recipient of a batch that could not be decided for; the others were.

    Attributes:
        recipient: as it was given.
        detail: place, what was found, what is allowed.
    """

    recipient: str | None
    detail: str


class Recipient(Struct, frozen=True, gc=False):
    """Somebody to decide for.

    Attributes:
        id: your id of the person.
        attributes: declared attributes; None or NaN means unknown.
        exclude: variants you do not want this time.
        request_id: instead of the batch's.
    """

    id: str
    attributes: dict[str, str | float | bool | None] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    consent: dict[str, bool] = field(default_factory=dict)
    time_zone: str | None = None
    request_id: str | None = None


class Batch(Struct, frozen=True):
    """What became of a batch.

    Attributes:
        request_id: of the batch; give it again to go on where it was interrupted, and nobody is decided for twice.
        decisions: one for each recipient, in order.
    """

    request_id: str
    decisions: list[Decision | ItemProblem]

    @property
    def is_complete(self) -> bool:
        """Whether the service could be reached for everybody."""
        return not any(isinstance(one, Decision) and one.is_fallback for one in self.decisions)


Status = Literal["accepted", "duplicate", "late", "unknown", "rejected", "refused"]


class Recorded(Struct, frozen=True):
    """What became of one outcome: see `POST /v1/outcomes`."""

    event_id: str | None
    status: Status
    detail: str | None = None


class Uploaded(Struct, frozen=True):
    """What became of one decision that this process made: see `POST /v1/decisions/upload`."""

    decision_id: str | None
    status: Status
    detail: str | None = None


class Delivery(Struct, frozen=True):
    """What became of everything that was reported in the background so far.

    Attributes:
        waiting: bytes of reports that are not delivered yet.
        delivered: how many by status.
        troubles: the last sentences about what could not be used, the newest last.
    """

    waiting: int
    delivered: dict[str, int]
    troubles: tuple[str, ...]


class ProblemBody(Struct, frozen=True):
    """RFC 9457, as the service writes it."""

    detail: str = ""
    errors: list[dict[str, Any]] | None = None
