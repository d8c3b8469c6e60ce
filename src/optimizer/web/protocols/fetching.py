"""Routes for systems that ask while they send: one flat object, whatever happens.

They ask again and again, wait for a second or two, and send on with nothing when they get anything but a 200. So this
route waits for a short while, and then says what may be sent without a decision: control, where no guardrail could
object, and otherwise nothing (docs/decisions/0040).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from optimizer.deployment import now
from optimizer.domain.decision import AttributeValue
from optimizer.domain.instants import HOUR, MINUTE, Instant, isoformat
from optimizer.domain.reasons import Block, Reason
from optimizer.errors import InvalidRequest, NotFound, OptimizerError, Overloaded, Unavailable
from optimizer.guardrails.budget import Span, periods_containing
from optimizer.services.decisions.deciding import Answer, DecisionRequest
from optimizer.services.decisions.falling_back import NOBODY, control_of, control_seen, forbidden_by, only_control
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Loaded
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.strategy.attributes import check_attributes
from optimizer.strategy.audience import Attribute, BooleanAttribute, NumberAttribute
from optimizer.strategy.fields import time_zones
from optimizer.strategy.variants import Variant
from optimizer.strategy.yaml.source import shortened
from optimizer.web.desk import Desk
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import Out
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import IDENTIFIER_PATTERN

T = TypeVar("T")
DECIDING_SECONDS = 1.2  # the most impatient of those who ask waits for two seconds in all
LOOKING_SECONDS = 0.4
MOST_WAIT_SECONDS = 0.5  # for the rate of a key
MOST_LOOKS = 8  # at the ledger at once, in times of trouble; they must not make it worse
ONE_SENDING = MINUTE  # all parts of one mail are rendered in less
MOST_SHOWN = 3  # mistakes in one answer

INVALID = "invalid_request"
BUSY = "overloaded"
TOO_FAST = "rate_limited"

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?")
_TRUTH: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
_looks = asyncio.Semaphore(MOST_LOOKS)

router = APIRouter(prefix="/v1/decide", tags=["decisions"], responses=PROBLEMS)


class FetchedOut(Out):
    """What to send, on one level. Texts that are not there are empty, so that templates can show all of them."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "send": True,
                "decision_id": "9f3c0b5a2f7d4e1896d2c7a4b1e0f355",
                "campaign": "winback",
                "variant": "ten-percent:morning",
                "message": "ten-percent",
                "targeting": "morning",
                "subject": "We saved you 10%",
                "body": "Hi …",
                "segment": "lapsed",
                "group": "learning",
                "propensity": 0.625,
                "reason": "exploit",
                "detail": "",
                "snapshot": "winback:12",
                "decided_at": "2026-12-01T09:00:00.000000Z",
                "retry_at": "",
                "targeting_slot": "08:00-11:00",
            }
        },
    )

    send: bool = Field(description="Whether anything may be sent. Where it is false, send nothing, whatever you have.")
    decision_id: str = Field(description="Of the decision; put it into every link. Empty where nothing was decided.")
    campaign: str = Field(description="The campaign that was asked.")
    variant: str = Field(description="What to send; empty: nothing.")
    message: str = Field(description="Id of the variant's message.")
    targeting: str = Field(description="Id of the variant's targeting; empty where the campaign has none.")
    subject: str = Field(description="Subject line. Further texts of the message follow as `field_<name>`.")
    body: str = Field(description="Text.")
    segment: str = Field(description="The segment the recipient is in.")
    group: str = Field(description="`learning` or a holdout.")
    propensity: float | None = Field(description="Probability with which this variant was drawn.")
    reason: str = Field(
        description="Why it came out so: a reason of a decision, or why control came instead of one: "
        f"`{INVALID}`, `{TOO_FAST}`, `{BUSY}`, `{Reason.LEDGER_UNAVAILABLE}`."
    )
    detail: str = Field(description="What was wrong with the request or the service, in a sentence.")
    snapshot: str = Field(description="What had been learned when it was decided.")
    decided_at: str = Field(description="When it was decided.")
    retry_at: str = Field(description="When asking again may give something to send, if known.")


class Asked(NamedTuple):
    """A request, and what is wrong with it, in a sentence; empty when nothing is."""

    request: DecisionRequest
    wrong: str


