"""What others call things: names of events, as trackers send them, and the outcomes they are here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from optimizer.domain.micros import micros
from optimizer.domain.outcome import BOUNCED, EXPOSED, SUPPRESSING, WITHDRAWN
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.strategy.audience import CategoryAttribute, NumberAttribute
from optimizer.strategy.documents import Strategy
from optimizer.strategy.fields import CURRENCY_PATTERN
from optimizer.strategy.yaml.source import shortened

# Outcomes that mean something here, whether or not a strategy names them.
_ALWAYS: Final = frozenset({EXPOSED, WITHDRAWN, BOUNCED, *SUPPRESSING, "delivered", "opened", "clicked"})
_SHOWN: Final = 200  # characters of a text that are looked at
_VALUE, _CURRENCY = "value", "currency"  # properties of an event that is called like an outcome, as `POST /v1/outcomes`


@dataclass(frozen=True, slots=True)
class Mapped:
    """What an event amounts to.

    Attributes:
        kind: of the outcome.
        value_micros: amount or count, micro-units; None when the event has none.
        currency: ISO 4217 code, in capitals; None when the event names none.
    """

    kind: str
    value_micros: int | None = None
    currency: str | None = None


def mapped(strategy: Strategy, name: str, properties: Mapping[str, Any], pointer: str = "/properties") -> Mapped | None:
    """The outcome an event is, by the strategy's `events`; None for an event it says nothing of.

    An event that is not mapped and is called like an outcome the strategy knows is that outcome; its value is the
    property `value`, of the currency `currency`.

    Args:
        strategy: the strategy in force.
        name: as the tracker calls the event.
        properties: of the event, as JSON gave them.
        pointer: JSON pointer of the properties in the request.

    Raises:
        InvalidRequest: the property that holds the value is no number, or that of the currency no currency.
    """
    mapping = strategy.events.get(name)
    if mapping is not None:
        return _mapped(mapping.outcome, mapping.value, mapping.currency, properties, pointer)
    return _mapped(name, _VALUE, _CURRENCY, properties, pointer) if name in known_kinds(strategy) else None


def known_kinds(strategy: Strategy) -> set[str]:
    """The kinds of outcomes and events that a strategy knows: those it names, and those that always mean something."""
    rules = strategy.hygiene
    known = {*_ALWAYS, *rules.largest_value, *rules.machine_kinds}
    for objective in strategy.objectives:
        known |= {objective.reward.outcome, *objective.penalties}
    known |= {metric.outcome for metric in strategy.guardrail_metrics}
    known |= {mapping.outcome for mapping in strategy.events.values()}
    follow = [one for one in strategy.attributes.values() if isinstance(one, NumberAttribute | CategoryAttribute)]
    known |= {one.from_.event for one in follow if one.from_ is not None}
    return known if rules.honeypot is None else known | {rules.honeypot}


def _mapped(kind: str, value: str | None, currency: str | None, properties: Mapping[str, Any], pointer: str) -> Mapped:
    amount = None if value is None else properties.get(value)
    code = None if currency is None or amount is None else properties.get(currency)
    if amount is None:
        return Mapped(kind)
    number = _micros(amount)
    if number is None:
        allowed = "a number between -1e9 and 1e9, or a text that is one"
        raise InvalidRequest(_finding(pointer, value, amount, allowed))
    if code is None:
        return Mapped(kind, number)
    if not isinstance(code, str) or not re.fullmatch(CURRENCY_PATTERN.strip("^$"), code.upper()):
        raise InvalidRequest(_finding(pointer, currency, code, "an ISO 4217 code such as USD"))
    return Mapped(kind, number, code.upper())


def _micros(amount: object) -> int | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float | str):
        return None
    try:
        return micros(amount)
    except ValueError:
        return None


def _finding(pointer: str, name: str | None, found: object, allowed: str) -> RequestFinding:
    return RequestFinding(f"{pointer}/{shortened(name or '')}", _shown(found), allowed)


def _shown(found: object) -> str:
    if isinstance(found, str | bool | float):
        return shortened(json.dumps(found[:_SHOWN] if isinstance(found, str) else found, ensure_ascii=False))
    return str(found) if isinstance(found, int) and abs(found) < 2**64 else "something else"
