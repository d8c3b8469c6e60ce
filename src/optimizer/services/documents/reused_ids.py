"""Ids that come back with other words: what is learned is safe, but people would read two things under one name."""

from __future__ import annotations

from optimizer.domain.statistics import DECIDED
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import variants
from optimizer.strategy.workspace import Workspace


def reused_id_warnings(ledger: Ledger, before: Workspace | None, after: Workspace) -> tuple[str, ...]:
    """A sentence for each message whose id the ledger knows from a message that was removed and had other words.

    Args:
        ledger: has the decisions of all versions, by variant and hash of its words.
        before: the documents in force, whose messages may change their words; None when there are none.
        after: checked documents.
    """
    found = []
    for campaign_id, campaign in after.campaigns.items():
        old = None if before is None else before.campaigns.get(campaign_id)
        in_force = set() if old is None else {message.id for message in old.messages}
        hashes: dict[str, set[str]] = {}
        for variant in variants(campaign):
            if variant.message.id not in in_force:
                hashes.setdefault(variant.message.id, set()).add(variant.content_hash)
        if not hashes:
            continue
        decided: dict[str, int] = {}
        same: set[str] = set()
        for cell, sums in ledger.statistics.of_campaign(campaign_id):
            message = cell.variant_id.partition(":")[0]
            if cell.metric == DECIDED and message in hashes:
                decided[message] = decided.get(message, 0) + sums.n
                same |= {message} if cell.content_hash in hashes[message] else set()
        found += [
            f"campaign {campaign_id}: message {message} had other words before it was removed ({n:,} decisions), so "
            "ledger and exports show two things under one id; give the new one an id of its own"
            for message, n in decided.items()
            if n and message not in same
        ]
    return tuple(found)
