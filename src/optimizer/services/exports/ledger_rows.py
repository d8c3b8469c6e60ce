"""Decisions of the ledger as rows of the standard columns, each judged by the documents it was made under."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant
from optimizer.domain.micros import units
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group
from optimizer.engine.assessment import Assessment, assess
from optimizer.engine.spending import due
from optimizer.engine.tactic import Tactic
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    DECISION_ID,
    ELIGIBLE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    VARIANT,
)
from optimizer.history.mapping import Mapping as HistoryMapping
from optimizer.history.table import standard_mapping
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute, NumberAttribute

PAGE = 5_000
NO_SEGMENT = "outside-audience"
_GROUP, _EXPOSED, _MATURED = "group", "exposed", "matured"
_CALLED = "{variant_id}@{content_hash:.8}"  # a variant whose words have changed since


@dataclass(slots=True)
class LeftOut:
    """Counts what a walk over the ledger reads and leaves out."""

    decisions: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How a campaign's decisions become rows.

    Attributes:
        tactic: the campaign in force; its variants and segments are the arms and segments.
        attributes: what is declared of recipients and may be looked at, by name.
        everything: whether decisions are kept that say nothing about the arms in force.
    """

    tactic: Tactic
    attributes: Mapping[str, Attribute]
    everything: bool

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcome kinds that are columns: the rewarded one, the penalised ones and those guardrails watch."""
        rule = self.tactic.reward_rule
        watched = [metric.outcome for metric in self.tactic.metrics]
        return tuple(dict.fromkeys([rule.kind, *(kind for kind, _ in rule.penalties), *watched]))


def view_of(ledger: Ledger, live: Live, campaign_id: str, *, everything: bool) -> View:
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    attributes = usable_attributes(loaded.declared)
    return View(tactic, attributes, everything)


def usable_attributes(declared: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The declared attributes that may be looked at, by name: free text is about one person."""
    usable = (CategoryAttribute, NumberAttribute, BooleanAttribute)
    return {
        name: attribute
        for name, attribute in sorted(declared.items())
        if isinstance(attribute, usable) and not attribute.sensitive
    }


def schema_of(view: View) -> dict[str, Any]:
    schema: dict[str, Any] = {
        DECISION_ID: pl.String,
        DECIDED_AT: pl.Int64,
        RECIPIENT: pl.String,
        SEGMENT: pl.String,
        VARIANT: pl.String,
        PROPENSITY: pl.Float64,
        ELIGIBLE: pl.List(pl.String),
        REWARD: pl.Float64,
        COST: pl.Float64,
    }
    schema |= {OUTCOME + kind: pl.Float64 for kind in view.outcomes}
    for name, attribute in view.attributes.items():
        schema[ATTRIBUTE + name] = pl.String if isinstance(attribute, CategoryAttribute) else pl.Float64
    if view.everything:
        schema |= {ATTRIBUTE + _GROUP: pl.String, ATTRIBUTE + _EXPOSED: pl.Float64, ATTRIBUTE + _MATURED: pl.Float64}
    return schema


def mapping_of(view: View) -> HistoryMapping:
    attributes: list[dict[str, Any]] = []
    for name, attribute in view.attributes.items():
        kind: dict[str, Any] = (
            {"values": attribute.values} if isinstance(attribute, CategoryAttribute) else {"optional": True}
        )
        attributes.append({"column": ATTRIBUTE + name, "name": name, **kind})
    if view.everything:
        attributes.append({"column": ATTRIBUTE + _GROUP, "name": _GROUP, "values": [group.value for group in Group]})
        attributes += [{"column": ATTRIBUTE + name, "name": name, "optional": False} for name in (_EXPOSED, _MATURED)]
    return standard_mapping(
        list(schema_of(view)),
        variants=list(view.tactic.variant_ids),
        segments=view.tactic.rules.segment_ids,
        attributes=attributes,
    )


def rows_of(
    ledger: Ledger, live: Live, view: View, now: Instant, most: int | None, counts: LeftOut
) -> Iterator[tuple[Any, ...]]:
    """Rows of the schema, in order of the decision's id."""
    after: str | None = ""
    while after is not None and (most is None or counts.decisions < most):
        size = PAGE if most is None else min(PAGE, most - counts.decisions)
        rows, after = page_of(ledger, live, view, now, after, size, counts)
        yield from rows


