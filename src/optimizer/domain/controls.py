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
class Hearing:
    """What refreshes have noticed of the outcomes of a campaign, so that a silence is known when it begins.

    Attributes:
        outcomes: how many outcomes its statistics counted when that number last changed.
        at: the refresh that noticed it; the first refresh after something was sent where none has come yet.
        looked_at: the refresh that last asked whether the silence since then is too long.
        usual: outcomes that seemed to be missing when the longest silence of late ended by itself.
    """

    outcomes: int
    at: Instant
    looked_at: Instant
    usual: float = 0.0


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
        alerted: alarms nobody has answered yet: outcome kind, or what alarms about the learning, to sentence.
        silent_since: since when no outcome has come though many should have: learning is frozen meanwhile.
        lasting: alarms about the learning whose reason has not gone away, answered or not, by when they were raised.
        hearing: what was heard of its decisions; None before anything was sent. Like `lasting` it decides nothing by
            itself, so controls that differ in these alone are equal.
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
    silent_since: Instant | None = None
    lasting: Mapping[str, Instant] = field(default_factory=dict, compare=False)
    hearing: Hearing | None = field(default=None, compare=False)

    @property
    def noticed(self) -> tuple[object, ...]:
        """What decides nothing by itself but has to be remembered."""
        return dict(self.lasting), self.hearing


UNTOUCHED = Controls()