class FetchIn(BaseModel):
    """What is asked. Every other parameter is an attribute."""

    model_config = ConfigDict(frozen=True)

    recipient: str = Field(pattern=RECIPIENT_PATTERN, description="Your id of the person.", examples=["customer-4711"])
    request_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._:-]{0,64}$",
        description="Your id of this sending: repeating it repeats the answer. "
        "Without one, the answer repeats until midnight in the strategy's time zone, for as long as it may be sent.",
    )
    time_zone: str = Field(default="", max_length=200, description="The recipient's IANA time zone.")
    consent: str = Field(
        default="",
        max_length=20,
        description="`true` or `false`: whether the recipient agreed to the channel. A no always wins.",
    )
    defer_exposure: bool = Field(default=False, description="Count it as a trial only once it was exposed.")
    checked: bool = Field(
        default=False,
        description="You have made sure yourself that this recipient has not unsubscribed. Then control may come even "
        "while the ledger cannot be read, where nothing else could forbid it.",
    )


@router.get("/{campaign_id}", response_model=FetchedOut)
async def fetch_decision(
    campaign_id: Annotated[str, Path(pattern=IDENTIFIER_PATTERN, examples=["winback"])],
    said: Annotated[FetchIn, Query()],
    http: Request,
    desk: TheDesk,
    caller: Annotated[Caller, Depends(requires(Scope.DECIDE, rated=False))],
) -> Any:
    """What to send this recipient, on one level, for templates. Every other parameter is a declared attribute.

    Safe to repeat: the answer stays the same. Trouble of the service, or an attribute that is not as declared, gives
    control with the reason, and never a 429 or 503; what a guardrail forbids has `send: false` and no words.
    """
    attributes = {name: text for name, text in http.query_params.items() if name not in FetchIn.model_fields}
    at = now()

    def asked_of(loaded: Loaded) -> Asked:
        return _asked(loaded, campaign_id, said, attributes, at)

    rule = None
    try:
        await _take(caller)
        asked, answer = await _answered(desk, asked_of)
        if answer is not None and not said.request_id and at - answer.decision.decided_at > ONE_SENDING:
            answer, rule = await _by_now(desk, asked.request, answer, at)
    except Unavailable as error:
        control = None
        with suppress(NotFound):  # nothing was ever loaded
            control = await _control(desk, asked_of(desk.live.latest).request, checked=said.checked)
        return json_answer(_flat(campaign_id, control, _reason(error), str(error)))
    if answer is None:
        return json_answer(_flat(campaign_id, None, INVALID, asked.wrong))
    if rule is not None:
        return json_answer(_flat(campaign_id, None, rule, asked.wrong))
    return json_answer(_flat_decision(answer, asked.wrong))


async def _answered(desk: Desk, asked_of: Callable[[Loaded], Asked]) -> tuple[Asked, Answer | None]:
    """The request by the documents in force, and the decision; None where control is nothing and would be needed.

    Raises:
        NotFound: no such campaign.
        Unavailable: there was no answer in time.
    """
    with suppress(NotFound, InvalidRequest):  # by the documents seen last, which may have changed
        asked = asked_of(desk.live.latest)
        if not asked.wrong:
            return asked, await _decided(desk, asked.request)
    loaded = await _within(LOOKING_SECONDS, desk.read(lambda ledger, live: live.at(ledger)))
    asked = asked_of(loaded)
    if asked.wrong:
        tactic = loaded.tactic(asked.request.campaign_id)
        if tactic.control is None:
            return asked, None
        asked = asked._replace(request=only_control(tactic, asked.request))
    return asked, await _decided(desk, asked.request)


async def _by_now(desk: Desk, request: DecisionRequest, answer: Answer, at: Instant) -> tuple[Answer, Block | None]:
    """What was decided earlier today, perhaps for another sending: the rule that forbids it by now, if one does.

    Where there was nothing to send, it is decided anew in every later hour.
    """
    decision = answer.decision
    if answer.variant is not None:
        look = desk.read(lambda ledger, live: forbidden_by(ledger, live, request, decision, at))
        return answer, await _within(LOOKING_SECONDS, look)
    if at // HOUR == decision.decided_at // HOUR:
        return answer, None
    return await _decided(desk, request._replace(request_id=f"{request.request_id}:{at // HOUR % 24}")), None


async def _decided(desk: Desk, request: DecisionRequest) -> Answer:
    return result_of(await _within(DECIDING_SECONDS, desk.decide([request])))


async def _take(caller: Caller) -> None:
    """Count a request against the rate of the key, for which it waits a moment if need be."""
    wait = caller.take(1)
    if wait and wait <= MOST_WAIT_SECONDS:
        await asyncio.sleep(wait)
        wait = caller.take(1)
    if wait:
        allowed = f"{caller.bucket.rate.per_second:,} a second"
        raise TooFast(f"rate: found more than the rate of key {caller.name}; allowed {allowed}")


