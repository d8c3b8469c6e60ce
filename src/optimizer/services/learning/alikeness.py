"""Alikeness of a campaign's trials, as it was last looked at: pages and reports do not read journeys themselves.

Whoever asks once a day what the evidence suggests reads the journeys of all recipients anyway, and notes it.
"""

from __future__ import annotations

from optimizer.insights.measures.alikeness import Alikeness
from optimizer.storage.store import Ledger


def alikeness(ledger: Ledger, campaign_id: str, trials: int) -> Alikeness:
    """How alike the trials of one recipient were when somebody last looked.

    Args:
        ledger: the ledger.
        campaign_id: the campaign.
        trials: how many it has, in all groups. Where fewer than half of them had been seen, what was seen says little:
            on its first day a campaign has hardly met anybody twice.
    """
    last = ledger.proposals.rounds().get(campaign_id)
    return Alikeness() if last is None or 2 * last.seen < trials else Alikeness(last.design, last.at)
