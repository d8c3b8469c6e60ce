"""The client that decides in its own process, with the service's engine, where guardrails allow it."""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Unpack
from urllib.parse import urlsplit

from msgspec import Raw, Struct
from msgspec.json import encode

from optimizer.client.answers import Batch, Decision, ItemProblem, Recipient, Source
from optimizer.client.calls import IDENTIFIER_PATTERN, RECIPIENT_PATTERN, checked, invalid
from optimizer.client.core import IDENTIFIER, Attributes, Options, check_listed, chunks_of, recipient_of
from optimizer.client.driving import Driver
from optimizer.client.errors import Finding, InvalidCall, QueueFull, SpoolError
from optimizer.client.exchange import Patience
from optimizer.client.holding import EVERY_SECONDS, Held, Holding, steady
from optimizer.client.progress import progress_of
from optimizer.client.reporting import CLOSING_SECONDS, MadeRecord
from optimizer.client.threads import Client
from optimizer.domain.decision import Attributes as KnownAttributes
from optimizer.domain.instants import Instant, isoformat, moment
from optimizer.domain.reasons import Group
from optimizer.engine.apart import known
from optimizer.engine.choosing import Choice

log = logging.getLogger("optimizer.client")
CHUNK: Final = 5_000
MOST_AGE_SECONDS: Final = 30.0
_IN_ONE_RECORD: Final = 1_000
_IDENTIFIER, _RECIPIENT_ID = (re.compile(pattern[1:-1]) for pattern in (IDENTIFIER_PATTERN, RECIPIENT_PATTERN))
_RECIPIENT: Final = "1 to 128 letters, digits or any of . _ : @ + = / ~ | -"


class _Made(Struct, frozen=True, omit_defaults=True, gc=False):
    """A decision as it is uploaded."""

    person: str
    request_id: str
    decided_at: str
    decision_id: str
    group: str
    reason: str
    variant: str | None = None
    segment: str | None = None
    propensity: float | None = None
    attributes: Mapping[str, str | float | bool] = {}
    exclude: tuple[str, ...] = ()
    defer_exposure: bool = False


