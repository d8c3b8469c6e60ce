"""Guardrail metrics as people look at them: each rate, the interval it may be in, and its limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scipy.special import betaincinv

from optimizer.domain.controls import Controls
from optimizer.domain.instants import Instant
from optimizer.domain.statistics import NOTHING, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import counts_since
from optimizer.guardrails.metrics import PAUSE_VARIANT, MetricRule, breach_probability

Cells = Iterable[tuple[Cell, Sums]]
LEVEL = 0.95
_ANY_REWARD = reward_metric("")


@dataclass(frozen=True, slots=True)
class GuardrailRate:
    """How one rule stands, for one variant or for the whole campaign.

    Attributes:
        outcome: kind of the unwanted outcome.
        variant_id: None when all variants are judged together.
        events, exposures: exposed decisions with at least one such outcome, and all of them; since `since`.
        rate: None before anything was exposed.
        low, high: ends of the 95 % interval: Jeffreys', which covers rare events well and holds what was seen (Brown,
            Cai & DasGupta 2001, "Interval estimation for a binomial proportion"). The rule itself judges by
            `probability`, under a prior of its own.
        at_most: the limit.
        probability: that the rate is above the limit.
        confidence: probability from which on the rule is breached.
        then: what follows.
        since: nothing older counts, as a person has answered for it; 0 when everything does.
    """

    outcome: str
    variant_id: str | None
    events: int
    exposures: int
    rate: float | None
    low: float
    high: float
    at_most: float
    probability: float
    confidence: float
    then: str
    since: Instant

    @property
    def breached(self) -> bool:
        """Whether the rule says that the rate is too high."""
        return self.probability >= self.confidence


def guardrail_rates(
    tactic: Tactic, controls: Controls, counted_since: Callable[[Instant], Cells]
) -> tuple[GuardrailRate, ...]:
    """Every rule of a campaign: the variants one by one where the rule pauses them, else all together.

    Args:
        tactic: the campaign.
        controls: what people have decided; evidence they have answered for does not count.
        counted_since: the campaign's statistics of decisions made from an hour on.
    """
    known: dict[Instant, list[tuple[Cell, Sums]]] = {}

    def cells_of(since: Instant) -> list[tuple[Cell, Sums]]:
        if since not in known:
            known[since] = list(counted_since(since))
        return known[since]

    found = []
    for rule in tactic.metrics:
        if rule.then == PAUSE_VARIANT:
            for variant in tactic.variants:
                since = controls.watched_since.get(variant.variant_id, 0)
                mine = [one for one in cells_of(since) if one[0].variant_id == variant.variant_id]
                now = [one for one in mine if one[0].content_hash == variant.content_hash]
                found.append(_rate(rule, variant.variant_id, now, since))
        else:
            since = counts_since(rule, controls)
            found.append(_rate(rule, None, cells_of(since), since))
    return tuple(found)


def _rate(rule: MetricRule, variant_id: str | None, cells: Cells, since: Instant) -> GuardrailRate:
    events = exposures = 0
    for cell, sums in cells:
        if cell.variant_id == NOTHING:
            continue
        if cell.metric.startswith(_ANY_REWARD):
            exposures += max(sums.n, 0)
        elif cell.metric == outcome_metric(rule.outcome):
            events += max(sums.positives, 0)
    # As the rule counts: an event proves that its decision reached somebody.
    exposed = max(exposures, events)
    low, high = (float(betaincinv(0.5 + events, 0.5 + exposed - events, end)) for end in (0.025, 0.975))
    return GuardrailRate(
        rule.outcome,
        variant_id,
        events,
        exposed,
        events / exposed if exposed else None,
        low if events else 0.0,
        high if events < exposed or not exposed else 1.0,
        rule.at_most,
        float(breach_probability(events, exposed, rule.at_most)),
        rule.confidence,
        rule.then,
        since,
    )
