"""Every call as a value: what is sent, and how what comes back is read. Nothing here knows a socket or a clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from optimizer.client.answers import (
    LEDGER_UNAVAILABLE,
    Decision,
    ItemProblem,
    ProblemBody,
    Recipient,
    Recorded,
    Uploaded,
)
from optimizer.client.errors import (
    Conflict,
    Finding,
    InvalidCall,
    MissingScope,
    NotFound,
    Refused,
    Unavailable,
    Unintelligible,
    WrongKey,
)

T = TypeVar("T")
MOST_ITEMS = 10_000
# As the service allows; a test holds them side by side.
IDENTIFIER_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
RECIPIENT_PATTERN = r"^[A-Za-z0-9._:@+=/~|-]{1,128}$"
KIND_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"
_PROBLEM = "application/problem+json"
_REFUSALS: Mapping[int, type[Refused]] = {401: WrongKey, 403: MissingScope, 404: NotFound, 409: Conflict}
_INVALID = frozenset({400, 413, 422})
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call. It may be sent again and again: ids in it make the service do it once.

    Attributes:
        read: gives the result of a reply that is no error.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class _Batch(Struct):
    decisions: list[Raw]


class _ItemError(Struct):
    error: ProblemBody
    recipient: str | None = None


class _Recorded(Struct):
    outcomes: list[Recorded]


class _Uploaded(Struct):
    decisions: list[Uploaded]


_DECISION, _BATCH, _ITEM_ERROR = Decoder(Decision), Decoder(_Batch), Decoder(_ItemError)
_RECORDED, _UPLOADED, _PROBLEM_BODY = Decoder(_Recorded), Decoder(_Uploaded), Decoder(ProblemBody)


def decide_call(campaign: str, recipient: Recipient, request_id: str, *, deferred: bool) -> Call[Decision]:
    """`POST /v1/decisions`."""
    body = {"campaign": campaign, **_item(recipient, deferred=deferred), "request_id": request_id}
    return Call("POST", "/v1/decisions", _read_decision, encode(body, enc_hook=_not_json), _JSON)


def decide_many_call(
    campaign: str, recipients: Sequence[Recipient], request_id: str, *, deferred: bool
) -> Call[list[Decision | ItemProblem]]:
    """`POST /v1/decisions/batch`, of at most `MOST_ITEMS`."""
    items = [_item(one, deferred=deferred) for one in recipients]
    body = {"campaign": campaign, "request_id": request_id, "recipients": items}
    return Call("POST", "/v1/decisions/batch", _read_batch, encode(body, enc_hook=_not_json), _JSON)


def outcomes_call(outcomes: Sequence[Raw]) -> Call[list[Recorded]]:
    """`POST /v1/outcomes`."""
    body = encode({"outcomes": outcomes})
    return Call("POST", "/v1/outcomes", lambda reply: _RECORDED.decode(reply.body).outcomes, body, _JSON)


def upload_call(campaign: str, bundle: int, decisions: Raw) -> Call[list[Uploaded]]:
    """`POST /v1/decisions/upload`."""
    body = encode({"campaign": campaign, "bundle": bundle, "decisions": decisions})
    return Call("POST", "/v1/decisions/upload", lambda reply: _UPLOADED.decode(reply.body).decisions, body, _JSON)


def bundle_call(campaign: str, etag: str | None) -> Call[Reply]:
    """`GET /v1/bundle/{campaign}`; a 304 where the bundle is still that of the ETag."""
    headers = {} if etag is None else {"If-None-Match": etag}
    return Call("GET", f"/v1/bundle/{campaign}", lambda reply: reply, headers=headers)


def read_reply(call: Call[T], reply: Reply) -> T:
    """The result of a call.

    Raises:
        Refused: the service said no.
        Unavailable: it, or something in front of it, could not say.
    """
    status = reply.status
    if status < 300 or status == 304:
        try:
            return call.read(reply)
        except msgspec.MsgspecError as error:
            raise Unintelligible(f"{call.path}: found an answer that nobody can read: {error}") from None
    if status in _LATER:
        raise Unavailable(f"{call.path}: {_detail(reply)}", _retry_after(reply))
    if not reply.headers.get("content-type", "").startswith(_PROBLEM):
        raise Unintelligible(f"{call.path}: found status {status} without a problem; allowed an answer of the service")
    detail, findings = _problem(reply)
    if status in _INVALID:
        raise InvalidCall(detail, findings)
    raise _REFUSALS.get(status, Refused)(detail)


def checked(pattern: str, pointer: str, value: object, allowed: str) -> str:
    """A text that fits a pattern.

    Raises:
        InvalidCall: it does not.
    """
    if isinstance(value, str) and re.fullmatch(pattern[1:-1], value):
        return value
    raise invalid(pointer, repr(value)[:60], allowed)


def invalid(pointer: str, found: str, allowed: str) -> InvalidCall:
    """An error about one mistake."""
    return InvalidCall(f"{pointer}: found {found}; allowed {allowed}", (Finding(pointer, found, allowed),))


def _not_json(value: object) -> object:
    raise invalid("/attributes", f"a value of type {type(value).__name__}", "text, numbers, True, False and None")


def _item(recipient: Recipient, *, deferred: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"recipient": recipient.id}
    if recipient.request_id is not None:
        item["request_id"] = recipient.request_id
    if recipient.attributes:
        item["attributes"] = recipient.attributes
    if recipient.exclude:
        item["exclude"] = recipient.exclude
    if recipient.consent:
        item["consent"] = recipient.consent
    if recipient.time_zone is not None:
        item["time_zone"] = recipient.time_zone
    if deferred:
        item["defer_exposure"] = True
    return item


def _read_decision(reply: Reply) -> Decision:
    decision = _DECISION.decode(reply.body)
    if decision.reason == LEDGER_UNAVAILABLE:
        raise Unavailable("/v1/decisions: the service cannot reach its ledger", _retry_after(reply))
    return decision


def _read_batch(reply: Reply) -> list[Decision | ItemProblem]:
    found: list[Decision | ItemProblem] = []
    for raw in _BATCH.decode(reply.body).decisions:
        try:
            one = _DECISION.decode(raw)
        except msgspec.ValidationError:
            problem = _ITEM_ERROR.decode(raw)
            found.append(ItemProblem(problem.recipient, problem.error.detail))
            continue
        if one.reason == LEDGER_UNAVAILABLE:
            raise Unavailable("/v1/decisions/batch: the service cannot reach its ledger", _retry_after(reply))
        found.append(one)
    return found


def _retry_after(reply: Reply) -> float | None:
    said = reply.headers.get("retry-after", "")
    return float(said) if said.isdecimal() else None


def _problem(reply: Reply) -> tuple[str, tuple[Finding, ...]]:
    try:
        body = _PROBLEM_BODY.decode(reply.body)
    except msgspec.MsgspecError:
        return f"status {reply.status}", ()
    errors = body.errors or []
    return body.detail, tuple(Finding(*(str(e.get(name, "")) for name in Finding._fields)) for e in errors)


def _detail(reply: Reply) -> str:
    is_ours = reply.headers.get("content-type", "").startswith(_PROBLEM)
    return _problem(reply)[0] if is_ours else f"status {reply.status}"