class LocalClient(Client):
    """Decides here where it may, asks the service where it must, and gives the fallback when nobody answers.

    What is decided here is what the service would have decided: same variant, propensity and decision id. It is
    written down before it is given, and uploaded in the background; give a `spool`, so that it outlives the process.

    Args:
        campaigns: that may be decided here, if their guardrails allow it; see `reasons`.
        url: of the service, over TLS: what it answers holds the secret of the installation.
        key: with the scopes ``evaluate_locally``, and ``decide`` and ``report_outcomes`` for all else.
        most_age: seconds after which nobody decides by what the service has not confirmed: in this time a pause, a stop
            or an unsubscription gets here. The service allows at most 30.
        every: seconds between two questions whether something has changed.
        plain_http: allow a URL without TLS that leads to another machine.
        options: see `Options`.

    Raises:
        InvalidCall: something of this is not allowed.
        SpoolError: the spool cannot be used.
    """

    def __init__(
        self,
        campaigns: Iterable[str],
        url: str | None = None,
        key: str | None = None,
        *,
        most_age: float = MOST_AGE_SECONDS,
        every: float = EVERY_SECONDS,
        plain_http: bool = False,
        **options: Unpack[Options],
    ) -> None:
        check_listed("campaigns", campaigns, "a list of campaigns")
        names = [checked(IDENTIFIER_PATTERN, "campaigns", name, IDENTIFIER) for name in campaigns]
        super().__init__(url, key, **options)
        if not plain_http and not _is_safe(self._url):
            super().close(0.0)
            raise invalid("url", self._url[:60], "https://, or plain_http=True: the answers hold a secret")
        patience = Patience(self._patience.timeouts, self._patience.retries, steady, self._patience.chance)
        self._asking = Driver(self._url, self._key)
        self._holding = Holding(names, self._asking, patience, most_age, every)

    def reasons(self, timeout: float = 10.0) -> Mapping[str, str | None]:
        """By campaign, why the service must decide; None where this process may. Waits for the first answers."""
        self._holding.wait(timeout)
        return self._holding.reasons()

    def decide(  # noqa: D102 - as `Client.decide`
        self,
        campaign: str,
        recipient: str,
        *,
        attributes: Attributes | None = None,
        request_id: str | None = None,
        exclude: Iterable[str] = (),
        consent: Mapping[str, bool] | None = None,
        time_zone: str | None = None,
        defer_exposure: bool = False,
    ) -> Decision:
        request_id = request_id or secrets.token_hex(16)
        one = recipient_of(recipient, attributes, request_id, exclude, consent, time_zone)
        usable = self._holding.usable(campaign, steady())
        if usable is not None and known(one.attributes, usable[0].asks):
            held, at = usable
            problem = _problem(held, one, request_id)
            if problem is not None:
                raise problem
            try:
                return self._decided(held, at, [one], [request_id], deferred=defer_exposure)[0]
            except (QueueFull, SpoolError) as error:
                log.warning("decided by the service, as this process cannot keep it: %s", error)
        return self._driver.run(self._deciding(campaign, one, deferred=defer_exposure))

    def decide_many(  # noqa: D102 - as `Client.decide_many`
        self,
        campaign: str,
        recipients: Iterable[str | Recipient],
        *,
        request_id: str | None = None,
        defer_exposure: bool = False,
        progress: bool = False,
        chunk: int = CHUNK,
    ) -> Batch:
        name = request_id or secrets.token_hex(16)
        found: list[Decision | ItemProblem] = []
        with progress_of(campaign, recipients, shown=progress) as done:
            for some in chunks_of(recipients, chunk):
                found += self._chunk(campaign, some, name, deferred=defer_exposure)
                done(len(some))
        self._reporter.sync()
        return Batch(name, found)

    def close(self, timeout: float = CLOSING_SECONDS) -> bool:
        """Upload and deliver what waits, and close; whether nothing was left. A spool keeps what was."""
        self._holding.close()
        self._asking.close()
        return super().close(timeout)

    def _chunk(
        self, campaign: str, some: Sequence[Recipient], name: str, *, deferred: bool
    ) -> list[Decision | ItemProblem]:
        """Decide for some: here for whom that may be done here, by the service for the others."""
        usable = self._holding.usable(campaign, steady())
        found: list[Decision | ItemProblem | None] = [None] * len(some)
        if usable is not None:
            found = self._here(*usable, some, [one.request_id or name for one in some], deferred=deferred)
        there = [n for n, one in enumerate(found) if one is None]
        if there:
            chunks = chunks_of([some[n] for n in there], _IN_ONE_RECORD)
            asked = self._driver.run(self._deciding_many(campaign, chunks, name, _nobody, deferred=deferred))
            for n, one in zip(there, asked.decisions, strict=True):
                found[n] = one
        return found  # type: ignore[return-value]

    def _here(
        self, held: Held, at: Instant, some: Sequence[Recipient], ids: Sequence[str], *, deferred: bool
    ) -> list[Decision | ItemProblem | None]:
        """What can be decided here, and what cannot be decided at all; None where the service must be asked."""
        found: list[Decision | ItemProblem | None] = [None] * len(some)
        here: Sequence[int] = range(len(some))
        if held.asks:
            here = [n for n, one in enumerate(some) if known(one.attributes, held.asks)]
        if not _all_allowed(held, some, ids):
            for n in here:
                problem = _problem(held, some[n], ids[n])
                found[n] = None if problem is None else ItemProblem(some[n].id, str(problem))
            here = [n for n in here if found[n] is None]
        is_all = len(here) == len(some)
        mine, names = (some, ids) if is_all else ([some[n] for n in here], [ids[n] for n in here])
        try:
            decided = self._decided(held, at, mine, names, deferred=deferred)
        except (QueueFull, SpoolError) as error:
            log.warning("decided by the service, as this process cannot keep it: %s", error)
            return found
        if is_all:
            return [*decided]
        for n, decision in zip(here, decided, strict=True):
            found[n] = decision
        return found

    def _decided(
        self,
        held: Held,
        at: Instant,
        some: Sequence[Recipient],
        request_ids: Sequence[str],
        *,
        deferred: bool,
    ) -> list[Decision]:
        """Decide here, and keep it for the upload.

        Raises:
            QueueFull: it cannot be kept, so nothing is decided.
            SpoolError: likewise.
        """
        attributes = [_without_unknown(one.attributes) for one in some]
        excluded = [one.exclude for one in some]
        given = held.apart.decide([one.id for one in some], request_ids, attributes, excluded, at)
        shown, text = _Shown(held, at), isoformat(at)
        # By identity: contacts alike share one choice.
        different = {id(choice): choice for choice in given.choices}
        kinds = {place: shown.of(choice) for place, choice in different.items()}
        of_each = [kinds[id(choice)] for choice in given.choices]
        decisions = [Decision(id_, *kind) for id_, kind in zip(given.decision_ids, of_each, strict=True)]
        made = [
            _Made(person, name, text, id_, kind[5], kind[7], kind[1], kind[4], kind[6], said, unwanted, deferred)
            for person, name, id_, kind, said, unwanted in zip(
                given.persons, request_ids, given.decision_ids, of_each, attributes, excluded, strict=True
            )
        ]
        campaign, number = held.apart.basis.campaign_id, held.number
        parts = [made[start : start + _IN_ONE_RECORD] for start in range(0, len(made), _IN_ONE_RECORD)]
        records = [encode(MadeRecord(campaign, number, len(part), Raw(encode(part)))) for part in parts]
        self._reporter.report(records)
        return decisions