def page_of(
    ledger: Ledger, live: Live, view: View, now: Instant, after: str, size: int, counts: LeftOut
) -> tuple[list[tuple[Any, ...]], str | None]:
    """Rows of the next `size` decisions after this id, and the id of the last of those; None after the last page."""
    page = ledger.decisions.page(view.tactic.campaign_id, after, size)
    outcomes = ledger.outcomes.of([decision.decision_id for decision in page])
    rows = []
    for decision in page:
        counts.decisions += 1
        known = [outcome for outcome in outcomes.get(decision.decision_id, ()) if outcome.received_at <= now]
        row = _row(ledger, live, view, decision, known, now)
        if isinstance(row, str):
            counts.reasons[row] += 1
        else:
            rows.append(row)
    return rows, page[-1].decision_id if len(page) == size else None


def _row(
    ledger: Ledger, live: Live, view: View, decision: Decision, outcomes: Sequence[Outcome], now: Instant
) -> tuple[Any, ...] | str:
    """A decision as a row of the schema; a text says why it is none."""
    if decision.decided_at > now:
        return "decided later"
    if decision.variant_id is None or decision.propensity is None:
        return "nothing was sent"
    then = live.edition(ledger, decision.strategy_version)[decision.campaign_id]
    found = assess(then.reward_rule, decision, outcomes)
    if not view.everything:
        reason = _no_trial(decision, found, now) or _out_of_sight(view.tactic, then, decision)
        if reason is not None:
            return reason
    arm = then.variant_ids.index(decision.variant_id)
    counted = [float(found.counted.get(kind, (0, 0))[0]) for kind in view.outcomes]
    row = (
        decision.decision_id,
        decision.decided_at,
        decision.recipient_key,
        decision.segment_id or NO_SEGMENT,
        _called(view.tactic, then, arm),
        decision.propensity,
        _eligible(view, then, decision),
        units(found.reward),
        units(due(then.costs[arm], found)),
        *counted,
        *(_value(attribute, decision.attributes.get(name)) for name, attribute in view.attributes.items()),
    )
    if not view.everything:
        return row
    return (*row, decision.group.value, float(found.exposed_at is not None), float(found.closes_at < now))


def _no_trial(decision: Decision, found: Assessment, now: Instant) -> str | None:
    if decision.group is not Group.LEARNING:
        return f"not of the learning group: {decision.group.value}"
    if found.withdrawn:
        return "withdrawn"
    if found.exposed_at is None:
        return "not exposed"
    return "outcomes may still come" if found.closes_at >= now else None


def _out_of_sight(tactic: Tactic, then: Tactic, decision: Decision) -> str | None:
    """Why a decision says nothing about the arms, segments and rewards in force."""
    if then.reward_rule.objective_id != tactic.reward_rule.objective_id:
        return "served another objective"
    if decision.segment_id not in tactic.rules.segment_ids:
        return "its segment is no more"
    if decision.variant_id not in tactic.variant_ids:
        return "its variant is no more"
    arm = tactic.variant_ids.index(decision.variant_id)
    return None if tactic.content_hashes[arm] == decision.content_hash else "its words have changed since"


def _called(tactic: Tactic, then: Tactic, arm: int) -> str:
    """Name of a variant of back then: its own, unless the one in force of that name has other words."""
    name, words = then.variant_ids[arm], then.content_hashes[arm]
    if name in tactic.variant_ids and tactic.content_hashes[tactic.variant_ids.index(name)] != words:
        return _CALLED.format(variant_id=name, content_hash=words)
    return name


def _eligible(view: View, then: Tactic, decision: Decision) -> list[str]:
    called = [
        _called(view.tactic, then, arm) for arm, name in enumerate(then.variant_ids) if name not in decision.blocked
    ]
    return called if view.everything else [name for name in called if name in view.tactic.variant_ids]


def _value(attribute: Attribute, value: object) -> str | float | None:
    if value is None or isinstance(attribute, CategoryAttribute):
        return None if value is None else str(value)
    return float(value) if isinstance(value, int | float) else None
