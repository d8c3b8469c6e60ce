"""What a rehearsal is measured by: collected step by step, summed up at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.meters import UNUSED, Reading
from optimizer.domain.micros import units
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import Cell, Sums, reward_metric
from optimizer.engine.allocations import Allocations, AllocationTable
from optimizer.engine.beliefs import posterior_of
from optimizer.engine.choosing import NO_ARM, REASONS, Chosen
from optimizer.engine.comparing import compared
from optimizer.engine.contexts import TrialsNow
from optimizer.engine.gathering import evidence_of
from optimizer.engine.pricing import paced_budget
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Keys, Tactic
from optimizer.guardrails.eligibility import BLOCKS, ELIGIBLE
from optimizer.guardrails.groups import LEARNING
from optimizer.policy.posterior import Posterior
from optimizer.simulation.journal import Journal
from optimizer.simulation.runs import QUANTILES, AllocationCurve, Curves, Event, Lift, Run

ANSWER = 0.9  # posterior probability of being best from which a variant is the answer
MOST_POINTS = 200  # of the allocation's curve
_FOUND = ("expected", "best", "spend", "paced_spend", "pacing_target", "price")


class Measures:
    """The measures of one rehearsal.

    Args:
        tactic: the campaign.
        at: first instant of each of ``T`` steps.

    Attributes:
        events: what guardrails did and people answered.
    """

    def __init__(self, tactic: Tactic, at: range) -> None:
        n, shape = len(at), (len(tactic.rules.segment_ids), len(tactic.variants))
        self.events: list[Event] = []
        self._at = at
        self._counts = {name: np.zeros(n, np.int64) for name in ("decisions", "sends")}
        self._curves = {name: np.zeros(n) for name in _FOUND}
        self._points = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(np.int64))
        self._shares = np.zeros((len(self._points), *shape))
        self._reasons = np.zeros(len(REASONS), np.int64)
        self._blocks: Counter[str] = Counter()
        self._answered_at: list[Instant | None] = [None] * shape[0]
        self._spent = self._over_budget = self._snapshots = 0
        self._expected = self._gain = 0.0
        self._n_learners = 0

    def look(self, step: int, tactic: Tactic, table: Allocations, learned: AllocationTable) -> None:
        """Look at the allocation of a step, and at what has been learned before it."""
        snapshot, may = learned.snapshot, tactic.limits.may_be_chosen
        self._snapshots = snapshot.number
        self._curves["price"][step] = np.nan if snapshot.price is None else snapshot.price
        if step in self._points:
            place = int(np.searchsorted(self._points, step))
            self._shares[place] = [table.row(segment, of_it).allocation for segment, of_it in enumerate(may)]
        for segment, answered_at in enumerate(self._answered_at):
            if answered_at is None and may[segment].any():
                unpriced = snapshot.price is None
                p_best = (
                    learned.row(segment, may[segment]).p_best
                    if unpriced
                    else learned.posterior.prob_best(segment, may[segment])
                )
                if p_best.max() >= ANSWER:
                    self._answered_at[segment] = self._at[step]

    def decided(self, step: int, tactic: Tactic, found: Chosen, truth: NDArray[np.float64]) -> None:
        """Count decisions.

        Args:
            step: the step they were made in.
            tactic: the campaign as it was then.
            found: ``D`` decisions.
            truth: ``[D, A + 1]``, expected reward of each variant for each of them; the last column is of nothing.
        """
        sends = found.arms != NO_ARM
        self._counts["decisions"][step], self._counts["sends"][step] = len(sends), sends.sum()
        self._reasons += np.bincount(found.reasons, minlength=len(REASONS))
        for code in np.unique(found.codes).tolist():
            if code != ELIGIBLE:
                self._blocks[BLOCKS[code - 1].value] += int((found.codes == code).any(axis=1).sum())
        everyone = np.arange(len(sends))
        expected = truth[everyone, found.arms]  # NO_ARM is the last column
        self._expected += float(expected.sum())
        learns = (found.groups == LEARNING) & (found.segments >= 0)
        possible = np.where(found.codes == ELIGIBLE, truth[:, :-1], -np.inf)
        best = np.maximum(possible.max(axis=1), truth[:, -1])
        self._curves["expected"][step], self._curves["best"][step] = expected[learns].sum(), best[learns].sum()
        learned = learns & sends
        control = NO_ARM if tactic.control is None else tactic.control
        self._gain += float((expected - truth[:, control])[learned].sum())
        self._n_learners += int(learned.sum())

    def spent(self, difference: Reading) -> None:
        """Money has come into use, or has been given back."""
        self._spent += difference.money

    def take_stock(self, step: int, tactic: Tactic, supplies: Supplies, keys: Keys, until: Instant) -> None:
        """What is in use at the end of a step."""
        over = any(
            not limit.allowance.admits(supplies.readings.get(key, UNUSED))
            for limit, key in zip(tactic.budget_limits, keys, strict=True)
        )
        self._over_budget += over
        self._curves["spend"][step] = units(self._spent)
        paced = paced_budget(tactic, self._at[step])
        self._curves["paced_spend"][step] = self._curves["pacing_target"][step] = np.nan
        if paced is not None:
            self._curves["paced_spend"][step] = paced.spent(supplies.readings.get(paced.key, UNUSED))
            self._curves["pacing_target"][step] = paced.budget.target(until)

    def run(self, tactic: Tactic, journal: Journal, trials_now: TrialsNow) -> Run:
        """The run, once every outcome has been heard of.

        Args:
            tactic: the campaign as it was in the end.
            journal: its decisions.
            trials_now: reads its trials one by one, for a policy that looks at whom they were made on.
        """
        instants = np.array(self._at, np.int64)
        rewards = journal.rewards(len(instants))
        curves = Curves(
            at=instants,
            decisions=self._counts["decisions"],
            sends=self._counts["sends"],
            rewards=rewards,
            **self._curves,
        )
        cells = list(journal.tallies.cells())
        evidence = evidence_of(tactic, cells)
        heard_all = replace(tactic, policy=replace(tactic.policy, estimates_delay=False))
        posterior = posterior_of(heard_all, evidence, self._at[-1], None, self._snapshots + 1, trials_now)
        return Run(
            segment_ids=tactic.rules.segment_ids,
            variant_ids=tactic.variant_ids,
            curves=curves,
            allocation=AllocationCurve(instants[self._points], self._shares),
            decisions=int(curves.decisions.sum()),
            sends=int(curves.sends.sum()),
            snapshots=self._snapshots,
            reward=float(rewards.sum()),
            expected_reward=self._expected,
            regret=float(curves.regret.sum()),
            spend=units(journal.spend()),
            outcomes=journal.outcomes(),
            by_variant=_named(journal, tactic.variant_ids),
            reasons={reason.value: n for reason, n in zip(REASONS, self._reasons.tolist(), strict=True) if n},
            blocks={block.value: self._blocks[block.value] for block in BLOCKS if self._blocks[block.value]},
            events=tuple(self.events),
            stages=tuple(event.at for event in self.events if event.action in {"begin rollout", "advance rollout"}),
            mean=posterior.mean,
            quantiles=_quantiles(posterior),
            prob_best=np.array([posterior.prob_best(s, admitted) for s, admitted in enumerate(tactic.limits.meant)]),
            trials=evidence.trials.sum(axis=-1),
            successes=evidence.positives.sum(axis=-1),
            lift=self._lift(tactic, cells),
            days_to_answer=tuple(None if at is None else (at - self._at[0]) / DAY for at in self._answered_at),
            over_budget=self._over_budget,
        )

    def _lift(self, tactic: Tactic, cells: Sequence[tuple[Cell, Sums]]) -> Lift | None:
        metric = reward_metric(tactic.reward_rule.objective_id)
        trials = [one for one in cells if one[0].metric == metric]
        learning = [one for one in trials if one[0].group == Group.LEARNING]
        held_out = [one for one in trials if one[0].group in HOLDOUTS]
        found = compared(tactic.reward_rule, learning, held_out)
        if isnan(found.value) or not self._n_learners:
            return None
        return Lift(
            true=self._gain / self._n_learners,
            measured=found.value,
            standard_error=0.0 if isnan(found.standard_error) else found.standard_error,
            raw=found.raw,
            learning_trials=sum(sums.n for _, sums in learning),
            holdout_trials=sum(sums.n for _, sums in held_out),
        )


def _named(journal: Journal, variant_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each variant was sent, and what came of it."""
    names = ("sends", *journal.outcomes())
    found = journal.by_arm(len(variant_ids)).tolist()
    return {one: dict(zip(names, row, strict=True)) for one, row in zip(variant_ids, found, strict=True)}


def _quantiles(posterior: Posterior) -> NDArray[np.float64]:
    """Quantiles of the posterior, ``[len(QUANTILES), S, A]``: the ends of equal-tailed intervals."""
    lower = [posterior.interval(1.0 - 2.0 * tail)[0] for tail in QUANTILES if tail < 0.5]
    upper = [posterior.interval(1.0 - 2.0 * tail)[1] for tail in QUANTILES if tail < 0.5]
    median = np.stack(posterior.interval(1e-9)).mean(axis=0)
    return np.stack([*lower, median, *upper[::-1]])
