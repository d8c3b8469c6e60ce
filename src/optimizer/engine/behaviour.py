"""Behaviour becomes targeting: attributes that follow from what a recipient did, at an instant.

One pure function for the service, for whoever computes it again from the ledger, and for rehearsals. An event counts
at an instant if it happened before it and was heard of before it; so what a decision saw can be told for ever after,
however late other events come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Final

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.happenings import UNDOING, Happening
from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.domain.micros import LARGEST, MICRO, units
from optimizer.domain.outcome import EXPOSED
from optimizer.engine.assessment import WITHDRAWALS
from optimizer.engine.machines import DELIVERIES, SENDERS_OWN, MachineRule, machine_events
from optimizer.engine.tactic import Tactic
from optimizer.strategy.audience import CategoryAttribute, NumberAttribute
from optimizer.strategy.derived import Derivation
from optimizer.strategy.documents import Strategy
from optimizer.strategy.texts.placeholders import slots

MOST_EVENTS: Final = 1_000  # of one kind of one recipient: the newest; bounds what a decision has to read
MOST_KEPT: Final = 1_100  # a few more: those that came at the instant of a decision do not count for it
# What an event hangs on, its delivery or what undoes it, may be a little older than the event.
_BEFORE: Final = HOUR
_LARGEST_NUMBER: Final = LARGEST / MICRO
_SENDERS_WORD: Final = frozenset({EXPOSED, "delivered"})  # untrue of a message that never reached anybody


@dataclass(frozen=True, slots=True)
class Derived:
    """An attribute that follows from behaviour.

    Attributes:
        declared: the attribute; a number beyond its bounds counts as the bound, a value it does not have as unknown.
        source: what it follows from.
    """

    declared: NumberAttribute | CategoryAttribute
    source: Derivation

    def value(self, events: Sequence[Happening], at: Instant) -> AttributeValue | None:
        """The attribute at an instant; None when it is not known.

        Args:
            events: what counts of the kind it follows from, in order of time, all before the instant.
            at: the instant.
        """
        source = self.source
        if source.within is not None:
            since = at - source.within
            events = [event for event in events if event.occurred_at >= since]
        match source.measure:
            case "count":
                return self._within_bounds(len(events))
            case "days_since":
                return self._within_bounds((at - events[-1].occurred_at) // DAY) if events else None
            case "sum" if source.property is None:
                return self._within_bounds(units(sum(event.value or 0 for event in events)))
            case "sum":
                return self._within_bounds(fsum(self._numbers(events)))
            case _:
                return next(self._values(events if source.measure == "first" else reversed(events)), None)

    def keeps(self, value: object) -> bool:
        """Whether a property can be a value of the attribute."""
        if isinstance(self.declared, CategoryAttribute):
            return isinstance(value, str) and value in self.declared.values
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) <= _LARGEST_NUMBER  # type: ignore[arg-type]

    def _values(self, events: Iterable[Happening]) -> Iterator[AttributeValue]:
        if not isinstance(self.declared, CategoryAttribute):
            yield from map(self._within_bounds, self._numbers(events))
            return
        for event in events:
            text = event.properties.get(self.source.property or "")
            if isinstance(text, str) and text in self.declared.values:
                yield text

    def _numbers(self, events: Iterable[Happening]) -> Iterator[float]:
        for event in events:
            if self.source.property is None:
                if event.value is not None:
                    yield units(event.value)
            else:
                number = event.properties.get(self.source.property)
                if isinstance(number, int | float):
                    yield float(number)

    def _within_bounds(self, number: float) -> float:
        assert isinstance(self.declared, NumberAttribute)  # noqa: S101 - of a category, only texts are asked for
        low, high = self.declared.minimum, self.declared.maximum
        number = number if low is None else max(low, number)
        return number if high is None else min(high, number)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a strategy's attributes follow from what recipients did.

    Attributes:
        derived: those that do, by name.
        machines: how events that no person caused are told from the others; they are not behaviour.
        kinds: what has to be known for that, and nothing else is kept.
        reach: how far back it looks, microseconds; None: for ever.
    """

    derived: Mapping[str, Derived]
    machines: MachineRule
    kinds: frozenset[str]
    reach: Duration | None

    @classmethod
    def of(cls, strategy: Strategy) -> Behaviour | None:
        """That of a strategy; None when no attribute follows from anything."""
        derived = {
            name: Derived(declared, declared.from_)
            for name, declared in strategy.attributes.items()
            if isinstance(declared, NumberAttribute | CategoryAttribute) and declared.from_ is not None
        }
        if not derived:
            return None
        machines = MachineRule.of(strategy.hygiene)
        kinds = {one.source.event for one in derived.values()}
        if kinds & _SENDERS_WORD:
            kinds |= WITHDRAWALS
        if kinds & {*machines.kinds}:
            kinds |= DELIVERIES if machines.fastest else set()
            kinds |= {machines.honeypot} if machines.honeypot is not None else set()
        reaches = [one.source.within for one in derived.values()]
        reach = max((within for within in reaches if within is not None), default=0) + _BEFORE
        return cls(derived, machines, frozenset(kinds), None if None in reaches else reach)

    @property
    def evidence_of_machines(self) -> frozenset[str]:
        """Kinds that are kept even of machines, because others are judged by them."""
        honeypot = self.machines.honeypot
        return self.kinds & (SENDERS_OWN if honeypot is None else SENDERS_OWN | {honeypot})

    def used_by(self, tactic: Tactic) -> tuple[str, ...]:
        """The derived attributes that a campaign looks at: in its rules, its policy, or its words."""
        names = {*tactic.rules.attribute_names, *tactic.policy.attributes}
        for variant in tactic.variants:
            message = variant.message
            for text in (message.subject, message.body, *(message.fields or {}).values()):
                names.update(slot.name for slot in slots(text or ""))
        return tuple(name for name in self.derived if name in names)

    def kept(self, happening: Happening) -> Happening | None:
        """What is kept of an event: nothing of one that no attribute follows from, or that a machine caused."""
        if happening.reverses is not None:
            return happening._replace(kind=UNDOING, occurred_at=happening.received_at, value=None, properties={})
        if happening.kind not in self.kinds:
            return None
        if happening.machine and happening.kind not in self.evidence_of_machines:
            return None
        if self.reach is not None and happening.occurred_at < happening.received_at - self.reach:
            return None
        properties = {
            name: value
            for name, value in happening.properties.items()
            if any(
                one.keeps(value)
                for one in self.derived.values()
                if (one.source.event, one.source.property) == (happening.kind, name)
            )
        }
        return happening._replace(properties=properties)

    def attributes(self, happenings: Iterable[Happening], at: Instant, names: Iterable[str]) -> Attributes:
        """Derived attributes of one recipient at an instant, those that are known.

        Args:
            happenings: what is kept of the recipient, in any order, later events among them or not.
            at: the instant.
            names: of the attributes.
        """
        by_kind: dict[str, list[Happening]] = defaultdict(list)
        for event in self._counting(happenings, at):
            by_kind[event.kind].append(event)
        for events in by_kind.values():
            events.sort(key=_in_time)
        found = {name: self.derived[name] for name in names}
        values = {name: one.value(by_kind.get(one.source.event, ()), at) for name, one in found.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _counting(self, happenings: Iterable[Happening], at: Instant) -> list[Happening]:
        """What people did before an instant and nobody took back, as far as was known then."""
        since = None if self.reach is None else at - self.reach
        known = [h for h in happenings if h.received_at < at and (since is None or h.occurred_at >= since)]
        standing = known = _newest(known)
        if any(h.reverses is not None for h in known):
            undone = {h.reverses for h in known if h.reverses is not None}
            standing = [h for h in known if h.reverses is None and h.event_id not in undone]
        counting = [h for h in standing if h.occurred_at < at]
        if not self.kinds.isdisjoint(WITHDRAWALS):
            never_sent = {h.decision_id for h in standing if h.kind in WITHDRAWALS}
            counting = [h for h in counting if not (h.kind in _SENDERS_WORD and h.decision_id in never_sent)]
        if of_machines := self._of_machines(standing):
            counting = [h for h in counting if h.event_id not in of_machines]
        return counting

    def _of_machines(self, standing: Sequence[Happening]) -> set[str]:
        """Events that the hygiene of the strategy says no person caused, decision by decision."""
        if not self.machines.kinds:
            return {h.event_id for h in standing if h.machine and h.kind not in SENDERS_OWN}
        by_decision: dict[str | None, list[Happening]] = defaultdict(list)
        for happening in standing:
            by_decision[happening.decision_id].append(happening)
        found: set[str] = set()
        for events in by_decision.values():
            if (decided_at := events[0].decided_at) is not None:
                found.update(machine_events(self.machines, decided_at, events))
            else:  # of no decision: a machine's if its reporter says so
                found.update(h.event_id for h in events if h.machine)
        return found


def _in_time(happening: Happening) -> tuple[Instant, str]:
    return happening.occurred_at, happening.event_id


def _newest(known: list[Happening]) -> list[Happening]:
    """The newest `MOST_EVENTS` of each kind."""
    if len(known) <= MOST_EVENTS:
        return known
    by_kind: dict[str, list[Happening]] = defaultdict(list)
    for happening in known:
        by_kind[happening.kind].append(happening)
    return [h for some in by_kind.values() for h in sorted(some, key=_in_time)[-MOST_EVENTS:]]
