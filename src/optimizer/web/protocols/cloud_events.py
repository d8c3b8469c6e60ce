"""Routes for CloudEvents 1.0, one or many, in any of the three ways they travel over HTTP.

In structured mode the body is the event, in batched mode a list of events, and in binary mode the body is the event's
data and everything else stands in headers ``ce-…``. See https://github.com/cloudevents/spec, version 1.0.2.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from optimizer.deployment import now
from optimizer.domain.event_ids import event_id_of
from optimizer.domain.instants import Instant, instant
from optimizer.domain.outcome import Receipt
from optimizer.errors import Conflict, InvalidRequest, RequestFinding
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.strategy.documents import Strategy
from optimizer.strategy.events import mapped
from optimizer.strategy.yaml.source import shortened
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import Out
from optimizer.web.shapes.findings import item_findings
from optimizer.web.shapes.rendering import json_answer, status_json
from optimizer.web.shapes.requests import MOST_ITEMS, Identifier, Recipient, TimeIn

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
SOURCE: Final = "cloudevents"
IGNORED: Final = "ignored"
_HEADER: Final = "ce-"
_VERSION: Final = "ce-specversion"  # only binary mode has it in a header
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")

router = APIRouter(prefix="/v1", tags=["outcomes"], route_class=JsonRoute, responses=PROBLEMS)


class CloudEventIn(BaseModel):
    """An event. Its `type` is what the strategy's `events` call it; extensions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    specversion: Literal["1.0"]
    id: StrictStr = Field(min_length=1, max_length=1_024, description="Unique for its source.")
    source: StrictStr = Field(min_length=1, max_length=2_048, examples=["/shops/7"])
    type: StrictStr = Field(min_length=1, max_length=200, examples=["com.acme.order.completed"])
    subject: StrictStr | None = Field(
        default=None, max_length=2_048, description="The decision_id, unless `data` says whom it is about."
    )
    time: TimeIn | None = Field(default=None, description="When it happened; by default now.")
    datacontenttype: StrictStr | None = Field(default=None, max_length=200)
    data: Any = Field(
        default=None,
        description="An object that may have `decision_id`, or `recipient` with `campaign`; `value` and `currency`, or "
        "the properties that `events` names; `machine`; and `reverses`, the id of an event of the same source.",
    )
    data_base64: StrictStr | None = Field(default=None, description="The data in Base64, instead.")


