"""The ledger for analysts, a portion at a time: decisions with what came of them, and outcomes with what they counted.

Everything is judged as of one instant, as the engine judges it, by the documents each decision was made under. Rows are
in order of campaign, instant of the decision, and its id; money is in units; recipients are keyed hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

import polars as pl

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant, instant
from optimizer.domain.micros import units
from optimizer.domain.outcome import Outcome
from optimizer.engine.assessment import CLOCK_SKEW, Assessment, assess
from optimizer.engine.machines import machine_events
from optimizer.engine.spending import due
from optimizer.engine.tactic import Tactic
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import ATTRIBUTE
from optimizer.services.exports.ledger_rows import usable_attributes
from optimizer.services.live import Live
from optimizer.storage.decisions import END_OF_TIME
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute, NumberAttribute

PORTION: Final = 5_000  # decisions
_TIME: Final = pl.Datetime("us", "UTC")

DECISIONS: Final[Mapping[str, Any]] = {
    "decision_id": pl.String,
    "decided_at": _TIME,
    "campaign": pl.String,
    "objective": pl.String,
    "recipient": pl.String,
    "segment": pl.String,
    "group": pl.String,
    "variant": pl.String,
    "content_hash": pl.String,
    "propensity": pl.Float64,
    "reason": pl.String,
    "snapshot": pl.String,
    "strategy_version": pl.Int64,
    "eligible": pl.List(pl.String),
    "exposed_at": _TIME,
    "closes_at": _TIME,
    "matured": pl.Boolean,
    "withdrawn": pl.Boolean,
    "rewarded": pl.Boolean,
    "rewarded_at": _TIME,
    "reward": pl.Float64,
    "cost": pl.Float64,
}
"""Columns of decisions, before one ``attribute:NAME`` for each declared attribute that is neither text nor sensitive.

``exposed_at`` is missing while a decision is no trial; ``matured`` says that no outcome can come in time any more.
"""

OUTCOMES: Final[Mapping[str, Any]] = {
    "event_id": pl.String,
    "decision_id": pl.String,
    "decided_at": _TIME,
    "campaign": pl.String,
    "segment": pl.String,
    "group": pl.String,
    "variant": pl.String,
    "kind": pl.String,
    "value": pl.Float64,
    "currency": pl.String,
    "occurred_at": _TIME,
    "received_at": _TIME,
    "reverses": pl.String,
    "reversed": pl.Boolean,
    "machine": pl.Boolean,
    "in_window": pl.Boolean,
    "counted": pl.Boolean,
}
"""Columns of outcomes. ``counted``: it stands, a person caused it, and it fell within the attribution window."""


class Place(NamedTuple):
    """Where a walk over the ledger has come to: behind this decision."""

    campaign_id: str
    decided_at: Instant
    decision_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions, and whose outcomes.

    Attributes:
        campaign_id: None for all.
        since: the first instant of a decision.
        until: the first instant that is none any more.
    """

    campaign_id: str | None = None
    since: Instant = 0
    until: Instant = END_OF_TIME


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Some rows, and where to go on.

    Attributes:
        rows: a table of `DECISIONS` or `OUTCOMES`.
        decisions: how many decisions were looked at for it.
        place: where the next portion begins; None after the last.
    """

    rows: pl.DataFrame
    decisions: int
    place: Place | None


class _Judged(NamedTuple):
    decision: Decision
    then: Tactic  # the campaign as it was when the decision was made
    outcomes: Sequence[Outcome]
    found: Assessment


def parsed_instant(name: str, text: str) -> Instant:
    """The instant of a date, where it begins in UTC, or of a time with a zone.

    Raises:
        InvalidRequest: it is neither.
    """
    try:
        if len(text) == len("2026-12-01"):
            day = date.fromisoformat(text)
            return instant(datetime(day.year, day.month, day.day, tzinfo=UTC))
        return instant(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        allowed = "a date such as 2026-12-01, or a time with a zone such as 2026-12-01T09:00:00Z"
        raise InvalidRequest(RequestFinding(name, f"{text!r:.60}", allowed)) from None


def wanted_of(ledger: Ledger, live: Live, wanted: Wanted) -> list[str]:
    """The campaigns that are meant, in order: those with decisions, whether or not they are still in force.

    Raises:
        NotFound: there is no such campaign, now or in the ledger.
    """
    known = list(ledger.persons.campaign_ids())
    if wanted.campaign_id is None:
        return known
    if wanted.campaign_id not in known:
        live.at(ledger).tactic(wanted.campaign_id)
    return [wanted.campaign_id]


def decisions_wanted(ledger: Ledger, live: Live, wanted: Wanted) -> int:
    """How many decisions there are."""
    names = wanted_of(ledger, live, wanted)
    return sum(ledger.timeline.count(name, wanted.since, wanted.until) for name in names)


def decisions_portion(
    ledger: Ledger, live: Live, wanted: Wanted, now: Instant, *, after: Place | None = None, most: int = PORTION
) -> Portion:
    """The next `most` decisions, with what came of each.

    Raises:
        NotFound: there is no such campaign, now or in the ledger.
    """
    page, place = _page(ledger, live, wanted, after, most)
    attributes = usable_attributes(live.at(ledger).declared)
    rows = [_decision_row(one, attributes, now) for one in _judged(ledger, live, page, now)]
    return Portion(_table(rows, decisions_schema(attributes)), len(page), place)


def outcomes_portion(
    ledger: Ledger, live: Live, wanted: Wanted, now: Instant, *, after: Place | None = None, most: int = PORTION
) -> Portion:
    """Outcomes of the next `most` decisions, those of one decision in the order in which they happened.

    Raises:
        NotFound: there is no such campaign, now or in the ledger.
    """
    page, place = _page(ledger, live, wanted, after, most)
    rows = [row for one in _judged(ledger, live, page, now) for row in _outcome_rows(one)]
    return Portion(_table(rows, OUTCOMES), len(page), place)


def decisions_schema(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Columns of decisions, those of the attributes among them."""
    types = {CategoryAttribute: pl.String, NumberAttribute: pl.Float64, BooleanAttribute: pl.Boolean}
    return {**DECISIONS, **{ATTRIBUTE + name: types[type(one)] for name, one in attributes.items()}}


