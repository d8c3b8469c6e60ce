"""Routes of the OpenFeature remote evaluation protocol (OFREP): campaigns as flags of any OpenFeature SDK.

A campaign is two flags: `winback`, whose value is the words, and `winback:variant`, whose value is the variant's id;
both give the same decision. One flag alone is a decision like any other. All flags together are for pages that may or
may not show them: those decisions wait for their exposure, and campaigns that count contacts, sends or money are only
asked when the context names them (docs/decisions/0035).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from optimizer.deployment import now
from optimizer.domain.decision import Attributes
from optimizer.domain.instants import HOUR, Instant, bucket
from optimizer.domain.outcome import EXPOSED
from optimizer.domain.reasons import Reason
from optimizer.engine.tactic import Tactic
from optimizer.errors import InvalidRequest, NotFound, OptimizerError, RequestFinding
from optimizer.guardrails.budget import Span, periods_containing
from optimizer.services.decisions.deciding import Answer, DecisionRequest
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Loaded
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.strategy.attributes import check_attributes
from optimizer.web.desk import Desk
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import MEDIA_TYPE, PROBLEMS, problem, problem_of
from optimizer.web.protocols.ofrep_answers import (
    VARIANT_FLAG,
    ContextIn,
    ErrorCode,
    EvaluationIn,
    FlagOut,
    FlagProblem,
    FlagsOut,
    answer_flag_problem,
    failure_json,
    flags_json,
)
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.findings import findings_of
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import AttributesIn, known

_LASTING = frozenset({Reason.HOLDOUT, Reason.WITHHELD})  # decided by chance: who asks again must not draw again
_ATTRIBUTES: TypeAdapter[dict[str, Any]] = TypeAdapter(AttributesIn)


def _flag_problems() -> dict[int | str, dict[str, Any]]:
    """The problems of these routes, some of them with what the protocol adds."""
    schema = FlagProblem.model_json_schema(ref_template="#/components/schemas/{model}")
    del schema["$defs"]  # the document has them already
    content = {MEDIA_TYPE: {"schema": schema}}
    badly = "The protocol's errors: a context without targetingKey, one that is not allowed, or no JSON."
    return {
        **PROBLEMS,
        400: {"description": badly, "content": content},
        404: {"description": "There is no such flag.", "content": content},
    }


class FlagRoute(JsonRoute):
    """A route whose refusals are those of the protocol: 400 or 404, with a code that SDKs know."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with our errors in the protocol's words."""
        handler = super().get_route_handler()

        async def worded(request: Request) -> Response:
            try:
                return await handler(request)
            except (RequestValidationError, OptimizerError, HTTPException) as error:
                refused = _refused(error)
                if refused is None:  # 401, 429 and the like are the same everywhere
                    raise
                return answer_flag_problem(*refused, key=request.path_params.get("key"))

        return worded


router = APIRouter(prefix="/ofrep/v1", tags=["OpenFeature"], route_class=FlagRoute, responses=_flag_problems())


@router.post("/evaluate/flags/{key:path}", response_model=FlagOut, dependencies=[Depends(requires(Scope.DECIDE))])
async def evaluate_flag(key: str, asked: EvaluationIn, desk: TheDesk) -> Any:
    """Which variant for this person? A decision that counts; who asks again on the same day gets the same.

    There is no `value` when there is nothing to send.
    """
    loaded = await desk.read(lambda ledger, live: live.at(ledger))
    campaign_id = key.removesuffix(VARIANT_FLAG)
    tactic = loaded.tactic(campaign_id)
    context = _context(asked)
    (answer,) = await _answers(desk, loaded, context, [campaign_id], deferred=False)
    if answer.decision.deferred and tactic.reward_rule.counts_from == "decision":
        decision_id = answer.decision.decision_id  # as `POST /v1/decisions/{id}/expose` would have it
        await desk.record([OutcomeReport(f"expose:{decision_id}", EXPOSED, now(), decision_id=decision_id)])
    (flag,) = flags_json(answer, key)
    return json_answer(flag)