class _About(BaseModel):
    """What data may say of the decision an event belongs to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    decision_id: Identifier | None = None
    recipient: Recipient | None = None
    campaign: Identifier | None = None
    reverses: StrictStr | None = None
    machine: StrictBool = False


class CloudEventStatus(Out):
    """What became of one event."""

    id: str | None = Field(description="Its id, as it was sent.")
    source: str | None = Field(description="Its source, as it was sent.")
    event_id: str | None = Field(description="The id it is recorded under here; the same event always has the same.")
    status: Receipt | Literal["ignored"] = Field(
        description="See `POST /v1/outcomes`; `ignored`: the strategy says nothing of this type."
    )
    detail: str | None = Field(description="Why, where it was not accepted.")


class CloudEventsOut(Out):
    """What became of each event, in order."""

    events: list[CloudEventStatus] = Field(description="One for each event.")


_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": CloudEventIn.model_json_schema()},
            BATCHED: {
                "schema": {
                    "type": "array",
                    "items": {"description": "An event, as in structured mode."},
                    "maxItems": MOST_ITEMS,
                }
            },
        },
    }
}


_QUIET: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "All of it is durable, and there is no event in reply: the answer to `Prefer: reply`."}
}


@router.options("/events", include_in_schema=False)
async def allow_cloud_events() -> Response:
    """Says that events may be sent, as senders ask that must not flood whoever has not agreed, such as Event Grid.

    It says nothing of who may: the key does, which comes with each event.
    See https://github.com/cloudevents/spec, HTTP 1.1 Web Hooks for Event Delivery, section 4.
    """
    return Response(headers={"Allow": "POST", "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})


@router.post("/events", response_model=CloudEventsOut, openapi_extra=_BODY, responses=_QUIET)
async def take_cloud_events(
    http: Request, desk: TheDesk, caller: Annotated[Caller, Depends(requires(Scope.REPORT_OUTCOMES))]
) -> Any:
    """CloudEvents 1.0 as outcomes: structured, batched (up to 10,000), or binary with `ce-…` headers.

    Safe to repeat: an event is known by its source and id. Each gets its own status, as in `POST /v1/outcomes`. Whoever
    says `Prefer: reply`, as Knative does, takes the body of an answer for an event, and so gets 202 without one.
    """
    sent, quiet = await _sent(http), _takes_replies(http)
    caller.owe(max(len(sent) - 1, 0))
    loaded = await desk.read(lambda ledger, live: live.at(ledger))
    if loaded.workspace is None:
        raise Conflict("strategy: found none in force; allowed once `optimizer apply` has been run")
    at, strategy = now(), loaded.workspace.strategy
    found: list[OutcomeReport | dict[str, Any]] = []
    for one in sent:
        try:
            found.append(_report(strategy, one, at))
        except InvalidRequest as error:
            if quiet and len(sent) == 1:  # it would be lost, and nobody told
                raise
            found.append({"event_id": None, "status": Receipt.REJECTED, "detail": str(error)})
    recorded = iter(await desk.record([report for report in found if isinstance(report, OutcomeReport)]))
    statuses = [status_json(next(recorded)) if isinstance(each, OutcomeReport) else each for each in found]
    if quiet:
        return Response(status_code=202)
    return json_answer({"events": [{**_named(one), **status} for one, status in zip(sent, statuses, strict=True)]})


async def _sent(http: Request) -> list[Any]:
    """The events of a request, as they were sent.

    Raises:
        HTTPException: the body is not JSON.
        InvalidRequest: it is neither an event nor a list of them, or there are too many.
    """
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in (STRUCTURED, BATCHED) or (kind == "application/json" and _VERSION not in http.headers):
        body = await _json(http)
        if isinstance(body, list) and kind != STRUCTURED:
            if len(body) <= MOST_ITEMS:  # none is a batch, too
                return body
        elif kind != BATCHED:
            return [_whole(body)]
        found = f"a list of {len(body):,}" if isinstance(body, list) else "no list"
        raise InvalidRequest(RequestFinding("/", found, f"a list of at most {MOST_ITEMS:,} events"))
    if _VERSION not in http.headers or kind.startswith("application/cloudevents"):
        found, allowed = shortened(kind) or "none", f"{STRUCTURED}, {BATCHED}, or ce-… headers with the data as body"
        raise InvalidRequest(RequestFinding("Content-Type", found, allowed))
    event: dict[str, Any] = {
        name.removeprefix(_HEADER): _unescaped(value)
        for name, value in http.headers.items()
        if name.startswith(_HEADER)
    }
    if _is_json(kind) and await http.body():
        event["data"] = await _json(http)
    return [_whole(event)]


def _takes_replies(http: Request) -> bool:
    """Whether the sender takes the body of an answer for an event in reply, and anything else in it for a failure."""
    said = ",".join(http.headers.getlist("prefer")).lower()
    return "reply" in (one.strip() for one in said.split(","))


def _unescaped(value: str) -> str:
    """The value of an attribute in a header, which may be quoted, and is percent-encoded."""
    quoted = _QUOTED.fullmatch(value)
    return unquote(value if quoted is None else _ESCAPED.sub(r"\1", quoted[1]))


async def _json(http: Request) -> Any:
    try:
        return await http.json()
    except ValueError:
        raise HTTPException(400) from None


def _whole(event: Any) -> Any:
    """An event that came alone; what is none is refused as a whole, so that its sender sees it at once."""
    try:
        CloudEventIn.model_validate(event)
    except ValidationError as error:
        raise InvalidRequest(*item_findings(error)) from None
    return event


def _report(strategy: Strategy, sent: Any, at: Instant) -> OutcomeReport | dict[str, Any]:
    """The outcome an event is; or its status, if it is none.

    Raises:
        InvalidRequest: it is no event, or says nothing that can be used of whom it is about.
    """
    try:
        event = CloudEventIn.model_validate(sent)
        data = _data_of(event)
        about = _About.model_validate(data)
    except ValidationError as error:
        raise InvalidRequest(*item_findings(error)) from None
    event_id = event_id_of(SOURCE, event.source, event.id)
    outcome = mapped(strategy, event.type, data, "/data")
    if outcome is None:
        detail = f"type: found {shortened(event.type)}; allowed those that the strategy's `events` name"
        return {"event_id": event_id, "status": IGNORED, "detail": detail}
    return OutcomeReport(
        event_id=event_id,
        kind=outcome.kind,
        occurred_at=at if event.time is None else instant(event.time),
        **_addressed(event, about),
        value=outcome.value_micros,
        currency=outcome.currency,
        reverses=None if about.reverses is None else event_id_of(SOURCE, event.source, about.reverses),
        machine=about.machine,
    )


def _addressed(event: CloudEventIn, about: _About) -> dict[str, str | None]:
    """Whom an event is about: what its data say goes before its subject."""
    if about.decision_id is not None:
        return {"decision_id": about.decision_id}
    if about.recipient is not None and about.campaign is not None:
        return {"recipient": about.recipient, "campaign_id": about.campaign}
    try:
        return {"decision_id": _About(decision_id=event.subject or "").decision_id}
    except ValidationError:
        found = shortened(event.subject) if event.subject else "none"
        allowed = "a decision_id, unless data has decision_id, or recipient and campaign"
        raise InvalidRequest(RequestFinding("/subject", found, allowed)) from None


def _data_of(event: CloudEventIn) -> Mapping[str, Any]:
    """The data, if they are an object; nothing else says anything here."""
    data = event.data
    if event.data_base64 is not None and _is_json(event.datacontenttype or "application/json"):
        try:
            data = orjson.loads(b64decode(event.data_base64, validate=True))
        except ValueError:
            raise InvalidRequest(RequestFinding("/data_base64", "no such data", "JSON in Base64")) from None
    return data if isinstance(data, dict) else {}


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _named(sent: Any) -> dict[str, str | None]:
    """How an event that may be none calls itself."""
    told = sent if isinstance(sent, dict) else {}
    return {name: value if isinstance(value := told.get(name), str) else None for name in ("id", "source")}
