"""Measurement: everything that is known of what a campaign, or a whole objective, earns beyond control."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.instants import Duration, Instant
from optimizer.insights.measures.comparison import Comparison
from optimizer.insights.measures.money import Money
from optimizer.insights.measures.operations import Operations
from optimizer.insights.measures.trend import Trend


@dataclass(frozen=True, slots=True)
class Lift:
    """What the learning group earns beyond those it is compared with.

    Attributes:
        trials: of both groups so far.
        matured_trials: those whose attribution window is over.
        matured: the comparison of these: the figure to go by. None while there is nothing to compare.
        so_far: of all trials, of which the youngest may still be rewarded.
    """

    trials: int
    matured_trials: int
    matured: Comparison | None
    so_far: Comparison | None

    @property
    def maturing(self) -> int:
        """Trials that may still be rewarded."""
        return self.trials - self.matured_trials


@dataclass(frozen=True, slots=True)
class SegmentMeasure:
    """One segment of a campaign."""

    segment_id: str
    lift: Lift


@dataclass(frozen=True, slots=True)
class VariantMeasure:
    """One variant of a campaign, learning group only.

    Attributes:
        compared: its matured trials with those of control, or of the other variants; None for control itself, and while
            there is nothing to compare.
        first_sent_at: start of the hour; None while it never was.
        novelty: the effect against the holdout by days since then, else against control; None where neither has trials.
    """

    variant_id: str
    compared: Comparison | None
    first_sent_at: Instant | None
    novelty: Trend | None


@dataclass(frozen=True, slots=True)
class People:
    """What recipients came to, whatever and however often they were sent: they are the unit here, not trials.

    Attributes:
        against: whom the others are compared with.
        recipients: decided for at least once, of the learning group.
        held: of the holdout.
        decisions: per recipient of the learning group.
        held_decisions: per recipient of the holdout.
        known_for: how long a recipient has to be known to be asked whether they came back.
        rewarded: share of recipients with at least one reward.
        again: share with two rewarded outcomes or more within `known_for` of their first decision, of those known for
            so long.
        worth: money per recipient; None where nothing has an amount.
    """

    against: str
    recipients: int
    held: int
    decisions: float
    held_decisions: float
    known_for: Duration
    rewarded: Comparison | None
    again: Comparison | None
    worth: Comparison | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a measurement is about.

    Attributes:
        objective_id: the objective served.
        why: its reason, in the strategy's words.
        outcome: kind of the outcome that is rewarded.
        unit: of rewards: a share of the trials, rewards, or a currency.
        currency: of money.
        window: how long after the exposure an outcome still counts.
        zone: the strategy's time zone, an IANA name.
    """

    objective_id: str
    why: str | None
    outcome: str
    unit: str
    currency: str
    window: Duration
    zone: str


@dataclass(frozen=True, slots=True)
class CampaignMeasurement:
    """What a campaign earns, as of `as_of`.

    Attributes:
        money: None where there is none to count; `no_money` says why.
        people: None without decisions.
        fatigue: the effect by how many contacts a recipient has had; None without a holdout.
        notes: what to mind in these figures, in sentences.
    """

    campaign_id: str
    why: str | None
    as_of: Instant
    subject: Subject
    lift: Lift
    segments: tuple[SegmentMeasure, ...]
    variants: tuple[VariantMeasure, ...]
    money: Money | None
    no_money: str
    people: People | None
    fatigue: Trend | None
    operations: Operations
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectiveMeasurement:
    """What all campaigns that serve one objective earn together.

    Attributes:
        campaigns: those in force, each with its lift.
        lift: against the holdouts of all of them.
        strategy_wide: against those held out of every campaign; None where the strategy holds nobody out.
        money: against those held out of every campaign where there are any, else against all holdouts.
        people: against those held out of every campaign; None where the strategy holds nobody out.
    """

    subject: Subject
    campaigns: tuple[tuple[str, Lift], ...]
    lift: Lift
    strategy_wide: Lift | None
    money: Money | None
    no_money: str
    people: People | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StrategyMeasurement:
    """What the strategy earns, objective by objective, as of `as_of`.

    Attributes:
        holdout_share: share of the recipients held out of every campaign.
    """

    strategy_id: str
    as_of: Instant
    holdout_share: float
    objectives: tuple[ObjectiveMeasurement, ...]
