"""What both clients are: what is asked, what is given when nobody answers, and what is reported in the background."""

from __future__ import annotations

import math
import os
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from msgspec.structs import replace

from optimizer.client.answers import Batch, Decision, Delivery, ItemProblem, Recipient, Source
from optimizer.client.calls import (
    IDENTIFIER_PATTERN,
    KIND_PATTERN,
    MOST_ITEMS,
    RECIPIENT_PATTERN,
    checked,
    decide_call,
    decide_many_call,
    invalid,
)
from optimizer.client.driving import CLOCK, Driver
from optimizer.client.errors import Unavailable
from optimizer.client.exchange import Patience, Retries, Steps, Timeouts
from optimizer.client.reporting import Reporter, outcome_record
from optimizer.client.spool import Memory, Spool

BATCH_TIMEOUTS: Final = Timeouts(connect=2.0, read=60.0, total=300.0)
CHUNK: Final = 2_000
MOST_WAITING_BYTES: Final = 256 * 1024 * 1024
IDENTIFIER = "1 to 64 letters, digits, '.', '_', ':' or '-'"
Attributes = Mapping[str, str | float | bool | None]
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class Options(TypedDict, total=False):
    """What a client may be made with.

    Attributes:
        timeouts: how long one call may take.
        retries: how often it is tried.
        fallbacks: by campaign, the variant to give when nobody answers; without one, nothing is to be sent.
            No guardrail has looked at it and nobody records it: name what a page shows anyway, not what is mailed.
        strict: raise `Unavailable` instead of giving the fallback.
        spool: folder in which reports outlive the process; by default they wait in memory.
        batch_timeouts: how long each call of a batch may take.
        most_waiting_bytes: of reports that wait to be delivered.
    """

    timeouts: Timeouts
    retries: Retries
    fallbacks: Mapping[str, str]
    strict: bool
    spool: Path | str | None
    batch_timeouts: Timeouts
    most_waiting_bytes: int


class Core:
    """A client without what sends.

    Args:
        url: of the service; by default what `OPTIMIZER_URL` says.
        key: an API key; by default what `OPTIMIZER_KEY` says. It is in no `repr` and no log.
        options: see `Options`.

    Raises:
        InvalidCall: there is no URL or no key, or no such option.
        SpoolError: the spool cannot be used.
    """

    def __init__(self, url: str | None = None, key: str | None = None, **options: Unpack[Options]) -> None:
        for name in options.keys() - Options.__optional_keys__:
            raise invalid("options", name, ", ".join(sorted(Options.__optional_keys__)))
        self._url = _given(url, "OPTIMIZER_URL", "url", "https://optimizer.example.com").rstrip("/")
        if not self._url.startswith(("https://", "http://")):
            raise invalid("url", repr(self._url[:60]), "one that begins with https:// or http://")
        self._key = _given(key, "OPTIMIZER_KEY", "key", "an API key; `optimizer key create` makes one")
        if not (self._key.isascii() and self._key.isprintable()):
            raise invalid("key", "something else than a key", "an API key; `optimizer key create` makes one")
        retries = options.get("retries", Retries())
        self._patience = Patience(options.get("timeouts", Timeouts()), retries, CLOCK, random.random)
        self._batch_patience = Patience(options.get("batch_timeouts", BATCH_TIMEOUTS), retries, CLOCK, random.random)
        self._fallbacks, self._strict = dict(options.get("fallbacks", {})), options.get("strict", False)
        most, spool = options.get("most_waiting_bytes", MOST_WAITING_BYTES), options.get("spool")
        waiting = Memory(most) if spool is None else Spool(Path(spool), most)
        self._reporter = Reporter(waiting, Driver(self._url, self._key), self._batch_patience)
        if waiting.size:
            self._reporter.begin()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    @property
    def delivery(self) -> Delivery:
        """What became of all that was reported in the background."""
        return self._reporter.delivery

    def report(  # noqa: PLR0913 - one for each thing that may be said of an outcome
        self,
        decision: Decision | str | None,
        kind: str,
        *,
        value: float | str | Decimal | None = None,
        currency: str | None = None,
        occurred_at: datetime | None = None,
        event_id: str | None = None,
        reverses: str | None = None,
        machine: bool = False,
        recipient: str | None = None,
        campaign: str | None = None,
    ) -> str | None:
        """Report an outcome, in the background: at least once, until the service has it.

        Args:
            decision: what it followed, or its id. None: the latest one of `campaign` for `recipient`.
            kind: ``clicked``, ``purchase`` …
            value: amount or count.
            currency: of a value that is money.
            occurred_at: when it happened; by default now.
            event_id: your id of the event; by default a random one. The same id counts once.
            reverses: event id of an outcome that this one undoes.
            machine: no person did it.
            recipient: your id of the person, where there is no decision.
            campaign: goes with `recipient`.

        Returns:
            The event id; None for a fallback, which nobody decided and of which nothing can be learned.

        Raises:
            InvalidCall: something of it is not allowed.
            Conflict: the client is closed, or was made before a fork.
            QueueFull: too much waits already.
        """
        if isinstance(decision, Decision) and decision.decision_id is None:
            return None
        outcome: dict[str, Any] = {"event_id": event_id or secrets.token_hex(16)}
        checked(IDENTIFIER_PATTERN, "/event_id", outcome["event_id"], IDENTIFIER)
        outcome["kind"] = checked(KIND_PATTERN, "/kind", kind, "small letters, digits and '_', such as purchase")
        if decision is None:
            outcome["recipient"] = checked(RECIPIENT_PATTERN, "/recipient", recipient, "an id, where decision is None")
            outcome["campaign"] = checked(IDENTIFIER_PATTERN, "/campaign", campaign, "an id, where decision is None")
        else:
            named = decision.decision_id if isinstance(decision, Decision) else decision
            outcome["decision_id"] = checked(IDENTIFIER_PATTERN, "/decision_id", named, IDENTIFIER)
            if recipient is not None or campaign is not None:
                raise invalid("/recipient", "a decision and a recipient", "either of them")
        at = occurred_at or datetime.now(UTC)
        if at.tzinfo is None:
            raise invalid("/occurred_at", at.isoformat(), "a time with its zone")
        outcome["occurred_at"] = at.isoformat()
        given = {"value": _amount(value), "currency": currency, "reverses": reverses, "machine": machine or None}
        outcome |= {name: one for name, one in given.items() if one is not None}
        self._reporter.report([outcome_record(outcome)])
        return str(outcome["event_id"])

    def expose(self, decision: Decision | str, occurred_at: datetime | None = None) -> None:
        """Say, in the background, that the variant reached the recipient; safe to repeat."""
        self._moved(decision, "expose", "exposed", occurred_at)

    def withdraw(self, decision: Decision | str, occurred_at: datetime | None = None) -> None:
        """Say, in the background, that it never will; safe to repeat."""
        self._moved(decision, "withdraw", "withdrawn", occurred_at)

    def _moved(self, decision: Decision | str, prefix: str, kind: str, occurred_at: datetime | None) -> None:
        named = decision.decision_id if isinstance(decision, Decision) else decision
        if named is not None:
            self.report(named, kind, event_id=f"{prefix}:{named}", occurred_at=occurred_at)

    def _deciding(self, campaign: str, recipient: Recipient, *, deferred: bool) -> Steps[Decision]:
        """One decision; its request id is made once, and kept however often it is sent."""
        request_id = recipient.request_id or secrets.token_hex(16)
        call = decide_call(campaign, recipient, request_id, deferred=deferred)
        try:
            return (yield from self._patience.exchange(call))
        except Unavailable:
            if self._strict:
                raise
            return self._fallback(campaign)

    def _deciding_many(
        self,
        campaign: str,
        chunks: Iterable[Sequence[Recipient]],
        request_id: str,
        done: Callable[[int], None],
        *,
        deferred: bool,
    ) -> Steps[Batch]:
        """Many decisions, chunk by chunk; where nobody answers, that chunk gets the fallback."""
        found: list[Decision | ItemProblem] = []
        for chunk in chunks:
            call = decide_many_call(campaign, chunk, request_id, deferred=deferred)
            try:
                found += yield from self._batch_patience.exchange(call)
            except Unavailable:
                if self._strict:
                    raise
                found += [self._fallback(campaign)] * len(chunk)
            done(len(chunk))
        return Batch(request_id, found)

    def _fallback(self, campaign: str) -> Decision:
        return Decision(
            None, campaign, self._fallbacks.get(campaign), decided_at=datetime.now(UTC), source=Source.FALLBACK
        )


