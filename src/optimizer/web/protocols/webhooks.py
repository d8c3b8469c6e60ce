"""Routes that e-mail providers report to. The signature is the credential: there is no API key."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import Field, ValidationError

from optimizer.deployment import now
from optimizer.domain.event_ids import event_id_of
from optimizer.domain.instants import instant
from optimizer.errors import InvalidRequest, NotFound, OptimizerError, RequestFinding
from optimizer.services.live import Live
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.services.providers import mailgun, postmark, resend, sendgrid, ses, standard
from optimizer.services.providers.arrivals import Arrival, Heard, Provider, json_of
from optimizer.storage.store import Ledger
from optimizer.strategy.documents import Strategy
from optimizer.web.desk import Desk
from optimizer.web.fast.answering import outcome_report
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.protocols.amazon import Amazon, fetch_over_https
from optimizer.web.protocols.senders import SIGNED, Senders
from optimizer.web.security import TheDesk
from optimizer.web.shapes.answers import Out, StatusOut
from optimizer.web.shapes.findings import item_findings
from optimizer.web.shapes.rendering import json_answer, status_json
from optimizer.web.shapes.requests import MOST_ITEMS, OutcomeIn

MOST_BYTES: Final = 2 * 1024 * 1024  # no provider sends more than 768 KiB at once

_SAID: Final[dict[int | str, str]] = {
    401: "Nothing proves that the provider sent this, or not lately.",
    404: "OPTIMIZER_WEBHOOKS holds no secret of this provider.",
    429: "Too many wrong signatures from this address, or more than this worker can take now.",
}
_RESPONSES: Final = PROBLEMS | {status: {**PROBLEMS[status], "description": said} for status, said in _SAID.items()}
router = APIRouter(prefix="/v1/webhooks", route_class=JsonRoute, responses=_RESPONSES, tags=["webhooks"])
_ANY_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "What the provider posts, to the byte: its signature is of these bytes.",
        "content": {"application/json": {"schema": {}}},
    }
}


class WebhookOut(Out):
    """What became of a provider's events. Whatever is in here is durable."""

    outcomes: list[StatusOut] = Field(description="What became of each event that is an outcome, in their order.")
    ignored: dict[str, int] = Field(
        description="How many events say nothing that is counted here, by what the provider calls them.",
        examples=[{"group_resubscribe": 1}],
    )


def senders_of(request: Request) -> Senders:
    """What the app that serves a request knows of senders."""
    state = request.app.state
    if not hasattr(state, "senders"):
        desk: Desk = state.desk
        state.senders = Senders(desk.webhooks, desk.keys.strangers)
        state.amazon = Amazon(getattr(state, "fetch", fetch_over_https))
    found: Senders = state.senders
    return found


TheSenders = Annotated[Senders, Depends(senders_of)]


