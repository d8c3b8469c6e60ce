"""Names within a campaign, in the order of arrays."""

from __future__ import annotations

from optimizer.strategy.documents import Campaign
from optimizer.strategy.fields import EVERYONE_ELSE
from optimizer.strategy.variants import variants


def variants_of(campaign: Campaign) -> tuple[str, ...]:
    """Ids of a campaign's variants; the place is the arm."""
    return tuple(variant.variant_id for variant in variants(campaign))


def segments_of(campaign: Campaign) -> tuple[str, ...]:
    """Ids of a campaign's segments."""
    named = tuple(segment.id for segment in campaign.segments or ())
    return named if campaign.everyone_else == "exclude" else (*named, EVERYONE_ELSE)


def arms_of(variant_ids: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The arms that a name stands for: a variant's own, or those of all variants of a message."""
    found: dict[str, tuple[int, ...]] = {}
    for arm, name in enumerate(variant_ids):
        message = name.partition(":")[0]
        found[message] = (*found.get(message, ()), arm)
        found[name] = (arm,) if ":" in name else found[name]
    return found
