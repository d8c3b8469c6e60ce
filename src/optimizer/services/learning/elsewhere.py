"""Where a warm start comes from: the statistics of another campaign, and what a campaign begins with, in words."""

from __future__ import annotations

from optimizer.domain.instants import Instant
from optimizer.engine.elsewhere import evidence_elsewhere
from optimizer.engine.gathering import evidence_of
from optimizer.engine.pricing import Cells
from optimizer.engine.tactic import Tactic
from optimizer.storage.store import Ledger
from optimizer.strategy.versions.differences import listed


def cells_elsewhere(ledger: Ledger, tactic: Tactic) -> Cells:
    """Statistics of the campaign that a tactic's warm start names; nothing where it names none."""
    warm = tactic.policy.warm_start
    if warm is None or warm.campaign is None:
        return ()
    return list(ledger.statistics.of_campaign(warm.campaign))


def start_in_words(ledger: Ledger, tactic: Tactic, now: Instant) -> str | None:
    """What a tactic begins with that was seen elsewhere: ``campaign winback begins with 2,400 trials of hello …``.

    None where it has no warm start, or that says nothing about its variants.
    """
    warm = tactic.policy.warm_start
    if warm is None:
        return None
    here = evidence_of(tactic, ledger.statistics.of_campaign(tactic.campaign_id))
    trials = evidence_elsewhere(tactic, here, cells_elsewhere(ledger, tactic), now).trials.sum(axis=(0, 2))
    said = [f"{n:,.0f} trials of {name}" for name, n in zip(tactic.variant_ids, trials.tolist(), strict=True) if n > 0]
    source = " and ".join(["a history"] * bool(warm.variants) + [f"campaign {warm.campaign}"] * bool(warm.campaign))
    if not said:
        return (
            f"campaign {tactic.campaign_id} begins with nothing from elsewhere: {source} has no trial of its variants"
        )
    weight = f"each counts as {warm.weight:g} of one made here"
    return f"campaign {tactic.campaign_id} begins with {listed(said)} from {source}: {weight}"