@router.post("/sendgrid", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_sendgrid(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """SendGrid's Event Webhook, signed. The decision's id comes back from `custom_args.decision_id`."""
    return await _taken(request, desk, senders, sendgrid)


@router.post("/mailgun", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_mailgun(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """Mailgun's webhooks, signed. The decision's id comes back from the variable `v:decision_id`."""
    return await _taken(request, desk, senders, mailgun)


@router.post("/postmark", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_postmark(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """Postmark's webhooks, with user name and password. The decision's id comes back from `Metadata.decision_id`."""
    return await _taken(request, desk, senders, postmark, "Basic")


@router.post("/resend", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_resend(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """Resend's webhooks, signed. The decision's id comes back from the tag `decision_id`."""
    return await _taken(request, desk, senders, resend)


@router.post("/ses", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_ses(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """Events of Amazon SES, as messages of an SNS topic of yours, signed. A subscription of ours is confirmed.

    The decision's id comes back from the message tag `decision_id`.
    """
    topics = senders.secrets(ses.NAME)
    arrival = await _arrival(request)
    amazon: Amazon = request.app.state.amazon
    with senders.judging(request):
        message = ses.message_of(topics, arrival)
        if not amazon.knows(message.certificate_url):
            senders.admit(request)
        ses.verify(message, await amazon.certificate(message.certificate_url), arrival)
    if message.subscribe_url is not None:
        await amazon.confirm(message.subscribe_url)
    return await _recorded(desk, ses.hear(message, arrival.at))


@router.post("/standard", response_model=WebhookOut, openapi_extra=_ANY_BODY)
async def take_standard(request: Request, desk: TheDesk, senders: TheSenders) -> Any:
    """Anything signed as Standard Webhooks says: an event `{type, timestamp, data}`, or a body of `POST /v1/outcomes`.

    The strategy's `events` say which outcome a type is; `data.decision_id` names the decision.
    """
    secrets = senders.secrets(standard.NAME)
    arrival = await _arrival(request)
    with senders.judging(request):
        standard.verify(secrets, arrival)
    if (own := _own_reports(arrival)) is not None:
        return await _recorded(desk, Heard(own, {}))
    strategy = await desk.read(_strategy)
    return await _recorded(desk, standard.hear(arrival, strategy))


async def _taken(
    request: Request, desk: Desk, senders: Senders, provider: Provider, challenge: str = SIGNED
) -> Response:
    secrets = senders.secrets(provider.NAME)
    arrival = await _arrival(request)
    with senders.judging(request, challenge):
        token = provider.verify(secrets, arrival)
        with senders.tokens.use(token, arrival.body):
            return await _recorded(desk, provider.hear(arrival))


async def _recorded(desk: Desk, heard: Heard) -> Response:
    """The answer once everything heard is durable.

    Raises:
        OptimizerError: some of it is not; the provider may send all of it again.
    """
    if len(heard.reports) > MOST_ITEMS:
        found = f"{len(heard.reports):,} events"
        raise InvalidRequest(RequestFinding("/", found, f"at most {MOST_ITEMS:,} in one request"))
    recorded: list[Recorded] = []
    for one in await desk.record(heard.reports):
        if isinstance(one, OptimizerError):
            raise one
        recorded.append(one)
    return json_answer({"outcomes": [status_json(one) for one in recorded], "ignored": dict(heard.ignored)})


async def _arrival(request: Request) -> Arrival:
    """The request, to the byte.

    Raises:
        HTTPException: 413, it is too large.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            detail = f"body: found more than {MOST_BYTES:,} bytes; allowed at most that many"
            raise HTTPException(413, detail, headers={"Connection": "close"})
    return Arrival(request.headers, bytes(body), now())


def _strategy(ledger: Ledger, live: Live) -> Strategy:
    workspace = live.at(ledger).workspace
    if workspace is None:
        raise NotFound("strategy: found none in force; allowed one applied with `optimizer apply`")
    return workspace.strategy


def _own_reports(arrival: Arrival) -> list[OutcomeReport] | None:
    """Reports in our own words, as `POST /v1/outcomes` takes them; None for anything else.

    One without an `event_id` is named after its message.

    Raises:
        InvalidRequest: some report is malformed.
    """
    said = json_of(arrival.body)
    if not isinstance(said, dict) or not ("outcomes" in said or "kind" in said):
        return None
    if "kind" in said:
        said = {"outcomes": [{"event_id": event_id_of(standard.NAME, arrival.headers["webhook-id"]), **said}]}
    reports: list[OutcomeReport] = []
    items = said["outcomes"] if isinstance(said["outcomes"], list) else [said["outcomes"]]
    for n, item in enumerate(items):
        try:
            outcome = OutcomeIn.model_validate(item)
        except ValidationError as error:
            raise InvalidRequest(
                *(RequestFinding(f"/outcomes/{n}{f.pointer}", f.found, f.allowed) for f in item_findings(error))
            ) from None
        reports.append(outcome_report(outcome, instant(outcome.occurred_at)))
    return reports
