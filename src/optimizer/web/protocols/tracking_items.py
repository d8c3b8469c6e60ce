"""One item of what SDKs of Segment and RudderStack send, read: an outcome, behaviour, or what is known of somebody."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from optimizer.domain.event_ids import event_id_of
from optimizer.domain.happenings import Happening
from optimizer.domain.instants import SECOND, Duration, Instant, instant
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.recipients.profiles import Told, allowed_attributes
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.strategy.documents import Strategy
from optimizer.strategy.events import mapped
from optimizer.strategy.yaml.source import shortened
from optimizer.web.shapes.requests import IDENTIFIER_PATTERN

TRACK, IDENTIFY = "track", "identify"
IGNORED: Final = frozenset({"page", "screen", "group", "alias"})  # calls that say nothing we keep
UNDERWAY: Duration = 10 * SECOND  # a difference of clocks no larger than this may as well be the way a request took
_MOST_NAME, _MOST_TIME = 1_000, 64
_MOST_TEXT = 200  # characters of a property
_CONTENT = ("event", "userId", "anonymousId", "originalTimestamp", "timestamp")
_DECISION = ("decision_id", "decisionId")
_INTEGRATIONS = ("optimizer", "Optimizer")
_RECIPIENT = re.compile(RECIPIENT_PATTERN.removesuffix("$"))
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN.removesuffix("$"))
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What items are read by.

    Attributes:
        strategy: in force.
        campaigns: ids of those in force.
        source: what the caller speaks for; an error says why it speaks for none.
        envelope: what the batch says of all its items.
        received_at: when it came.
    """

    strategy: Strategy
    campaigns: Collection[str]
    source: str | InvalidRequest
    envelope: Mapping[str, Any]
    received_at: Instant


class Tracked(NamedTuple):
    """An event.

    Attributes:
        report: the outcome it is, of the decision or the campaign it names; None when it names neither.
        recipient: who did it, by the caller's id; None when it does not say.
        happening: what the recipient did, under the caller's id until the key is known.
        currency: of its value; None when it names none.
    """

    report: OutcomeReport | None
    recipient: str | None
    happening: Happening
    currency: str | None


class Identified(NamedTuple):
    """What is known of somebody.

    Attributes:
        ignored: how many traits nobody declared, or about which this source is not believed.
        findings: traits whose value is not allowed; the others are kept.
    """

    told: Told
    ignored: int
    findings: list[RequestFinding]


def item_read(item: Any, reading: Reading, kind: str | None = None) -> Tracked | Identified | None:
    """What an item says; None when it is one of those that say nothing for us.

    Args:
        item: as JSON gave it.
        reading: what to read it by.
        kind: which call it is, where the route says so; else its `type`.

    Raises:
        InvalidRequest: it is not usable.
    """
    if not isinstance(item, dict):
        raise _refused("", item, "an object")
    kind = kind or item.get("type")
    if kind == TRACK:
        return _tracked(item, reading)
    if kind == IDENTIFY:
        return _identified(item, reading)
    if isinstance(kind, str) and kind in IGNORED:
        return None
    raise _refused("/type", kind, f"one of: {', '.join([TRACK, IDENTIFY, *sorted(IGNORED)])}")


def occurred_at(item: Mapping[str, Any], envelope: Mapping[str, Any], received_at: Instant) -> Instant:
    """When something happened, by our clock.

    As Segment does it: the time of the sender's clock, put right by what that clock showed when it was sent. A
    `timestamp` beside an `originalTimestamp` or a `receivedAt` is taken as it is: whoever added those has put it right
    already, or was told it by the caller. A small difference of clocks is the way a request took, and no difference at
    all: so a call that is sent twice has one time.

    Raises:
        InvalidRequest: the time is none.
    """
    given = [name for name in ("timestamp", "originalTimestamp") if item.get(name) is not None]
    if not given:
        return received_at
    original = _time(item, given[0])
    is_right = given[0] == "timestamp" and (len(given) == 2 or item.get("receivedAt") is not None)
    within = item if item.get("sentAt") is not None else envelope
    if is_right or within.get("sentAt") is None:
        return min(original, received_at)
    ahead = _time(within, "sentAt") - received_at
    return min(original if abs(ahead) <= UNDERWAY else original - ahead, received_at)


def _tracked(item: Mapping[str, Any], reading: Reading) -> Tracked | None:
    name = item.get("event")
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME:
        raise _refused("/event", name, f"the event's name, a text of 1 to {_MOST_NAME:,} characters")
    properties = _object(item, "properties")
    event = mapped(reading.strategy, name, properties)
    if event is None:
        return None
    context = {**_object(reading.envelope, "context"), **_object(item, "context")}
    decision_id, recipient = _decision_id(item, properties, context), _recipient(item)
    campaign_id = None if decision_id is not None or recipient is None else _campaign(properties, context, reading)
    at, event_id = occurred_at(item, reading.envelope, reading.received_at), _event_id(item)
    reverses, is_machine = _reversed(properties), properties.get("machine") is True
    report = None
    if decision_id is not None or campaign_id is not None:
        report = OutcomeReport(
            event_id,
            event.kind,
            at,
            decision_id=decision_id,
            recipient=recipient if decision_id is None else None,
            campaign_id=campaign_id,
            value=event.value_micros,
            currency=event.currency,
            reverses=reverses,
            machine=is_machine,
        )
    plain = {name: value for name, value in properties.items() if _is_plain(value)}
    happening = Happening(
        "", event.kind, at, event.value_micros, event_id, properties=plain, reverses=reverses, machine=is_machine
    )
    return Tracked(report, recipient, happening, event.currency)


