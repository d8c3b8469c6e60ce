"""From what was asked to the bytes of the answer: what FastAPI's routes and the hot handler do alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeGuard

import orjson
from fastapi import Response

from optimizer.deployment import now, random_id
from optimizer.domain.instants import SECOND, Instant
from optimizer.domain.micros import micros
from optimizer.errors import Draining, OptimizerError, Overloaded, Unavailable
from optimizer.services.decisions.deciding import Answer, DecisionRequest
from optimizer.services.group_commit import result_of
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.web.desk import Desk
from optimizer.web.fast import wire
from optimizer.web.problems import problem_of
from optimizer.web.shapes import requests
from optimizer.web.shapes.rendering import decision_json, status_json, unanswered_json

AT_ONCE = 500  # items encoded before others are served


class Answered(NamedTuple):
    """The JSON of a 200.

    Attributes:
        retry_after_seconds: when asking again may give another answer, if it may.
    """

    body: bytes
    retry_after_seconds: int | None = None


def answer_json(answered: Answered) -> Response:
    """The HTTP answer that carries it."""
    retry_after = answered.retry_after_seconds
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Response(answered.body, media_type="application/json", headers=headers)


class Refused(NamedTuple):
    """An item of a batch that nobody need decide on."""

    recipient: str | None
    error: OptimizerError


def decision_request(
    campaign_id: str,
    item: requests.DecisionItem | wire.DecisionItem,
    request_id: str | None = None,
    *,
    deferred: bool = False,
) -> DecisionRequest:
    """What the house is asked for one recipient; `request_id` and `deferred` are those of a batch."""
    given = item.request_id or request_id
    return DecisionRequest(  # in the order of the fields: names would take longer
        campaign_id,
        item.recipient,
        given or random_id(),
        requests.known(item.attributes),
        item.exclude,
        item.defer_exposure or deferred,
        item.consent,
        item.time_zone,
        None,
        None,
        given is None,
    )


def outcome_report(outcome: requests.OutcomeIn | wire.OutcomeIn, occurred_at: Instant) -> OutcomeReport:
    """What the house is told of one outcome.

    Raises:
        ValueError: the value is no amount.
    """
    return OutcomeReport(  # in the order of the fields: names would take longer
        outcome.event_id,
        outcome.kind,
        occurred_at,
        outcome.decision_id,
        outcome.recipient,
        outcome.campaign,
        None if outcome.value is None else micros(outcome.value),
        outcome.currency,
        outcome.reverses,
        outcome.machine,
    )


async def answer_one(desk: Desk, request: DecisionRequest) -> Answered:
    """See `answers.DecisionOut`.

    Raises:
        OptimizerError: there is no answer; nothing was written.
    """
    done = desk.ask(request)
    await asyncio.wait([done])
    return answered_one(request, done.result)


def answered_one(request: DecisionRequest, answers: Callable[[], Sequence[Any]]) -> Answered:
    """What a caller is told once the house is done with a request.

    Args:
        request: the request.
        answers: gives the one answer to it, or raises what kept everyone from getting any.

    Raises:
        OptimizerError: there is no answer; nothing was written.
    """
    try:
        answer = result_of(answers())
    except Unavailable as error:
        if not _out_of_reach(error):
            raise
        return Answered(orjson.dumps(_unanswered(request, error)), error.retry_after_seconds)
    return Answered(orjson.dumps(decision_json(answer)))


async def answer_many(desk: Desk, asked: Sequence[DecisionRequest | Refused]) -> Answered:
    """See `answers.DecisionsOut`.

    Raises:
        OptimizerError: there is no answer to any of them; nothing was written.
    """
    usable = [one for one in asked if isinstance(one, DecisionRequest)]
    try:
        results = iter(await desk.decide(usable))
    except Unavailable as error:
        if not _out_of_reach(error):
            raise
        results = iter([error] * len(usable))
    parts, retry_after = [], None
    for start in range(0, len(asked), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        answers: list[orjson.Fragment | dict[str, Any]] = []
        for one in asked[start : start + AT_ONCE]:
            if isinstance(one, Refused):
                answers.append(_refused(one.recipient, one.error))
            elif isinstance(result := next(results), Answer):
                answers.append(decision_json(result))
            elif _out_of_reach(result):
                answers.append(_unanswered(one, result))
                retry_after = result.retry_after_seconds
            else:
                answers.append(_refused(one.recipient, result))
        parts.append(orjson.dumps(answers)[1:-1])  # together: a text for each would take three times as long
    return Answered(b'{"decisions":[' + b",".join(parts) + b"]}", retry_after)


async def record(desk: Desk, reports: Sequence[OutcomeReport | Recorded]) -> Answered:
    """See `answers.OutcomesOut`.

    Raises:
        OptimizerError: nothing of it was recorded, or not all of it; the same reports may be sent again.
    """
    recorded = iter(await desk.record([report for report in reports if isinstance(report, OutcomeReport)]))
    statuses = [status_json(next(recorded) if isinstance(one, OutcomeReport) else one) for one in reports]
    return Answered(orjson.dumps({"outcomes": statuses}))


def _out_of_reach(error: OptimizerError) -> TypeGuard[Unavailable]:
    """Whether the ledger could not be asked at all, so that nothing may be sent and nothing is known."""
    return isinstance(error, Unavailable) and not isinstance(error, Overloaded | Draining)


def _unanswered(request: DecisionRequest, error: Unavailable) -> dict[str, Any]:
    at = now()
    return unanswered_json(request, at, at + error.retry_after_seconds * SECOND)


def _refused(recipient: str | None, error: OptimizerError) -> dict[str, Any]:
    return {"recipient": recipient, "error": problem_of(error)}