def _page(
    ledger: Ledger, live: Live, wanted: Wanted, after: Place | None, most: int
) -> tuple[list[Decision], Place | None]:
    names = wanted_of(ledger, live, wanted)
    start = ("", wanted.since - 1, "") if after is None else after
    found: list[Decision] = []
    for name in names:
        if name < start[0]:
            continue
        behind = start[1:] if name == start[0] else (wanted.since - 1, "")
        found += ledger.decisions.between(name, wanted.since, wanted.until, behind, most - len(found))
        if len(found) == most:
            last = found[-1]
            return found, Place(last.campaign_id, last.decided_at, last.decision_id)
    return found, None


def _judged(ledger: Ledger, live: Live, page: Sequence[Decision], now: Instant) -> Iterator[_Judged]:
    """Each decision that was made by now, with what has been heard of it by now."""
    outcomes = ledger.outcomes.of([decision.decision_id for decision in page])
    for decision in page:
        if decision.decided_at > now:
            continue
        then = live.edition(ledger, decision.strategy_version)[decision.campaign_id]
        heard = [outcome for outcome in outcomes.get(decision.decision_id, ()) if outcome.received_at <= now]
        yield _Judged(decision, then, heard, assess(then.reward_rule, decision, heard))


def _decision_row(one: _Judged, attributes: Mapping[str, Attribute], now: Instant) -> tuple[Any, ...]:
    decision, then, _, found = one
    costs = {} if decision.variant_id is None else then.costs[then.variant_ids.index(decision.variant_id)]
    return (
        decision.decision_id,
        decision.decided_at,
        decision.campaign_id,
        then.reward_rule.objective_id,
        decision.recipient_key,
        decision.segment_id,
        decision.group.value,
        decision.variant_id,
        decision.content_hash,
        decision.propensity,
        decision.reason.value,
        decision.snapshot_id,
        decision.strategy_version,
        [name for name in then.variant_ids if name not in decision.blocked],
        found.exposed_at,
        found.closes_at,
        found.closes_at < now,
        found.withdrawn,
        found.rewarded,
        found.rewarded_at,
        units(found.reward),
        units(due(costs, found)),
        *(_value(attribute, decision.attributes.get(name)) for name, attribute in attributes.items()),
    )


def _value(attribute: Attribute, value: object) -> str | float | bool | None:
    """A value as its column takes it; what was declared otherwise back then is missing."""
    if isinstance(attribute, BooleanAttribute):
        return value if isinstance(value, bool) else None
    if isinstance(attribute, NumberAttribute):
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None


def _outcome_rows(one: _Judged) -> Iterator[tuple[Any, ...]]:
    decision, then, outcomes, found = one
    undone = {outcome.reverses for outcome in outcomes if outcome.reverses is not None}
    standing = [o for o in outcomes if o.reverses is None and o.event_id not in undone]
    of_machines = machine_events(then.reward_rule.machines, decision.decided_at, standing)
    for outcome in sorted(outcomes, key=lambda o: (o.occurred_at, o.event_id)):
        stands = outcome.reverses is None and outcome.event_id not in undone
        machine = outcome.machine or outcome.event_id in of_machines
        in_window = decision.decided_at - CLOCK_SKEW <= outcome.occurred_at <= found.closes_at
        yield (
            outcome.event_id,
            outcome.decision_id,
            decision.decided_at,
            decision.campaign_id,
            decision.segment_id,
            decision.group.value,
            decision.variant_id,
            outcome.kind,
            None if outcome.value is None else units(outcome.value),
            outcome.currency,
            outcome.occurred_at,
            outcome.received_at,
            outcome.reverses,
            outcome.event_id in undone,
            machine,
            in_window,
            stands and in_window and outcome.event_id not in of_machines,
        )


def _table(rows: Sequence[tuple[Any, ...]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Rows as typed columns."""
    numbers = {name: pl.Int64 if kind == _TIME else kind for name, kind in schema.items()}
    columns = zip(*rows, strict=True) if rows else [()] * len(numbers)
    made = [_column(name, kind, values) for (name, kind), values in zip(numbers.items(), columns, strict=True)]
    return pl.DataFrame(made).cast(pl.Schema(schema))


def _column(name: str, kind: Any, values: Sequence[Any]) -> pl.Series:
    if not isinstance(kind, pl.List) or not values:
        return pl.Series(name, values, kind)
    places: dict[tuple[str, ...], int] = {}  # polars makes lists one by one, and few of them differ
    index = [places.setdefault(tuple(value), len(places)) for value in values]
    return pl.Series(name, list(map(list, places)), kind).gather(index)
