"""Looked: everything that is looked at before something is proposed about one campaign. No ledger, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import Controls
from optimizer.domain.instants import DAY, Instant
from optimizer.domain.meters import Allowance, Reading, campaign_scope
from optimizer.engine.allocations import AllocationRow, AllocationTable
from optimizer.engine.comparing import counts_successes
from optimizer.engine.tactic import Tactic
from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference
from optimizer.guardrails.budget import Span
from optimizer.guardrails.metrics import MetricRule
from optimizer.insights.discovering.found import Found
from optimizer.insights.ranking_words import reward_unit
from optimizer.strategy.documents import Campaign, Strategy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """Sums of trials by segment, variant and day, ``[S, A, D]`` each; rewards in units, squares in squared units."""

    trials: Floats
    positives: Floats
    rewards: Floats
    squares: Floats

    @classmethod
    def none(cls, n_segments: int, n_arms: int, n_days: int = 0) -> Daily:
        """No trials."""
        return cls(*np.zeros((4, n_segments, n_arms, n_days)))

    def side(self, segments: Sequence[int], arms: Sequence[int], days: NDArray[np.bool_]) -> Side:
        """Some segments and arms on some days as one side of a comparison: arms together, the rest apart."""
        places = np.ix_(np.array(segments, np.int64), np.array(arms, np.int64), np.flatnonzero(days))
        return Side(*(sums[places].sum(axis=1).ravel() for sums in (self.trials, self.rewards, self.squares)))


@dataclass(frozen=True, slots=True)
class Purse:
    """A limit on money or sends.

    Attributes:
        scope: whose: ``campaign:winback``, ``channel:email`` or the strategy's; see `domain.meters`.
        span: how long it is for.
        allowance: the most that may be in use.
        used: what is in use in the current period.
        exhausted: whether not even the cheapest variant fits into what is left.
    """

    scope: str
    span: Span
    allowance: Allowance
    used: Reading
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """A guardrail metric, and what counts for it: exposed decisions, and those with such an outcome."""

    rule: MetricRule
    events: int
    exposures: int


@dataclass(frozen=True, slots=True, eq=False)
class ByContact:
    """Matured trials by how many contacts their recipients had had by then, this one counted, ``[2, S, K]`` each.

    The learning group first, then those held out; of the first contact, the second …, the last place for all after it.
    """

    trials: Floats
    rewards: Floats
    squares: Floats

    def side(self, held: int, contacts: Sequence[int]) -> Side:
        """Some contacts of one group together, segment by segment."""
        places = np.array(contacts, np.int64)
        return Side(*(sums[held][:, places].sum(axis=1) for sums in (self.trials, self.rewards, self.squares)))


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another campaign that serves the same objective.

    Attributes:
        campaign: its document.
        lift: what it earns a trial more than what its holdouts get.
        purses: the limits it is under.
    """

    campaign: Campaign
    lift: StratifiedDifference
    purses: tuple[Purse, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What is known about one campaign.

    Attributes:
        strategy: the strategy it belongs to.
        tactic: the campaign, compiled; ``tactic.campaign`` is its document.
        controls: what people and guardrails have decided.
        table: beliefs and allocations of the newest snapshot; None before there is one.
        now: the instant all of this is as of.
        days: ``[D]``, first instants of the days that have trials, in UTC, increasing.
        learning: trials of the learning group.
        on_control: trials of those whom chance keeps on control, in the place of one variant, ``[S, 1, D]``: holdouts,
            and recipients whom the rollout has not reached.
        purses: the limits on money and sends it is under.
        watched: guardrail metrics.
        by_contact: rewards by number of the contact; None where that is not known.
        parts: by segment, what discovery found inside it; empty where nobody looked.
        siblings: other campaigns that serve the same objective.
        design: by how many times variances are larger because recipients have several trials; see
            `evaluation.clusters`.
        seen: trials of the campaign, in all groups and of all time.
    """

    strategy: Strategy
    tactic: Tactic
    controls: Controls
    table: AllocationTable | None
    now: Instant
    days: NDArray[np.int64]
    learning: Daily
    on_control: Daily
    purses: tuple[Purse, ...] = ()
    watched: tuple[Watched, ...] = ()
    by_contact: ByContact | None = None
    parts: Mapping[str, Found] = field(default_factory=dict)
    siblings: tuple[Sibling, ...] = ()
    design: float = 1.0
    seen: int = 0

    @property
    def campaign(self) -> Campaign:
        """The campaign's document."""
        return self.tactic.campaign

    @property
    def unit(self) -> str:
        """What rewards are counted in."""
        return reward_unit(self.tactic.reward_rule, self.strategy.currency)

    @property
    def settled(self) -> NDArray[np.bool_]:
        """``[D]``, days whose trials have had their whole attribution window: nothing of them is still awaited."""
        return self.days + DAY + self.tactic.reward_rule.window <= self.now

    @property
    def may(self) -> NDArray[np.bool_]:
        """``[S, A]``, variants that may be chosen."""
        return self.tactic.limits.may_be_chosen

    @property
    def scope(self) -> str:
        """Scope of the campaign's own budget."""
        return campaign_scope(self.tactic.campaign_id)

    def row(self, segment: int) -> AllocationRow | None:
        """How a segment's traffic is shared among the variants that may be chosen."""
        return None if self.table is None else self.table.row(segment, self.may[segment])

    def per_day(self) -> Floats:
        """Trials of the learning group a day of the last seven days at most, ``[S]``."""
        recent = (self.days > self.now - 8 * DAY) & (self.days + DAY <= self.now)
        if not recent.any():
            return np.zeros(self.learning.trials.shape[0])
        return np.asarray(self.learning.trials[..., recent].sum(axis=(1, 2)) / recent.sum(), np.float64)

    def lift(self, days: NDArray[np.bool_], segments: Sequence[int] | None = None) -> StratifiedDifference:
        """What a trial of the learning group earns more than one on control; of all segments unless some are named."""
        some = range(len(self.may)) if segments is None else segments
        return self.difference(
            self.learning.side(some, range(self.may.shape[1]), days), self.on_control.side(some, [0], days)
        )

    @property
    def all_days(self) -> NDArray[np.bool_]:
        """``[D]``, every day."""
        return np.ones(len(self.days), np.bool_)

    def difference(self, one: Side, other: Side) -> StratifiedDifference:
        """By how much the mean reward of one side is above the other's, within segments and days."""
        found = stratified_difference(one, other, successes=counts_successes(self.tactic.reward_rule))
        return found.widened(self.design)
