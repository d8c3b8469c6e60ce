"""Retirement: what is no longer sent keeps its id, its words and what was learned of it, and can come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.errors import Finding
from optimizer.strategy.documents import Campaign, Message, Targeting
from optimizer.strategy.variants import variants
from optimizer.strategy.workspace import Workspace, document_of
from optimizer.strategy.yaml.source import read_source

_SERVED = {"messages": ("subject", "body", "fields"), "targetings": ("send_window", "only_segments", "fields")}


def retirement_findings(before: Workspace | None, after: Workspace) -> Iterator[Finding]:
    """A finding for each key of a retired message or targeting that changes: something else would come back as it.

    Args:
        before: the documents in force; None when there are none.
        after: checked documents.
    """
    if before is None:
        return
    for campaign_id, new in after.campaigns.items():
        old = before.campaigns.get(campaign_id)
        if old is None:
            continue
        file = document_of(after, campaign_id)
        for section, keys in _SERVED.items():
            known = {item.id: item for item in _items(old, section)}
            for place, item in enumerate(_items(new, section)):
                was = known.get(item.id)
                if was is None or not (was.retired or item.retired):
                    continue
                for key in keys:
                    if getattr(was, key) != getattr(item, key):
                        source = read_source(file, after.files[file])
                        allowed = f"what {item.id} had before it was retired; for anything else, an id of its own"
                        yield source.finding((section, place, key), allowed)


def retirements(old: Campaign, new: Campaign) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the variants that retire, and of those that come back; of variants in both."""
    was = {variant.variant_id: variant for variant in variants(old)}
    both = [(variant, was[variant.variant_id]) for variant in variants(new) if variant.variant_id in was]
    retire = tuple(variant.variant_id for variant, before in both if variant.retired and not before.retired)
    return retire, tuple(variant.variant_id for variant, before in both if before.retired and not variant.retired)


def _items(campaign: Campaign, section: str) -> Sequence[Message | Targeting]:
    return campaign.messages if section == "messages" else campaign.targetings or ()