@router.post(
    "/evaluate/flags", response_model=FlagsOut, responses={304: {"description": "What you have is still right."}}
)
async def evaluate_flags(
    asked: EvaluationIn,
    desk: TheDesk,
    caller: Annotated[Caller, Depends(requires(Scope.DECIDE))],
    if_none_match: Annotated[str | None, Header(description="The `ETag` of the answer you have.")] = None,
) -> Any:
    """Every flag of this person, for a page that may show some of them.

    Nothing counts as shown before `POST /v1/decisions/{decision_id}/expose` says so. Campaigns that count contacts,
    sends or money are asked only when `campaigns` of the context names them.
    """
    loaded = await desk.read(lambda ledger, live: live.at(ledger))
    context = _context(asked)
    flags: list[dict[str, Any]] = []
    asking: list[str] = []
    for campaign_id in dict.fromkeys(loaded.tactics if context.campaigns is None else context.campaigns):
        failure = _not_asked(loaded, campaign_id, named=context.campaigns is not None)
        flags += [failure_json(key, *failure) for key in _keys_of(campaign_id) if failure is not None]
        asking += [campaign_id] if failure is None else []
    caller.owe(max(len(asking) - 1, 0))
    for campaign_id, answer in zip(asking, await _answers(desk, loaded, context, asking, deferred=True), strict=True):
        flags += flags_json(answer, *_keys_of(campaign_id))
    body = orjson.dumps({"flags": flags})
    tag = f'"{sha256(body).hexdigest()[:32]}"'  # of another context it is another one: decision ids are nobody else's
    if tag in _tags(if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def _context(asked: EvaluationIn) -> ContextIn:
    """Whom the flags are asked for.

    Raises:
        MissingTargetingKey: nobody is named.
    """
    if asked.context is None or asked.context.targeting_key is None:
        raise MissingTargetingKey
    return asked.context


class MissingTargetingKey(InvalidRequest):
    """A context that says of nobody who it is about."""

    def __init__(self) -> None:
        super().__init__(RequestFinding("/context/targetingKey", "nothing", "your id of the person"))


def _not_asked(loaded: Loaded, campaign_id: str, *, named: bool) -> tuple[ErrorCode, str] | None:
    """Why a request for all flags does not ask a campaign; None when it does."""
    try:
        tactic = loaded.tactic(campaign_id)
    except NotFound as error:
        return "FLAG_NOT_FOUND", str(error)
    if named or not _uses_up(tactic):
        return None
    return "GENERAL", (
        f"campaigns: found none named; allowed {campaign_id!r} in the context's `campaigns`, when the page is about to "
        "show it: it counts contacts, sends or money"
    )


def _uses_up(tactic: Tactic) -> bool:
    """Whether decisions of a campaign use up contacts, sends or money that others would have had."""
    counts_sends = any(limit.allowance.sends is not None for limit in tactic.budget_limits)
    return bool(tactic.contact_limits or counts_sends or tactic.most.any())


async def _answers(
    desk: Desk, loaded: Loaded, context: ContextIn, campaign_ids: Sequence[str], *, deferred: bool
) -> list[Answer]:
    """What each campaign decides for a person, once for a day; what had nothing to send is asked again.

    Raises:
        OptimizerError: there is no answer.
    """
    at, attributes = now(), _declared(loaded, context)

    def request(campaign_id: str, request_id: str) -> DecisionRequest:
        return DecisionRequest(
            campaign_id=campaign_id,
            recipient=context.targeting_key or "",
            request_id=context.request_id or request_id,
            attributes=attributes,
            deferred=deferred,
            consent=context.consent or {},
            time_zone=context.time_zone,
        )

    ids = [_request_id(loaded.tactics[campaign_id], context.consent or {}, at) for campaign_id in campaign_ids]
    answers = [result_of([found]) for found in await desk.decide(list(map(request, campaign_ids, ids)))]
    again = [
        n
        for n, answer in enumerate(answers)
        if context.request_id is None and _may_differ_by_now(answer, attributes, at)
    ]
    if again:
        suffix = f"{at // HOUR % 24}:{_digest(sorted(attributes.items()))}"
        asked = [request(campaign_ids[n], f"{ids[n]}:{suffix}") for n in again]
        for n, found in zip(again, await desk.decide(asked), strict=True):
            answers[n] = result_of([found])
    return answers


def _request_id(tactic: Tactic, consent: Mapping[str, bool], at: Instant) -> str:
    """The same for a day, and while what may be sent stays the same: a pause shows at once, and so does its end."""
    limits = tactic.limits
    sendable = [
        *zip(tactic.variant_ids, tactic.content_hashes, strict=True),
        *(limits.status, tactic.pinned, sorted(consent.items())),
        *(column.tolist() for column in (limits.approved, limits.paused, limits.retired)),
    ]
    return f"ofrep:{periods_containing(at, tactic.zone)[Span.DAY]}:{_digest(sendable)}"


def _may_differ_by_now(answer: Answer, attributes: Attributes, at: Instant) -> bool:
    """Whether there was nothing to send for a reason that may be gone: the hour is another, or more is known."""
    decision = answer.decision
    if decision.variant_id is not None or decision.reason in _LASTING:
        return False
    known_then = decision.attributes
    differs = any(known_then.get(name) != value for name, value in attributes.items())
    return differs or bucket(decision.decided_at) != bucket(at)


def _declared(loaded: Loaded, context: ContextIn) -> Attributes:
    """The declared attributes of a context; SDKs send much else.

    Raises:
        InvalidRequest: a value of one is not allowed.
    """
    given = {name: value for name, value in (context.model_extra or {}).items() if name in loaded.declared}
    try:
        attributes = known(_ATTRIBUTES.validate_python(given))
    except ValidationError as error:
        details = [{**detail, "loc": ("body", "context", *detail["loc"])} for detail in error.errors()]
        raise InvalidRequest(*findings_of(details)) from None
    findings = check_attributes(loaded.declared, attributes, "/context")
    if findings:
        raise InvalidRequest(*findings)
    return attributes


def _refused(error: Exception) -> tuple[dict[str, Any], ErrorCode] | None:
    """The problem and the protocol's code of an error it has words for."""
    if isinstance(error, RequestValidationError):
        details = error.errors()
        if any(detail["type"] == "json_invalid" for detail in details):
            return problem(400, "not-json", "body: found text that is not JSON; allowed JSON in UTF-8"), "PARSE_ERROR"
        error = InvalidRequest(*findings_of(details))
    elif isinstance(error, HTTPException):
        if error.status_code == 400:
            return problem(400, "not-json", "body: found bytes that are not JSON in UTF-8"), "PARSE_ERROR"
        error = error.__cause__ if isinstance(error.__cause__, OptimizerError) else error
    if isinstance(error, NotFound):
        return problem_of(error), "FLAG_NOT_FOUND"
    if isinstance(error, InvalidRequest):
        code: ErrorCode = "TARGETING_KEY_MISSING" if isinstance(error, MissingTargetingKey) else "INVALID_CONTEXT"
        return problem(400, "invalid-request", str(error), error.findings), code
    return None


def _keys_of(campaign_id: str) -> tuple[str, str]:
    return campaign_id, campaign_id + VARIANT_FLAG


def _tags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}


def _digest(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:12]
