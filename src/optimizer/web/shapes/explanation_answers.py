"""The shape of an explanation: why a decision came out as it did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from optimizer.domain.reasons import Block
from optimizer.web.shapes.answers import DecisionOut, Out


class VariantExplainedOut(Out):
    """One variant of one decision."""

    variant_id: str = Field(description="The variant.")
    removed_by: Block | None = Field(description="The rule that removed it; null if it could be chosen.")
    mean: float = Field(description="Posterior mean of the reward of a trial.")
    low: float = Field(description="Lower end of its credible interval.")
    high: float = Field(description="Upper end of its credible interval.")
    trials: float = Field(description="Exposed decisions of the campaign that this rests on.")
    elsewhere: float = Field(description="Trials made elsewhere that it rests on too, as many as they count for.")
    p_best: float = Field(description="Posterior probability to be the best.")
    allocation: float = Field(description="Probability to be drawn.")


class RecomputedOut(Out):
    """The decision computed again from its snapshot and request."""

    same: bool | None = Field(description="null: its recipient is erased, so that nobody can compute it again.")


class StepOut(Out):
    """What one step made of the shares."""

    step: str = Field(
        description="`posterior`: P(best) of all variants; a rule: of those it left; then `price`, `top_two`, "
        "`minimum_trials`, `floor`, `cap`, `largest_change`, those that are in force.",
        examples=["posterior", "quiet_hours", "price", "floor", "cap"],
    )
    removed: list[str] = Field(description="Variants the rule removed.")
    shares: dict[str, float] = Field(description="Share of each variant after this step.")
    withheld: float = Field(description="Share that sends nothing.")


class CommitmentOut(Out):
    """What a decision to send uses up: a contact, a send, and at most this much money."""

    channel: str = Field(description="The channel it is sent on.")
    most: float = Field(description="The most it can cost, in the strategy's currency.")
    reserved: float = Field(description="Money that may yet become due.")
    settled: float = Field(description="Money that is due.")
    closes_at: datetime = Field(description="After this, what did not become due is free again.")
    withdrawn: bool = Field(description="Whether it turned out not to be sent.")


class CircumstancesOut(Out):
    """What was known of the recipient's situation."""

    time_zone: str | None = Field(description="IANA time zone, if known.")
    consent: bool | None = Field(description="To the campaign's channel; null when nobody had said.")
    rollout_share: float = Field(description="Share of the recipients that took part.")


class ExplanationOut(Out):
    """Why a decision came out as it did."""

    decision: DecisionOut = Field(description="As it was answered.")
    attributes: dict[str, Any] = Field(description="What the segment rules saw.")
    removed: dict[str, Block] = Field(description="Rule that removed each variant that could not be chosen.")
    variants: list[VariantExplainedOut] = Field(description="Empty when nothing was drawn.")
    steps: list[StepOut] = Field(description="The shares before and after each guardrail, from posterior to draw.")
    floor: float | None = Field(description="Least share of a variant, if there is one.")
    cap: float | None = Field(description="Largest share of a variant, if there is one.")
    price: float | None = Field(description="What a unit of a paced budget had to earn, in rewards.")
    withheld: float = Field(description="Probability with which nothing was sent, to keep budget for others.")
    commitment: CommitmentOut | None = Field(description="What it used up; null when it sent nothing.")
    circumstances: CircumstancesOut = Field(description="What was known besides attributes.")
    u: float | None = Field(description="Where the draw fell in [0, 1); null when the recipient is erased.")
    snapshot: str | None = Field(description="The snapshot it was drawn from.")
    config_hash: str | None = Field(description="Hash of the settings it was drawn under.")
    strategy_version: int = Field(description="Number of the documents in force then.")
    recomputed: RecomputedOut = Field(description="Whether it comes out the same again.")
