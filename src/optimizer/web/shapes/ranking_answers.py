"""The shape of a ranking: what a person may offer to a recipient."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from optimizer.domain.reasons import Block, Group
from optimizer.web.shapes.answers import MessageOut, Out, TargetingOut


class RankedVariantOut(Out):
    """One variant that may be offered."""

    variant: str = Field(description="The variant.")
    message: MessageOut = Field(description="Its words.")
    targeting: TargetingOut | None = Field(
        description="Where, when and how; null where the campaign has no targetings."
    )
    p_best: float = Field(description="Posterior probability that it is the best of those that may be offered.")
    expected_reward: float = Field(description="Of one trial in the segment, in `unit`, less the penalties.")
    low: float = Field(description="90 % of the posterior of that lies between `low` and `high`.")
    high: float = Field(description="See `low`.")
    trials: float = Field(description="Of the segment's learning group, that this rests on.")
    allocation: float = Field(description="Probability with which `POST /v1/decisions` would draw it.")
    why: str = Field(description="Why it stands where it does.")


class RemovedVariantOut(Out):
    """One variant that may not be offered."""

    variant: str = Field(description="The variant.")
    rule: Block | Group = Field(description="The rule that removed it, or the group that gets control alone.")
    why: str = Field(description="Why, in a sentence.")


class RankingOut(Out):
    """What may be offered to a recipient, the likeliest best first. Nothing was drawn and nothing was written."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "campaign": "winback",
                "request_id": "call-4711",
                "ranked_at": "2026-12-01T09:00:00.000000Z",
                "snapshot": "winback:12",
                "segment": "lapsed",
                "group": "learning",
                "offer": "1 of 2 variants may be offered.",
                "unit": "share of trials",
                "variants": [
                    {
                        "variant": "ten-percent",
                        "message": {"id": "ten-percent", "subject": "We saved you 10%", "body": "Hi …", "fields": {}},
                        "targeting": None,
                        "p_best": 1.0,
                        "expected_reward": 0.041,
                        "low": 0.032,
                        "high": 0.051,
                        "trials": 1230.0,
                        "allocation": 1.0,
                        "why": "the only one that no rule removes; 4.1 % expected from 1,230 trials",
                    }
                ],
                "withheld": 0.0,
                "removed": [
                    {"variant": "hello", "rule": "excluded_by_caller", "why": "the request excludes it"},
                ],
                "retry_at": None,
            }
        }
    )

    campaign: str = Field(description="The campaign that was asked.")
    request_id: str = Field(description="Record the choice under this one.")
    ranked_at: datetime = Field(description="When this was found.")
    snapshot: str = Field(description="The snapshot this rests on.")
    segment: str | None = Field(description="Null outside the audience.")
    group: Group = Field(description="The group the recipient is in.")
    offer: str = Field(description="What may be offered, in one sentence.")
    unit: str = Field(description="What `expected_reward` is counted in: `share of trials`, `rewards`, or a currency.")
    variants: list[RankedVariantOut] = Field(description="What may be offered, the likeliest best first.")
    withheld: float = Field(description="Probability with which a draw would send nothing, to keep scarce budget.")
    removed: list[RemovedVariantOut] = Field(description="What may not.")
    retry_at: datetime | None = Field(description="When asking again may give a variant, if known.")