class _Shown:
    """Choices as callers see them, at one instant."""

    def __init__(self, held: Held, at: Instant) -> None:
        basis = held.apart.basis
        self._words, self._campaign, self._snapshot = held.words, basis.campaign_id, basis.snapshot.snapshot_id
        self._at, self._expires = moment(at), moment(at + basis.tactic.reward_rule.window)

    def of(self, choice: Choice) -> tuple[Any, ...]:
        """All of a decision but its id."""
        variant, message, targeting = (None, None, None) if choice.arm is None else self._words[choice.arm]
        by_human = "human" if choice.group is Group.CHOSEN_BY_PEOPLE else None
        retry_at: datetime | None = None if choice.retry_at is None else moment(choice.retry_at)
        return (
            self._campaign,
            variant,
            message,
            targeting,
            choice.segment_id,
            choice.group.value,
            choice.propensity,
            choice.reason.value,
            self._snapshot if choice.drawn else None,
            self._at,
            self._expires,
            retry_at,
            "policy" if choice.drawn else by_human,
            None,
            Source.LOCAL,
        )


def _all_allowed(held: Held, some: Sequence[Recipient], request_ids: Sequence[str]) -> bool:
    """Whether `_problem` finds nothing in any of many requests; False where that has to be looked at one by one."""
    names = {variant for one in some if one.exclude for variant in one.exclude}
    names.update(request_ids)
    if not (all(map(_IDENTIFIER.fullmatch, names)) and all(map(_RECIPIENT_ID.fullmatch, [one.id for one in some]))):
        return False
    return held.apart.all_allowed([one.attributes for one in some if one.attributes])


def _problem(held: Held, one: Recipient, request_id: str) -> InvalidCall | None:
    """What is wrong with a request, as the service would say it."""
    try:
        checked(RECIPIENT_PATTERN, "/recipient", one.id, _RECIPIENT)
        checked(IDENTIFIER_PATTERN, "/request_id", request_id, IDENTIFIER)
        for variant in one.exclude:
            checked(IDENTIFIER_PATTERN, "/exclude", variant, IDENTIFIER)
    except InvalidCall as error:
        return error
    problem = held.apart.problem_of(one.attributes)
    if problem is None:
        return None
    return InvalidCall(str(problem), tuple(Finding(f.pointer, f.found, f.allowed) for f in problem.findings))


def _without_unknown(attributes: dict[str, str | float | bool | None]) -> KnownAttributes:
    if None not in attributes.values():
        return attributes  # type: ignore[return-value]
    return {name: value for name, value in attributes.items() if value is not None}


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read along."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return parts.scheme == "https" or is_here


def _nobody(_: int) -> None:
    """Nobody is told."""
