"""Survey: where what happens is not what the strategy asks for, over all campaigns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant
from optimizer.engine.raising import ALARMS
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.reviews import review_due_at
from optimizer.services.documents.applying import awaiting_approval
from optimizer.services.documents.capacity import capacity_warnings
from optimizer.services.live import Live, Loaded
from optimizer.storage.store import Ledger
from optimizer.strategy.brand_rules import BrandRules, texts_of
from optimizer.strategy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as the strategy asks.

    Attributes:
        rule: section of the strategy that asks for it, such as ``brand``.
        campaign_id: None when it is about all of them.
        sentence: what is so.
        since: from when on, where that is known.
    """

    rule: str
    campaign_id: str | None
    sentence: str
    since: Instant | None = None


def violations(ledger: Ledger, live: Live, now: Instant) -> tuple[Violation, ...]:
    """Everything of the strategy that does not hold now; nothing when all is well."""
    loaded = live.at(ledger)
    if loaded.workspace is None:
        return ()
    return (
        *_breaches(loaded),
        *_reviews(loaded, now),
        *_words(loaded.workspace),
        *_capacity(ledger, loaded, loaded.workspace, now),
        *_hygiene(ledger),
    )


def _breaches(loaded: Loaded) -> Iterator[Violation]:
    for campaign_id in loaded.tactics:
        controls = loaded.controls.get(campaign_id, UNTOUCHED)
        for kind, sentence in controls.alerted.items():
            yield Violation("policy" if kind in ALARMS else "guardrail_metrics", campaign_id, sentence)
        for variant_id, because in controls.paused.items():
            yield Violation("guardrail_metrics", campaign_id, f"{variant_id} is paused: {because}")


def _reviews(loaded: Loaded, now: Instant) -> Iterator[Violation]:
    review = None if loaded.workspace is None else loaded.workspace.strategy.review
    for campaign_id in loaded.tactics:
        due_at = review_due_at(loaded.controls.get(campaign_id, UNTOUCHED), review)
        if due_at is not None and now >= due_at:
            yield Violation("review", campaign_id, "its review is overdue: nobody has signed it", due_at)


def _words(workspace: Workspace) -> Iterator[Violation]:
    """What words in force break: documents are checked before they are applied, by the rules of that day."""
    strategy = workspace.strategy
    if strategy.brand is None:
        return
    rules = BrandRules(strategy.brand, strategy.attributes)
    for campaign_id, campaign in workspace.campaigns.items():
        for message in campaign.messages:
            if not message.retired:
                for one in rules.violations(campaign.channel, message.id, texts_of(message)):
                    sentence = f"message {message.id}, {one.field}: found {one.found}; allowed {one.mend}"
                    yield Violation("brand", campaign_id, sentence)


def _capacity(ledger: Ledger, loaded: Loaded, workspace: Workspace, now: Instant) -> Iterator[Violation]:
    awaiting = [pair for tactic in loaded.tactics.values() for pair in awaiting_approval(tactic)]
    for sentence in capacity_warnings(ledger, workspace, awaiting, now):
        yield Violation("capacity", None, sentence)
    capacity = workspace.strategy.capacity
    if capacity.live_campaigns is not None and len(loaded.tactics) > capacity.live_campaigns:
        sentence = f"{len(loaded.tactics):,} campaigns are in force; the team looks after {capacity.live_campaigns:,}"
        yield Violation("capacity", None, sentence)
    for tactic in loaded.tactics.values():
        yield from _variants(tactic, capacity.variants_per_campaign)


def _variants(tactic: Tactic, most: int | None) -> Iterator[Violation]:
    n = sum(not variant.retired for variant in tactic.variants)
    if most is not None and n > most:
        yield Violation("capacity", tactic.campaign_id, f"{n:,} variants; the team looks after {most:,} of a campaign")


def _hygiene(ledger: Ledger) -> Iterator[Violation]:
    n = ledger.quarantine.count()
    if n:
        verb = "report waits" if n == 1 else "reports wait"
        yield Violation("hygiene", None, f"{n:,} {verb} in quarantine: what could not be believed is not counted")
