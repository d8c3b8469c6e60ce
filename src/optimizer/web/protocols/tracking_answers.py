"""What SDKs of Segment and RudderStack hear, and how their bodies are described."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from optimizer.web.shapes.answers import Out


class ItemOut(Out):
    """An item of which something could not be used."""

    item: int = Field(description="Which one, from 0.")
    status: Literal["rejected", "partly", "unknown", "late"] = Field(
        description="`rejected` and `unknown` as for outcomes; `partly`: traits that are not allowed were left out."
    )
    detail: str | None = Field(description="Why, in a sentence.")


class TrackedOut(Out):
    """What became of a request. SDKs look at the status 200 alone; the counts are for people."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "success": True,
                "received": 3,
                "accepted": 1,
                "duplicate": 0,
                "late": 0,
                "unknown": 0,
                "rejected": 0,
                "behaviour": 0,
                "profiles": 1,
                "ignored": 1,
                "ignored_traits": 2,
                "problems": [],
            }
        }
    )

    success: Literal[True] = Field(description="What these SDKs are used to.")
    received: int = Field(description="How many items there were.")
    accepted: int = Field(description="Outcomes that are recorded now.")
    duplicate: int = Field(description="Outcomes that were recorded already, under the same `messageId`.")
    late: int = Field(description="Outcomes that are recorded, but came too late to earn a reward.")
    unknown: int = Field(description="Outcomes of no decision of ours; they wait in quarantine.")
    rejected: int = Field(description="Items that cannot be used.")
    behaviour: int = Field(description="Events of no decision from which attributes follow.")
    profiles: int = Field(description="Calls of `identify` that were heard.")
    ignored: int = Field(description="Items that say nothing for us: other events, and page, screen, group and alias.")
    ignored_traits: int = Field(description="Traits that are no declared attributes, or not this source's to say.")
    problems: list[ItemOut] = Field(description="What could not be used; of at most 100 items.")


ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "`track`, `identify` …; only in a batch."},
        "messageId": {"type": "string", "description": "Your id of the message; sent again, it changes nothing."},
        "userId": {"type": "string", "description": "Your id of the person, as in `recipient` elsewhere."},
        "anonymousId": {"type": "string", "description": "Instead, for somebody without one."},
        "event": {"type": "string", "description": "Of `track`: what happened, as `events` of the strategy calls it."},
        "properties": {"type": "object", "description": "Of `track`; `decision_id` names the decision it followed."},
        "traits": {"type": "object", "description": "Of `identify`: attributes of the person."},
        "context": {"type": "object", "description": "May hold `campaign.name`, and `traits` of `identify`."},
        "timestamp": {
            "type": "string",
            "description": "When it happened, by the sender's clock; also `originalTimestamp`.",
        },
        "sentAt": {"type": "string", "description": "What the sender's clock showed when it was sent."},
    },
    "example": {
        "messageId": "m-1",
        "userId": "customer-4711",
        "event": "Order Completed",
        "properties": {"decision_id": "9f3c0b5a2f7d4e1896d2c7a4b1e0f355", "revenue": 19.9, "currency": "USD"},
    },
}
BATCH: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": ITEM, "maxItems": 10_000},
        "sentAt": {"type": "string", "description": "As in an item, for all of them."},
        "context": {"type": "object", "description": "As in an item, for all of them."},
    },
}


def body_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI says of a body that is read under any content type, packed with gzip or not."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
