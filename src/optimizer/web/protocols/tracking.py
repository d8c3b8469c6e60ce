"""Routes that Segment's and RudderStack's SDKs speak to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from optimizer.deployment import now
from optimizer.domain.happenings import Happening
from optimizer.engine.behaviour import Behaviour
from optimizer.engine.plausibility import Values
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.policy.draw import recipient_keys
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live, Loaded
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.services.recipients.behaviour import note
from optimizer.services.recipients.memberships import seen
from optimizer.storage.store import Ledger
from optimizer.strategy.sources import speaks_for
from optimizer.web.desk import Desk
from optimizer.web.fast.answering import AT_ONCE
from optimizer.web.problems import PROBLEMS
from optimizer.web.protocols.tracking_answers import BATCH, ITEM, TrackedOut, body_schema
from optimizer.web.protocols.tracking_bodies import SdkRoute, sdk_body
from optimizer.web.protocols.tracking_items import IDENTIFY, TRACK, Identified, Reading, Tracked, item_read
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import MOST_ITEMS

_UNSUPPORTED: dict[int | str, dict[str, Any]] = {
    415: {**PROBLEMS[400], "description": "The body is packed in a way that nobody here can unpack."}
}
router = APIRouter(prefix="/v1", tags=["tracking"], route_class=SdkRoute, responses={**PROBLEMS, **_UNSUPPORTED})
_Reporter = Annotated[Caller, Depends(requires(Scope.REPORT_OUTCOMES))]
_MOST_PROBLEMS = 100  # that an answer repeats


@dataclass
class _Heard:
    """What a request came to.

    Attributes:
        numbers: of the item that each report or saying was.
        seen: how many items became what.
        problems: what could not be used, and why; of the first of them.
    """

    reports: list[OutcomeReport] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    identified: list[Identified] = field(default_factory=list)
    behaviour: list[tuple[str, Happening]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, number: int, status: str, detail: str | None) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append({"item": number, "status": status, "detail": detail})


@router.post("/batch", response_model=TrackedOut, openapi_extra=body_schema(BATCH))
async def batch(request: Request, desk: TheDesk, caller: _Reporter) -> Any:
    """What an SDK has gathered: `track` becomes outcomes or behaviour, `identify` attributes, the rest is ignored.

    Each item is judged alone: one that cannot be used is named in `problems` and does not keep the others out.
    """
    body = await sdk_body(request)
    items = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) > MOST_ITEMS:
        found = f"{len(items):,} items" if isinstance(items, list) else "no list"
        raise InvalidRequest(RequestFinding("/batch", found, f"a list of at most {MOST_ITEMS:,} items"))
    caller.owe(max(0, len(items) - 1))
    return await _heard(desk, caller, items, body)


@router.post("/track", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
async def track(request: Request, desk: TheDesk, caller: _Reporter) -> Any:
    """Something a person did: the outcome that `events` says it is."""
    return await _alone(request, desk, caller, TRACK)


@router.post("/identify", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
async def identify(request: Request, desk: TheDesk, caller: _Reporter) -> Any:
    """What is known of a person: traits that are declared attributes are kept, with their source and time."""
    return await _alone(request, desk, caller, IDENTIFY)


@router.post("/page", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
@router.post("/screen", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
@router.post("/group", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
@router.post("/alias", response_model=TrackedOut, openapi_extra=body_schema(ITEM))
async def ignore(request: Request, desk: TheDesk, caller: _Reporter) -> Any:
    """Accepted, so that no SDK fails, and ignored: nothing of it is kept."""
    return await _alone(request, desk, caller, request.url.path.rpartition("/")[2])


async def _alone(request: Request, desk: Desk, caller: Caller, kind: str) -> Any:
    body = await sdk_body(request)
    return await _heard(desk, caller, [body], {}, kind)


async def _heard(
    desk: Desk, caller: Caller, items: Sequence[Any], envelope: dict[str, Any], kind: str | None = None
) -> Any:
    loaded = await desk.read(lambda ledger, live: live.at(ledger))
    reading = _reading(loaded, caller, envelope)
    heard = _Heard()
    for number, item in enumerate(items):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            _sort(heard, loaded, number, item_read(item, reading, kind))
        except InvalidRequest as error:
            if kind is not None:
                raise  # it is the only one
            heard.seen["rejected"] += 1
            heard.refuse(number, "rejected", str(error))
    recorded, _, _ = await asyncio.gather(
        desk.record(heard.reports), desk.hear([one.told for one in heard.identified]), _noted(desk, heard.behaviour)
    )
    for number, one in zip(heard.numbers, recorded, strict=True):
        became = one if isinstance(one, Recorded) else result_of([one])
        heard.seen[became.status] += 1
        if became.detail is not None:
            heard.refuse(number, became.status, became.detail)
    return json_answer(_answer(heard, len(items)))


def _reading(loaded: Loaded, caller: Caller, envelope: dict[str, Any]) -> Reading:
    strategy = loaded.strategy
    source: str | InvalidRequest
    try:
        source = speaks_for(strategy.sources, caller.name, least=True)
    except InvalidRequest as error:
        source = error
    return Reading(strategy, loaded.tactics, source, envelope, now())


def _sort(heard: _Heard, loaded: Loaded, number: int, read: Tracked | Identified | None) -> None:
    if isinstance(read, Identified):
        heard.identified.append(read)
        heard.seen["profiles"] += 1
        heard.seen["ignored_traits"] += read.ignored
        if read.findings:
            heard.refuse(number, "partly", str(InvalidRequest(*read.findings)))
    elif read is None:
        heard.seen["ignored"] += 1
    elif read.report is not None:
        heard.reports.append(read.report)
        heard.numbers.append(number)
    elif read.recipient is not None and _is_behaviour(read.happening, loaded.behaviour):
        value = read.happening.value if read.happening.reverses is None else None  # as of an outcome
        unbelievable = Values.of(loaded.strategy).objection(read.happening.kind, value, read.currency)
        if unbelievable is not None:
            heard.seen["rejected"] += 1
            heard.refuse(number, "rejected", unbelievable)
            return
        heard.behaviour.append((read.recipient, read.happening))
        heard.seen["behaviour"] += 1
    else:
        heard.seen["ignored"] += 1


def _is_behaviour(happening: Happening, behaviour: Behaviour | None) -> bool:
    """Whether an attribute may follow from it; what undoes another event may be called anything."""
    return behaviour is not None and (happening.reverses is not None or happening.kind in behaviour.kinds)


async def _noted(desk: Desk, behaviour: Sequence[tuple[str, Happening]]) -> None:
    if not behaviour:
        return

    def change(ledger: Ledger, live: Live) -> None:
        at = now()
        persons = recipient_keys(live.secret, [recipient for recipient, _ in behaviour])
        keys = live.at(ledger).pseudonyms.keys_of(persons)
        note(ledger, live, [one._replace(recipient_key=key) for key, (_, one) in zip(keys, behaviour, strict=True)], at)
        seen(ledger, live, [recipient for recipient, _ in behaviour], at)

    await desk.change(change)


def _answer(heard: _Heard, received: int) -> dict[str, Any]:
    counts = {
        name: heard.seen[name] for name in TrackedOut.model_fields if name not in ("success", "received", "problems")
    }
    return {"success": True, "received": received, **counts, "problems": heard.problems}
