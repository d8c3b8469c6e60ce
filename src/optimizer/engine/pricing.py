"""Pricing: what a unit of a paced budget must earn, and how a snapshot remembers how that came about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant, bucket
from optimizer.domain.meters import MeterKey, Reading, campaign_scope
from optimizer.domain.micros import units
from optimizer.domain.reasons import Group
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import DECIDED, WITHHELD, Cell, Sums, outcome_metric
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import Limit, Span, period
from optimizer.policy.demand import highest_price, spend_per_decision
from optimizer.policy.exploration import Sharing
from optimizer.policy.pacing import BudgetPeriod, Pace, carried_over, next_pace
from optimizer.policy.posterior import Posterior
from optimizer.strategy.money import DECISION

IMMATERIAL = 1e-3  # a price that moved by less would change nothing one could see
Cells = Iterable[tuple[Cell, Sums]]


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """What a snapshot keeps of the price; see `Snapshot`."""

    price: float | None = None
    costs: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 1)))
    pace: Mapping[str, Any] | None = None


UNPRICED = Pricing()


@dataclass(frozen=True, slots=True)
class PacedBudget:
    """The limit of a campaign's own budget that is spread over its period.

    Attributes:
        key: its meter.
        in_sends: whether it counts sends; else money.
        budget: limit and period, in units of currency or in sends.
    """

    key: MeterKey
    in_sends: bool
    budget: BudgetPeriod

    def spent(self, reading: Reading) -> float:
        """What is in use of it, in the units of the budget."""
        return float(reading.sends) if self.in_sends else units(reading.money)


def paced_budget(tactic: Tactic, now: Instant) -> PacedBudget | None:
    """The campaign's limit that allows least per day and has a beginning and an end; None where nothing is paced."""
    if tactic.campaign.budget.pacing == "none":
        return None
    scope = campaign_scope(tactic.campaign_id)
    found = [_paced(tactic, limit, now) for limit in tactic.budget_limits if limit.scope == scope]
    usable = [one for one in found if one is not None]
    in_money = [one for one in usable if not one.in_sends] or usable
    return min(in_money, key=lambda one: one.budget.limit / one.budget.length, default=None)


def _paced(tactic: Tactic, limit: Limit, now: Instant) -> PacedBudget | None:
    label, starts, ends = period(limit.span, now, tactic.zone)
    if limit.span is Span.EVER:
        starts, ends = tactic.limits.starts_at, tactic.limits.ends_at
    if starts is None or ends is None:
        return None
    money, sends = limit.allowance
    amount = units(money) if money is not None else float(sends or 0)
    budget = BudgetPeriod(starts, ends, amount, tactic.campaign.budget.pacing)
    return PacedBudget(MeterKey(limit.scope, label), money is None, budget)


def pricing(
    tactic: Tactic,
    paced: PacedBudget,
    posterior: Posterior,
    cells: Cells,
    reading: Reading,
    before: Snapshot | None,
    now: Instant,
    sharing: Sharing,
) -> Pricing:
    """The price from now on.

    Args:
        tactic: the campaign.
        paced: its budget that is paced.
        posterior: what is believed about its variants.
        cells: its statistics.
        reading: what is in use of the budget.
        before: its newest snapshot; None when it has none.
        now: the instant of learning.
        sharing: how the policy shares traffic out among its variants.
    """
    cells = list(cells)
    costs = np.ones(posterior.mean.shape) if paced.in_sends else expected_costs(tactic, posterior, cells)
    eligible = tactic.limits.may_be_chosen
    pace = next_pace(
        _previous(before, tactic, paced.budget),
        now,
        paced.spent(reading),
        _decisions(tactic, paced.budget, cells),
        paced.budget,
        lambda price: spend_per_decision(posterior, price, costs, eligible, sharing),
        highest_price(costs, posterior.most),
    )
    return Pricing(pace.price, costs, asdict(pace))


def pace_differs(one: Snapshot, other: Snapshot) -> bool:
    """Whether the price moved, traffic came that the next price depends on, or what is to be expected changed.

    The last is so once variants are approved: a price found while nothing could be sent expects no spend.
    """
    if one.price is None or other.price is None or one.pace is None or other.pace is None:
        return one.price != other.price
    if abs(one.price - other.price) > IMMATERIAL * max(one.price, other.price):
        return True
    if any(_as_written(one.pace[name]) != _as_written(other.pace[name]) for name in ("spent", "decisions")):
        return True
    return not np.allclose(one.pace["expected"], other.pace["expected"], rtol=IMMATERIAL, atol=0.0)


def expected_costs(tactic: Tactic, posterior: Posterior, cells: Cells) -> NDArray[np.float64]:
    """What a decision is expected to cost, ``[S, A]``, in units of currency.

    A cost per rewarded outcome falls due at the posterior's rate. Other events come at the rate seen in all segments,
    and until there is any, at once: the most that can be due.
    """
    cells = list(cells)
    expected = np.zeros(posterior.mean.shape)
    success = posterior.success
    for arm, costs in enumerate(tactic.costs):
        for event, amount in costs.items():
            if event == DECISION:
                rate: float | NDArray[np.float64] = 1.0
            elif event == tactic.reward_rule.kind and not tactic.reward_rule.penalties:
                rate = success[:, arm]
            else:
                rate = _rate_seen(tactic, arm, outcome_metric(event), cells)
            expected[:, arm] += units(amount) * rate
    return expected


def _rate_seen(tactic: Tactic, arm: int, metric: str, cells: Cells) -> float:
    """Share of a variant's decisions with an event, plus one certain one before anything was seen."""
    mine = (tactic.variant_ids[arm], tactic.content_hashes[arm])
    happened, decided = 1, 1
    for cell, sums in cells:
        if (cell.variant_id, cell.content_hash) == mine:
            happened += sums.positives if cell.metric == metric else 0
            decided += sums.n if cell.metric == DECIDED else 0
    return min(happened / decided, 1.0)


def _decisions(tactic: Tactic, budget: BudgetPeriod, cells: Cells) -> NDArray[np.float64]:
    """Decisions of the learning group since the period began, sent or withheld, ``[S]``."""
    segment_of = {segment_id: s for s, segment_id in enumerate(tactic.rules.segment_ids)}
    counted = {*tactic.variant_ids, WITHHELD}
    found = np.zeros(len(segment_of))
    for cell, sums in cells:
        if (
            cell.metric == DECIDED
            and cell.group == Group.LEARNING
            and cell.bucket >= bucket(budget.start)
            and cell.variant_id in counted
            and cell.segment_id in segment_of
        ):
            found[segment_of[cell.segment_id]] += sums.n
    return found


def _previous(before: Snapshot | None, tactic: Tactic, budget: BudgetPeriod) -> Pace | None:
    """The pace to go on from; None at the very first and when segments have changed."""
    if before is None or before.pace is None or before.segment_ids != tactic.rules.segment_ids:
        return None
    pace = Pace(**{name: _as_written(value) for name, value in before.pace.items()})
    return pace if pace.at >= budget.start else carried_over(pace, budget)


def _as_written(kept: Any) -> Any:
    """What a snapshot keeps of a pace, as the policy wrote it: storage gives lists back for tuples."""
    return tuple(kept) if isinstance(kept, list) else kept
