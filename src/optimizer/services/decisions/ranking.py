"""Rank: what may be offered to one recipient, for a person who talks to them. Nothing is drawn, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.engine.ranking import Ranking, ranking
from optimizer.engine.supplies import meters_of
from optimizer.insights.ranking_words import RULES, offer, places, reward_unit
from optimizer.services.decisions.committing import supplies_seen
from optimizer.services.decisions.deciding import DecisionRequest, derive, hashed, met_by, problem_of
from optimizer.services.live import Live
from optimizer.services.recipients.people import known_of
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import Variant


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking with the words that belong to it.

    Attributes:
        offer: what may be offered, in one sentence.
        why: why each ranked variant stands where it does.
        removed_because: the rule that removed each of the others, in words, by variant id.
        variants: words and targeting of the ranked ones.
        unit: what expected rewards are counted in.
    """

    campaign_id: str
    request_id: str
    ranked_at: Instant
    snapshot_id: str
    ranking: Ranking
    offer: str
    why: tuple[str, ...]
    removed_because: dict[str, str]
    variants: tuple[Variant, ...]
    unit: str


def rank(ledger: Ledger, live: Live, request: DecisionRequest, now: Instant) -> Ranked:
    """Rank what may be offered to a recipient now, under every guardrail, the likeliest best first.

    Raises:
        NotFound: no such campaign.
        InvalidRequest: attributes that are not declared, or not so.
    """
    loaded = live.at(ledger)
    problem = problem_of(loaded, request)
    if problem is not None:
        raise problem
    tactic, table = loaded.tactics[request.campaign_id], loaded.tables[request.campaign_id]
    (one,) = hashed(live, loaded, [request])
    people = known_of(ledger, live, loaded, [one.person], [one.recipient_key], now)
    met = met_by(live, loaded, [one], people)
    if loaded.deriving:
        derive(ledger, loaded, [one], met, now)
    supplies = supplies_seen(ledger, tactic, one.recipient_key, now)
    room = supplies.room(tactic, meters_of(tactic, now), [one.recipient_key], now)
    found = ranking(tactic, table, met.contacts, room, now)
    control = None if tactic.control is None else tactic.variant_ids[tactic.control]
    said = offer(found, control)
    because = {variant_id: RULES[rule] for variant_id, rule in found.removed.items()}
    because |= dict.fromkeys(found.kept_from, said)
    unit = reward_unit(tactic.reward_rule, loaded.currency)
    by_id = dict(zip(tactic.variant_ids, tactic.variants, strict=True))
    return Ranked(
        campaign_id=tactic.campaign_id,
        request_id=request.request_id,
        ranked_at=now,
        snapshot_id=table.snapshot.snapshot_id,
        ranking=found,
        offer=said,
        why=places(found, unit=unit),
        removed_because=because,
        variants=tuple(by_id[variant.variant_id] for variant in found.variants),
        unit=unit,
    )