def _identified(item: Mapping[str, Any], reading: Reading) -> Identified:
    if isinstance(reading.source, InvalidRequest):
        raise reading.source
    recipient = _recipient(item)
    if recipient is None:
        raise _refused("/userId", None, "the id of the person, as userId or anonymousId")
    traits = {**_object(_object(item, "context"), "traits", "/context/traits"), **_object(item, "traits")}
    said = {_attribute(name, traits, reading.strategy): value for name, value in traits.items()}
    attributes, findings = allowed_attributes(reading.strategy, reading.source, said)
    at = occurred_at(item, reading.envelope, reading.received_at)
    told = Told(recipient, reading.source, attributes, at)
    return Identified(told, len(traits) - len(attributes) - len(findings), findings)


def _attribute(name: str, traits: Mapping[str, Any], strategy: Strategy) -> str:
    """The attribute a trait is: of its name, else of `days_since_purchase` for `daysSincePurchase`."""
    if name in strategy.attributes:
        return name
    snake = _WORD_BEGINS.sub("_", name[:_MOST_TIME]).lower()
    return snake if snake in strategy.attributes and snake not in traits else name


def _decision_id(item: Mapping[str, Any], properties: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    integrations = _object(item, "integrations")
    ours = [mine for name in _INTEGRATIONS if isinstance(mine := integrations.get(name), dict)]
    for place, where in (("/properties", properties), ("/context", context), *(("/integrations", one) for one in ours)):
        for name in _DECISION:
            found = where.get(name)
            if found is None:
                continue
            if isinstance(found, str) and _IDENTIFIER.fullmatch(found):
                return found
            raise _refused(f"{place}/{name}", found, "the decision_id of an answer of ours")
    return None


def _campaign(properties: Mapping[str, Any], context: Mapping[str, Any], reading: Reading) -> str | None:
    """The campaign an event names: in a property of its own, or as the campaign somebody came from, if it is ours."""
    named = properties.get("campaign")
    if isinstance(named, str) and _IDENTIFIER.fullmatch(named):
        return named
    came_from = context.get("campaign")
    name = came_from.get("name") if isinstance(came_from, dict) else None
    return name if isinstance(name, str) and name in reading.campaigns else None


def _recipient(item: Mapping[str, Any]) -> str | None:
    for name in ("userId", "anonymousId"):
        found = item.get(name)
        if found is None or found == "":
            continue
        text = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
        if isinstance(text, str) and _RECIPIENT.fullmatch(text):
            return text
        # A person's id is repeated to nobody.
        allowed = "1 to 128 letters, digits or any of . _ : @ + = / ~ | -"
        raise InvalidRequest(RequestFinding(f"/{name}", "another text or type", allowed))
    return None


def _event_id(item: Mapping[str, Any]) -> str:
    """By the sender's id of the message; without one, two items that are the same to the letter are one."""
    found = item.get("messageId")
    if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
        return event_id_of("segment", str(found))
    content = [item.get(name) for name in _CONTENT]
    plain = {name: value for name, value in _object(item, "properties").items() if _is_plain(value)}
    told = [one if isinstance(one, str | int | float) else None for one in content]
    return event_id_of("segment", "", orjson.dumps([told, plain], option=orjson.OPT_SORT_KEYS).decode())


def _reversed(properties: Mapping[str, Any]) -> str | None:
    """Our id of the event that this one undoes, which it names by the sender's id of that message."""
    found = properties.get("reverses")
    return event_id_of("segment", str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _time(item: Mapping[str, Any], name: str) -> Instant:
    found = item[name]
    try:
        if isinstance(found, str) and len(found) <= _MOST_TIME and found[4:5] == "-":
            read = datetime.fromisoformat(found)
            return instant(read if read.tzinfo is not None else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        pass
    raise _refused(f"/{name}", found, "a time such as 2026-12-01T09:00:00.000Z")


def _object(within: Mapping[str, Any], name: str, pointer: str | None = None) -> Mapping[str, Any]:
    found = within.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _refused(pointer or f"/{name}", found, "an object")
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MOST_TEXT and "\x00" not in value  # which PostgreSQL cannot keep
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(pointer: str, found: object, allowed: str) -> InvalidRequest:
    if found is None:
        shown = "nothing"
    elif isinstance(found, str | int | float):
        shown = shortened(str(found)) or '""'
    else:
        shown = "a list" if isinstance(found, list) else "an object"
    return InvalidRequest(RequestFinding(pointer or "/", shown, allowed))
