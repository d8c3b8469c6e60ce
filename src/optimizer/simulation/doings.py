"""What the people of a rehearsal did: attributes follow from it by the very function that the service uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.happenings import Happening
from optimizer.domain.instants import DAY, Instant
from optimizer.domain.micros import micros
from optimizer.engine.behaviour import MOST_EVENTS, Behaviour, Derived
from optimizer.engine.tactic import Tactic
from optimizer.simulation.journal import Heard
from optimizer.strategy.audience import CategoryAttribute
from optimizer.strategy.documents import Strategy


class Doings:
    """What each recipient of a world has done, as far as a campaign looks at it.

    Args:
        behaviour: how attributes follow from it.
        names: the derived attributes that the campaign looks at.
        stated: attributes of everyone as the world gives them; a derived one among them says how things stood at the
            beginning.
        kinds: the world's kinds of outcomes.
        start: the beginning.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        names: tuple[str, ...],
        stated: Sequence[Attributes],
        kinds: tuple[str, ...],
        start: Instant,
    ) -> None:
        self.names = names
        self._behaviour, self._stated, self._kinds, self._start = behaviour, stated, kinds, start
        self._done: dict[int, list[Happening]] = {}

    @classmethod
    def of(
        cls, strategy: Strategy, tactic: Tactic, stated: Sequence[Attributes], kinds: tuple[str, ...], start: Instant
    ) -> Doings | None:
        """Those of a rehearsal; None where the campaign looks at nothing that follows from behaviour."""
        behaviour = Behaviour.of(strategy)
        names = () if behaviour is None else behaviour.used_by(tactic)
        return None if behaviour is None or not names else cls(behaviour, names, stated, kinds, start)

    def hear(self, heard: Heard) -> None:
        """Remember outcomes that have happened."""
        columns = (heard.recipients, heard.decisions, heard.kinds, heard.decided_at, heard.occurred_at, heard.values)
        for recipient, decision, kind, decided_at, occurred_at, value in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            happening = Happening(
                recipient_key=str(recipient),
                kind=self._kinds[kind],
                occurred_at=occurred_at,
                value=value or None,
                event_id=f"{decision}:{kind}",
                received_at=occurred_at,
                decision_id=str(decision),
                decided_at=decided_at,
            )
            if (kept := self._behaviour.kept(happening)) is not None:
                self._of(recipient).append(kept)

    def attributes(self, recipients: NDArray[np.int64], now: Instant) -> list[Attributes]:
        """What is known of some recipients at an instant."""
        return [
            {
                **{n: v for n, v in self._stated[place].items() if n not in self._behaviour.derived},
                **self._behaviour.attributes(self._of(place), now, self.names),
            }
            for place in recipients.tolist()
        ]

    def _of(self, recipient: int) -> list[Happening]:
        done = self._done.get(recipient)
        if done is None:
            done = list(earlier_happenings(self._behaviour, self._stated[recipient], self._start))
            self._done[recipient] = done
        return done


def earlier_happenings(behaviour: Behaviour, stated: Attributes, start: Instant) -> Iterator[Happening]:
    """Events before a beginning from which derived attributes follow as they are stated.

    One attribute of a kind of event comes out as stated; several do as far as they can be true together. Where nothing
    says how long ago it was, the events lie in the middle of the shortest window that looks at them.
    """
    by_kind: dict[str, dict[str, Derived]] = {}
    for name, derived in behaviour.derived.items():
        if name in stated:
            by_kind.setdefault(derived.source.event, {})[name] = derived
    for kind, of_kind in by_kind.items():
        yield from _earlier(kind, of_kind, stated, start)


def _earlier(kind: str, of_kind: Mapping[str, Derived], stated: Attributes, start: Instant) -> Iterator[Happening]:
    said = {derived.source.measure: stated[name] for name, derived in of_kind.items()}
    n = min(int(_number(said.get("count"))), MOST_EVENTS)
    if n == 0 and (said.keys() & {"days_since", "first", "last"} or _number(said.get("sum")) != 0):
        n = 1
    windows = [derived.source.within for derived in of_kind.values() if derived.source.within is not None]
    ago = min(windows, default=2 * DAY) // 2
    if "days_since" in said:
        ago = max(int(_number(said["days_since"]) * DAY), 1)
    for place in range(n):
        value, properties = None, {}
        for name, derived in of_kind.items():
            of_event = _value(derived, stated[name], place, n)
            if of_event is not None and derived.source.property is not None:
                properties[derived.source.property] = of_event
            elif isinstance(of_event, int | float):
                value = micros(of_event)
        at = start - ago - (n - 1 - place)  # a microsecond apart, so that there is a first and a last
        yield Happening("", kind, at, value, f"before:{kind}:{place}", at, properties)


def _value(derived: Derived, stated: AttributeValue, place: int, n: int) -> str | float | None:
    """What one of `n` events has to say so that an attribute is what is stated."""
    measure = derived.source.measure
    if measure == "sum":
        return _number(stated) / n
    if measure in ("first", "last") and place == (0 if measure == "first" else n - 1):
        return str(stated) if isinstance(derived.declared, CategoryAttribute) else _number(stated)
    return None


def _number(stated: AttributeValue | None) -> float:
    return float(stated) if isinstance(stated, int | float) else 0.0
