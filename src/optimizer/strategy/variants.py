"""Variants: what a campaign can choose between, each with a hash of exactly what recipients would get."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from optimizer.strategy.documents import Campaign, ControlVariant, Message, Targeting


@dataclass(frozen=True, slots=True)
class Variant:
    """One message, with one targeting when the campaign has any.

    Attributes:
        variant_id: the message's id, or ``message:targeting``.
        message: words shown.
        targeting: where and when; None when the campaign has no targetings.
        content_hash: 32 hex digits over channel, words and targeting, not notes or `retired`; another one is a new arm.
    """

    variant_id: str
    message: Message
    targeting: Targeting | None
    content_hash: str

    @property
    def retired(self) -> bool:
        """Whether the documents say that it is no longer sent: its message, or its targeting."""
        return self.message.retired or (self.targeting is not None and self.targeting.retired)


def variants(campaign: Campaign) -> tuple[Variant, ...]:
    """Every message x targeting, in document order."""
    return tuple(
        Variant(
            variant_id(message.id, targeting.id if targeting else None),
            message,
            targeting,
            _content_hash(campaign.channel, message, targeting),
        )
        for message in campaign.messages
        for targeting in campaign.targetings or (None,)
    )


def variant_id(message_id: str, targeting_id: str | None) -> str:
    """Name of a message with a targeting; ids hold no colon, so it names one pair only."""
    return message_id if targeting_id is None else f"{message_id}:{targeting_id}"


def control_variant(campaign: Campaign) -> str | None:
    """Variant that held-out recipients get; None when that is nothing, or not said."""
    if isinstance(campaign.control, ControlVariant):
        return variant_id(campaign.control.message, campaign.control.targeting)
    return None


def _content_hash(channel: str, message: Message, targeting: Targeting | None) -> str:
    # Key by key, rather than the model's dump: a key added to the models one day must not change old hashes.
    content: dict[str, Any] = {
        "channel": channel,
        "subject": message.subject,
        "body": message.body,
        "fields": dict(message.fields or {}),
        "targeting": targeting
        and {
            "id": targeting.id,
            "only_segments": sorted(targeting.only_segments or ()),
            "fields": dict(targeting.fields or {}),
        },
    }
    if targeting and targeting.send_window:
        content["send_window"] = [targeting.send_window.start, targeting.send_window.end]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