class TooFast(Overloaded):
    """The key has nothing left of its rate."""


async def _control(desk: Desk, request: DecisionRequest, *, checked: bool) -> Variant | None:
    """Control, where no guardrail could object; None where one might."""
    if not _looks.locked():
        with suppress(Unavailable):
            async with _looks:
                look = desk.read(lambda ledger, live: control_seen(ledger, live, request, now()))
                return await _within(LOOKING_SECONDS, look)
    return control_of(desk.live, desk.live.latest, request, NOBODY, now()) if checked else None


async def _within(seconds: float, work: Awaitable[T]) -> T:
    """The result, if it comes in time; what was begun is finished all the same.

    Raises:
        Unavailable: it did not.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear of an error
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        raise Unavailable(f"ledger: found no answer after {seconds} seconds; allowed so long at most")
    return task.result()


def _asked(loaded: Loaded, campaign_id: str, said: FetchIn, texts: Mapping[str, str], at: Instant) -> Asked:
    """What a query string asks, by the documents.

    Raises:
        NotFound: no such campaign.
    """
    tactic = loaded.tactic(campaign_id)
    wrong: list[str] = []
    attributes: dict[str, AttributeValue] = {}
    for name, text in texts.items():
        declared = loaded.declared.get(name)
        if declared is not None and not text:
            continue  # a template's way to say that it is not known
        value = text if declared is None else _typed(declared, text)
        findings = check_attributes(loaded.declared, {name: value})
        wrong += [f"{shortened(name)}: found {finding.found}; allowed {finding.allowed}" for finding in findings]
        if not findings:
            attributes[name] = value
    zone = said.time_zone if said.time_zone in time_zones() else None
    if said.time_zone and zone is None:
        wrong.append(f"time_zone: found {shortened(said.time_zone)}; allowed an IANA time zone such as Europe/Paris")
    agreed = _TRUTH.get(said.consent.lower())
    if said.consent and agreed is None:
        wrong.append(f"consent: found {shortened(said.consent)}; allowed true or false")
    request = DecisionRequest(
        campaign_id,
        said.recipient,
        said.request_id or f"fetch:{periods_containing(at, tactic.zone)[Span.DAY]}",
        attributes,
        deferred=said.defer_exposure,
        consent={} if agreed is None else {tactic.campaign.channel: agreed},
        time_zone=zone,
    )
    return Asked(request, "; ".join(wrong[:MOST_SHOWN]))


def _typed(declared: Attribute, text: str) -> AttributeValue:
    """A text as the type that is declared; as it is where it cannot be that."""
    if isinstance(declared, NumberAttribute):
        return float(text) if _NUMBER.fullmatch(text) else text
    if isinstance(declared, BooleanAttribute):
        return _TRUTH.get(text.lower(), text)
    return text


def _reason(error: OptimizerError) -> str:
    if isinstance(error, TooFast):
        return TOO_FAST
    return BUSY if isinstance(error, Overloaded) else Reason.LEDGER_UNAVAILABLE


def _flat(campaign_id: str, variant: Variant | None, reason: str, detail: str) -> dict[str, Any]:
    """See `FetchedOut`; without a decision."""
    empty = dict.fromkeys(FetchedOut.model_fields, "")
    flat: dict[str, Any] = {**empty, "propensity": None, "send": variant is not None}
    flat |= {"campaign": campaign_id, "reason": reason, "detail": detail}
    if variant is not None:
        message, targeting = variant.message, variant.targeting
        flat |= {f"field_{name}": text for name, text in (message.fields or {}).items()}
        flat |= {"variant": variant.variant_id, "message": message.id}
        flat |= {"subject": message.subject or "", "body": message.body or ""}
        if targeting is not None:
            flat |= {f"targeting_{name}": text for name, text in (targeting.fields or {}).items()}
            flat["targeting"] = targeting.id
    return flat


def _flat_decision(answer: Answer, wrong: str) -> dict[str, Any]:
    decision = answer.decision
    reason = INVALID if wrong and answer.variant is not None else decision.reason
    flat = _flat(decision.campaign_id, answer.variant, reason, wrong)
    return flat | {
        "decision_id": decision.decision_id,
        "segment": decision.segment_id or "",
        "group": decision.group or "",
        "propensity": decision.propensity,
        "snapshot": decision.snapshot_id or "",
        "decided_at": isoformat(decision.decided_at),
        "retry_at": "" if decision.retry_at is None else isoformat(decision.retry_at),
    }
