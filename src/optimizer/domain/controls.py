"""Controls: what people, or a guardrail on their behalf, have decided about a running campaign."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from optimizer.domain.instants import Instant


class Status(StrEnum):
    """Whether a campaign sends."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything decided by hand, or by a guardrail metric, about one campaign.

    Attributes:
        status: whether it sends.
        paused: variants that may not be chosen, with the sentence that says why.
        pinned: variant that everyone who would learn gets instead; None lets the policy choose.
        stage: place in the rollout, 0 for the first stage.
        stage_since: since when.
        held: a guardrail metric was breached during the rollout: it stays where it is until a person releases it.
        stage_approved: the stage a person has approved to go on to; None when none.
        reviewed_at: when a person last looked; None before the campaign was first in force.
        watched_since: guardrail metrics count decisions after this instant, by variant id, "" for the campaign,
            ``outcome/<kind>`` for an alarm somebody has answered; set when a person resumes what a metric had stopped.
        alerted: metrics that have raised an alarm nobody has answered yet: outcome kind to sentence.
    """

    status: Status = Status.RUNNING
    paused: Mapping[str, str] = field(default_factory=dict)
    pinned: str | None = None
    stage: int = 0
    stage_since: Instant | None = None
    held: bool = False
    stage_approved: int | None = None
    reviewed_at: Instant | None = None
    watched_since: Mapping[str, Instant] = field(default_factory=dict)
    alerted: Mapping[str, str] = field(default_factory=dict)


UNTOUCHED = Controls()
