"""What arrives from a provider, what it amounts to in our words, and how its loosely written JSON is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson

from optimizer.domain.event_ids import event_id_of
from optimizer.domain.instants import MINUTE, Duration, Instant, instant, isoformat
from optimizer.errors import InvalidRequest, OptimizerError, RequestFinding
from optimizer.services.outcomes.recording import OutcomeReport

DECISION_ID: Final = "decision_id"  # the name under which a message carries its decision through a provider
SENT, DELIVERED, DEFERRED = "sent", "delivered", "deferred"
OPENED, CLICKED = "opened", "clicked"
UNSUBSCRIBED, COMPLAINED = "unsubscribed", "complained"

_AHEAD: Duration = 5 * MINUTE  # how far a provider's clock may be ahead of ours
_SECONDS = re.compile(r"[0-9]{1,11}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MOST_NAMES = 20  # of event types that are told apart in an answer
_LONGEST_NAME = 60
_OTHERS = "others"


class Unsigned(OptimizerError):
    """Nothing proves that the provider sent this: no signature, a wrong or an old one. Nothing of it was used."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request of a provider.

    Attributes:
        headers: names in small letters.
        body: to the byte as it came.
        at: when it came.
    """

    headers: Mapping[str, str]
    body: bytes
    at: Instant


@dataclass(frozen=True, slots=True)
class Heard:
    """What a request amounts to.

    Attributes:
        reports: the events that mean something here.
        ignored: how many others there were, by what the provider calls them.
    """

    reports: Sequence[OutcomeReport]
    ignored: Mapping[str, int]


class Provider(Protocol):
    """What a provider's module can do."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """The provider's name, in routes and in OPTIMIZER_WEBHOOKS."""

    def check(self, secret: str) -> None:
        """Raises ValueError, with what is allowed, for a secret of another form."""

    def verify(self, secrets: Sequence[str], arrival: Arrival) -> str | None:
        """Whoever sent this knows one of the secrets, or holds the key to one.

        Returns:
            A token that one body alone may use, where the signature does not cover the body; else None.

        Raises:
            Unsigned: that is not proved.
        """

    def hear(self, arrival: Arrival) -> Heard:
        """What a verified request says.

        Raises:
            InvalidRequest: nothing that this provider would send.
        """


def json_of(body: bytes) -> Any:
    """A verified body.

    Raises:
        InvalidRequest: it is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest(RequestFinding("/", "bytes that are not JSON in UTF-8", "an event in JSON")) from None


def heard_of(events: Iterable[Any], name: str, report: Callable[[Mapping[str, Any]], OutcomeReport | None]) -> Heard:
    """The reports of some events, and a count of those that amount to none.

    Args:
        events: as JSON gave them.
        name: of the field that says what kind of event it is.
        report: what an event amounts to, if anything.
    """
    reports: list[OutcomeReport] = []
    ignored: Counter[str] = Counter()
    for event in events:
        found = report(event) if isinstance(event, dict) else None
        if found is not None:
            reports.append(found)
            continue
        called = text(event.get(name)) if isinstance(event, dict) else ""
        called = called[:_LONGEST_NAME] or "nameless"
        ignored[called if called in ignored or len(ignored) < _MOST_NAMES else _OTHERS] += 1
    return Heard(reports, ignored)


def report_of(
    provider: str, kind: str, ids: Sequence[str], variables: Any, occurred_at: Instant, *, machine: bool = False
) -> OutcomeReport:
    """The report an event amounts to; without a decision's id in the variables of its message it will be unknown.

    Args:
        provider: its name.
        kind: of outcome.
        ids: what tells the event from all others of the provider.
        variables: what the message carried, as the provider gives it back.
        occurred_at: when the provider says it happened.
        machine: the provider says that no person did it.
    """
    decision_id = decision_id_of(variables)
    return OutcomeReport(event_id_of(provider, *ids), kind, occurred_at, decision_id=decision_id, machine=machine)


def decision_id_of(variables: Any) -> str | None:
    """The decision's id among a message's variables: an object of texts or of lists of texts, or a list of pairs."""
    if isinstance(variables, list):
        variables = {text(one.get("name")): one.get("value") for one in variables if isinstance(one, dict)}
    found = fields(variables).get(DECISION_ID)
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, str) and _IDENTIFIER.fullmatch(found) else None


def instant_of(value: Any, otherwise: Instant) -> Instant:
    """When something happened, of seconds since 1970 or a text in ISO 8601; without a zone it is UTC.

    What is neither gives `otherwise`.
    """
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            parsed = datetime.fromisoformat(value)
            return instant(parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC))
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return instant(datetime.fromtimestamp(float(value), UTC))
    except (ValueError, OverflowError, OSError):
        return otherwise
    return otherwise


def check_age(seconds: str, arrival: Arrival, oldest: Duration) -> None:
    """A signature, of so many seconds since 1970, is of now or of at most so long ago.

    Raises:
        Unsigned: it is older, from the future, or no number.
    """
    if not _SECONDS.fullmatch(seconds):
        raise Unsigned("timestamp: found none that can be read; allowed seconds since 1970")
    check_time(int(seconds) * 1_000_000, arrival, oldest)


def check_time(signed_at: Instant, arrival: Arrival, oldest: Duration) -> None:
    """As `check_age`, of an instant."""
    earliest, latest = arrival.at - oldest, arrival.at + _AHEAD
    if not earliest <= signed_at <= latest:
        allowed = f"{isoformat(earliest)} to {isoformat(latest)}"
        raise Unsigned(f"timestamp: found {isoformat(signed_at)}; allowed {allowed}")


def wrong(found: str = "one that fits no secret we have") -> Unsigned:
    """The error of a signature that is not right."""
    return Unsigned(f"signature: found {found}; allowed one made with a secret in OPTIMIZER_WEBHOOKS")


def identity(event: Mapping[str, Any], *names: str) -> list[str]:
    """What tells an event from all others: its fields of these names, else all of it."""
    found = [text(event.get(name)) for name in names]
    return found if any(found) else [orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode()]


def fields(value: Any) -> Mapping[str, Any]:
    """An object's fields; none of anything else."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A text or a number as text; nothing of anything else."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