def recipient_of(
    recipient: str,
    attributes: Attributes | None,
    request_id: str | None,
    exclude: Iterable[str],
    consent: Mapping[str, bool] | None,
    time_zone: str | None,
) -> Recipient:
    """Whom one call is about.

    Raises:
        InvalidCall: `exclude` is one text.
    """
    check_listed("/exclude", exclude)
    return _as_json_has_it(
        Recipient(recipient, dict(attributes or {}), tuple(exclude), dict(consent or {}), time_zone, request_id)
    )


def chunks_of(recipients: Iterable[str | Recipient], n: int) -> Iterator[list[Recipient]]:
    """Recipients, ``n`` at a time, however many there are.

    Raises:
        InvalidCall: a chunk cannot be that large, or one text was given for recipients or for what to exclude.
    """
    check_listed("/recipients", recipients)
    if not 1 <= n <= MOST_ITEMS:
        raise invalid("chunk", str(n), f"1 to {MOST_ITEMS:,}")
    rest = iter(recipients)
    while chunk := [_as_json_has_it(one) if isinstance(one, Recipient) else Recipient(one) for one in islice(rest, n)]:
        yield chunk


def check_listed(place: str, given: object, allowed: str | None = None) -> None:
    """A text is a list of its letters to Python, and nobody means that.

    Raises:
        InvalidCall: it is one.
    """
    if isinstance(given, str):
        raise invalid(place, repr(given)[:60], allowed or f"a list, such as [{given!r}]"[:100])


def _as_json_has_it(one: Recipient) -> Recipient:
    """A recipient from a row of a frame or a database: its numbers become Python's, and what is no number unknown."""
    check_listed("/exclude", one.exclude)
    for value in one.attributes.values():
        kind = type(value)
        if kind not in _PLAIN or (kind is float and not math.isfinite(value)):  # type: ignore[arg-type]
            return replace(one, attributes={name: _plain(given) for name, given in one.attributes.items()})
    return one


def _plain(value: Any) -> Any:
    if getattr(value, "shape", None) == ():  # a scalar of NumPy's, which need not be installed
        value = value.item()
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _given(value: str | None, variable: str, name: str, allowed: str) -> str:
    found = value if value is not None else os.environ.get(variable, "")
    if not found:
        raise invalid(name, "nothing", f"{allowed}; or set {variable}")
    return found


def _amount(value: float | str | Decimal | None) -> float | str | None:
    plain: float | str | None = str(value) if isinstance(value, Decimal) else _plain(value)
    if plain is None and value is not None:
        raise invalid("/value", repr(value), "a number, or no value")
    return plain
