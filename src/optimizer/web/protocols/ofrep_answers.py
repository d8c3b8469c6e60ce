"""What OpenFeature SDKs send and get: models of the remote evaluation protocol, and decisions in its words."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from optimizer.domain.instants import isoformat
from optimizer.domain.reasons import Reason
from optimizer.services.decisions.deciding import Answer
from optimizer.web.problems import answer_problem
from optimizer.web.shapes.answers import MessageOut, Problem, TargetingOut
from optimizer.web.shapes.rendering import words_json
from optimizer.web.shapes.requests import ConsentIn, Identifier, Recipient, TimeZoneIn

VARIANT_FLAG: Final = ":variant"  # after a campaign's id, which holds no colon: the flag whose value is a text
MOST_CAMPAIGNS: Final = 100  # that one request may name

FlagReason = Literal["SPLIT", "STATIC", "TARGETING_MATCH", "DEFAULT", "DISABLED"]
ErrorCode = Literal["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL"]

_SWITCHED_OFF: Final = frozenset(
    {Reason.STOPPED, Reason.PAUSED, Reason.REVIEW_OVERDUE, Reason.NOT_STARTED, Reason.ENDED}
)


class _Camel(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, allow_inf_nan=False)


class ContextIn(_Camel):
    """Whom the flags are asked for. Declared attributes are used; whatever else an SDK adds is ignored."""

    model_config = ConfigDict(extra="allow")

    targeting_key: Recipient | None = Field(
        default=None, description="Your id of the person; required. Only a keyed hash of it is kept."
    )
    time_zone: TimeZoneIn | None = Field(default=None, description="The recipient's IANA time zone.")
    consent: ConsentIn | None = Field(
        default=None, description="Whether the recipient agreed, by channel. A no always wins."
    )
    request_id: Identifier | None = Field(
        default=None,
        description="Same campaign, person and requestId: same decision, for ever. Without one, the decision is the "
        "same for a day of the strategy's time zone.",
    )
    campaigns: Annotated[list[Identifier], Field(max_length=MOST_CAMPAIGNS)] | None = Field(
        default=None,
        description="Of a request for all flags: those it is about, because they are going to be shown. Without it, "
        "those that count no contacts, sends or money.",
    )


class EvaluationIn(_Camel):
    """What the protocol asks with."""

    context: ContextIn | None = Field(
        default=None,
        description="Whom the flags are asked for.",
        examples=[{"targetingKey": "customer-4711", "country": "US"}],
    )


class WordsOut(_Camel):
    """The value of a campaign's flag."""

    message: MessageOut = Field(description="What to say.")
    targeting: TargetingOut | None = Field(
        description="Where, when and how; null where the campaign has no targetings."
    )


class MetadataOut(_Camel):
    """Of a decision, what an SDK hands on to hooks. All of it is flat, and what is not known is not there."""

    decision_id: str = Field(description="Report outcomes of this decision.")
    campaign: str = Field(description="The campaign that decided.")
    group: str = Field(description="`learning` or a holdout.")
    because: Reason = Field(description="Why it came out so, in the optimizer's own words.")
    propensity: float | SkipJsonSchema[None] = Field(
        default=None, description="Probability with which this variant was drawn."
    )
    segment: str | SkipJsonSchema[None] = Field(default=None, description="The segment the person is in.")
    snapshot: str | SkipJsonSchema[None] = Field(default=None, description="What had been learned when it was decided.")
    expires_at: str = Field(description="Outcomes after this instant come too late to count.")
    retry_at: str | SkipJsonSchema[None] = Field(
        default=None, description="When asking again may give a variant, if known."
    )


class FlagOut(_Camel):
    """One flag. There is no `value` when there is nothing to send: the SDK then gives the default of the code."""

    key: str = Field(description="The flag.")
    value: WordsOut | str | SkipJsonSchema[None] = Field(
        default=None, description="The words, or of a flag that ends in `:variant` the id of the variant."
    )
    variant: str = Field(description="The variant; empty when there is nothing to send.")
    reason: FlagReason = Field(description="Why, in the protocol's words.")
    metadata: MetadataOut = Field(description="What reporting and explaining needs.")


class FlagFailureOut(_Camel):
    """A flag among others that has no value; the others have."""

    key: str = Field(description="The flag.")
    error_code: ErrorCode = Field(description="Why, in the protocol's words.")
    error_details: str = Field(description="What was found, and what is allowed, in a sentence.")


class FlagsOut(_Camel):
    """Every flag that was asked for."""

    flags: list[FlagOut | FlagFailureOut] = Field(description="Two for each campaign: its words, and its variant.")


class FlagProblem(Problem):
    """A problem that OpenFeature SDKs can read, too."""

    key: str | None = Field(None, description="The flag that was asked for.")
    error_code: ErrorCode | None = Field(None, alias="errorCode", description="Why, in the protocol's words.")
    error_details: str | None = Field(None, alias="errorDetails", description="As `detail`.")


def flags_json(answer: Answer, *keys: str) -> list[dict[str, Any]]:
    """See `FlagOut`: a decision as the value of each of these flags."""
    decision, words = answer.decision, words_json(answer.variant).fields
    known = {
        "decisionId": decision.decision_id,
        "campaign": decision.campaign_id,
        "group": decision.group,
        "because": decision.reason,
        "propensity": decision.propensity,
        "segment": decision.segment_id,
        "snapshot": decision.snapshot_id,
        "expiresAt": isoformat(answer.expires_at),
        "retryAt": None if decision.retry_at is None else isoformat(decision.retry_at),
    }
    said = {
        "variant": decision.variant_id or "",
        "reason": flag_reason(answer),
        "metadata": {name: value for name, value in known.items() if value is not None},
    }
    if answer.variant is None:
        return [{"key": key, **said} for key in keys]
    return [{"key": key, "value": decision.variant_id if _is_text(key) else words, **said} for key in keys]


def flag_reason(answer: Answer) -> FlagReason:
    """Why a decision came out so, in the protocol's words; SDKs refuse any others."""
    reason = answer.decision.reason
    if answer.variant is None:
        return "DISABLED" if reason in _SWITCHED_OFF else "DEFAULT"
    if reason is Reason.PINNED:
        return "STATIC"
    return "TARGETING_MATCH" if reason is Reason.CHOSEN_BY_HUMAN else "SPLIT"


def failure_json(key: str, code: ErrorCode, details: str) -> dict[str, Any]:
    """See `FlagFailureOut`."""
    return {"key": key, "errorCode": code, "errorDetails": details}


def answer_flag_problem(body: dict[str, Any], code: ErrorCode, key: str | None) -> Response:
    """The HTTP answer that carries a problem, as the protocol wants it; see `FlagProblem`."""
    named = {} if key is None else {"key": key}
    return answer_problem({**body, **named, "errorCode": code, "errorDetails": body["detail"]})


def _is_text(key: str) -> bool:
    return key.endswith(VARIANT_FLAG)
