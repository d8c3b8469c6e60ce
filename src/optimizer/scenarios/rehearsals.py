"""Rehearse a scenario: every policy under all guardrails, replication by replication, put together in one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY
from optimizer.engine.tactic import compile_tactic
from optimizer.scenarios.learning_outlook import SegmentLearning, learning_outlook
from optimizer.scenarios.measuring import curve, measured, measured_counts, reached, relative, thinned
from optimizer.scenarios.result import Belief, Curve, Difference, Measured, Rehearsed
from optimizer.scenarios.spreading import Workers
from optimizer.simulation.rehearsing import Chooser, Plan, rehearse
from optimizer.simulation.runs import QUANTILES, Run
from optimizer.simulation.world import WorldModel
from optimizer.strategy.documents import Campaign, Strategy

COMPARED = ("reward", "regret", "spend", "sends", "reward_per_decision")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One policy under one set of guardrails, and where it is rehearsed.

    Attributes:
        policy, guardrails: their names.
        strategy, campaign: the documents, with the guardrails and the policy's settings in them.
        chooser: who shares out the traffic.
        model, plan: world and time, the same for all cases.
        seed: of all replications.
    """

    policy: str
    guardrails: str
    strategy: Strategy
    campaign: Campaign
    chooser: Chooser
    model: WorldModel
    plan: Plan
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Replication:
    """What is kept of one run.

    Attributes:
        segment_ids, variant_ids: names.
        numbers: by name; nan where there is none.
        counts: by name, what was counted by name: reasons, blocks, events, outcomes.
        by_variant: the same for each variant.
        first_done: days since the beginning until something was first done, by action and subject.
        days: ``[T]``, days since the beginning, of the curves.
        curves: by name, ``[T]``.
        shared_at: ``[P]``, days since the beginning, of the shares.
        shares: ``[P, S, A]``.
        beliefs: ``[2 + Q, S, A]``: expected net reward, probability of being the best, quantiles.
        seen: ``[2, S, A]``: trials and successes of the learning group.
        days_to_answer: by segment.
    """

    segment_ids: tuple[str, ...]
    variant_ids: tuple[str, ...]
    numbers: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]
    by_variant: Mapping[str, Mapping[str, int]]
    first_done: Mapping[str, float]
    days: Floats
    curves: Mapping[str, Floats]
    shared_at: Floats
    shares: Floats
    beliefs: Floats
    seen: Floats
    days_to_answer: tuple[float | None, ...]


def rehearsals(
    cases: Sequence[Case], replications: int, workers: Workers
) -> tuple[tuple[Rehearsed, ...], tuple[Difference, ...]]:
    """What each case came to, and how it differs from others by the same replications.

    Each is compared with the first policy under the same guardrails, and with the same policy under the first ones.
    """
    units = [(case, number) for case in cases for number in range(replications)]
    done = workers.results("rehearsing", _replication, units, len(units))
    found = [_Found(case, tuple(islice(done, replications))) for case in cases]
    return tuple(one.rehearsed() for one in found), tuple(_differences(found))


def _replication(unit: tuple[Case, int]) -> Replication:
    case, number = unit
    run = rehearse(
        case.strategy, case.campaign, case.model, case.plan, case.chooser, seed=case.seed, replication=number
    )
    return replication_of(run, case.plan)


def replication_of(run: Run, plan: Plan) -> Replication:
    """What is kept of a run: curves at no more than 200 times."""
    curves = run.curves
    kept = thinned(len(curves.at))
    ends = np.append(curves.at[1:], plan.end)
    numbers = {
        "reward": run.reward,
        "expected_reward": run.expected_reward,
        "regret": run.regret,
        "spend": run.spend,
        "decisions": run.decisions,
        "sends": run.sends,
        "snapshots": run.snapshots,
        "over_budget": run.over_budget,
        "reward_per_decision": run.reward / run.decisions if run.decisions else np.nan,
    }
    if run.lift is not None:
        numbers["lift_true"] = run.lift.true
        numbers["lift_measured"] = run.lift.measured
        numbers["lift_standard_error"] = run.lift.standard_error
    events: dict[str, int] = {}
    first_done: dict[str, float] = {}
    for event in run.events:
        events[event.action] = events.get(event.action, 0) + 1
        first_done.setdefault(f"{event.action} {event.subject}", (event.at - plan.start) / DAY)
    over_time = {
        "reward": np.cumsum(curves.rewards),
        "regret": np.cumsum(curves.regret),
        "spend": curves.spend,
        "sends": np.cumsum(curves.sends),
        "price": curves.price,
        "paced_spend": curves.paced_spend,
        "pacing_target": curves.pacing_target,
    }
    return Replication(
        segment_ids=run.segment_ids,
        variant_ids=run.variant_ids,
        numbers={name: float(number) for name, number in numbers.items()},
        counts={"reasons": run.reasons, "blocks": run.blocks, "events": events, "outcomes": run.outcomes},
        by_variant=run.by_variant,
        first_done=first_done,
        days=(ends - plan.start)[kept] / DAY,
        curves={name: np.asarray(values, np.float64)[kept] for name, values in over_time.items()},
        shared_at=(run.allocation.at - plan.start) / DAY,
        shares=run.allocation.shares,
        beliefs=np.concatenate([[run.mean, run.prob_best], run.quantiles]),
        seen=np.stack([run.trials, run.successes]),
        days_to_answer=run.days_to_answer,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A case and its replications, in order."""

    case: Case
    replications: tuple[Replication, ...]

    def rehearsed(self) -> Rehearsed:
        """The numbers of all replications together."""
        first = self.replications[0]
        names = dict.fromkeys(name for one in self.replications for name in one.numbers)
        counts = {
            what: measured_counts([one.counts[what] for one in self.replications])
            for what in ("reasons", "blocks", "events", "outcomes")
        }
        return Rehearsed(
            policy=self.case.policy,
            guardrails=self.case.guardrails,
            measures={name: self.measure(name) for name in names if np.isfinite(self.values(name)).any()},
            **counts,
            by_variant={
                variant_id: measured_counts([one.by_variant[variant_id] for one in self.replications])
                for variant_id in first.variant_ids
            },
            first_done={
                what: reached(one.first_done.get(what) for one in self.replications)
                for what in sorted({what for one in self.replications for what in one.first_done})
            },
            days_to_answer={
                segment: reached(one.days_to_answer[place] for one in self.replications)
                for place, segment in enumerate(first.segment_ids)
            },
            learning=self._learning(),
            curves=self._curves(),
            allocation=self._allocation(),
            beliefs=self._beliefs(),
        )

    def values(self, name: str) -> Floats:
        """A number of each replication, ``[R]``; nan where there is none."""
        return np.array([one.numbers.get(name, np.nan) for one in self.replications])

    def measure(self, name: str) -> Measured:
        """A number over replications."""
        return measured(self.values(name))

    def _learning(self) -> dict[str, SegmentLearning]:
        case, (trials, successes) = self.case, np.mean([one.seen for one in self.replications], axis=0)
        days = (case.plan.end - case.plan.start) / DAY
        return learning_outlook(case.strategy, case.campaign, trials, successes, days)

    def _curves(self) -> dict[str, Curve]:
        first = self.replications[0]
        found = {
            name: curve(first.days, np.stack([one.curves[name] for one in self.replications])) for name in first.curves
        }
        return {name: one for name, one in found.items() if one is not None}

    def _allocation(self) -> dict[str, dict[str, Curve]]:
        first = self.replications[0]
        shares = np.stack([one.shares for one in self.replications])
        found: dict[str, dict[str, Curve]] = {segment: {} for segment in first.segment_ids}
        for segment, segment_id in enumerate(first.segment_ids):
            for arm, variant_id in enumerate(first.variant_ids):
                one = curve(first.shared_at, shares[:, :, segment, arm])
                if one is not None:
                    found[segment_id][variant_id] = one
        return found

    def _beliefs(self) -> dict[str, dict[str, Belief]]:
        first = self.replications[0]
        mean, best, *quantiles = np.stack([one.beliefs for one in self.replications]).mean(axis=0)
        by_cell = np.stack(quantiles, axis=-1)
        meant = compile_tactic(self.case.strategy, self.case.campaign, 1, ()).limits.meant
        return {
            segment_id: {
                variant_id: Belief(
                    mean=float(mean[s, a]),
                    low=float(by_cell[s, a, QUANTILES.index(0.05)]),
                    high=float(by_cell[s, a, QUANTILES.index(0.95)]),
                    quantiles=tuple(by_cell[s, a].tolist()),
                    prob_best=float(best[s, a]),
                )
                for a, variant_id in enumerate(first.variant_ids)
                if meant[s, a]
            }
            for s, segment_id in enumerate(first.segment_ids)
        }


def _differences(found: Sequence[_Found]) -> Iterator[Difference]:
    first = found[0].case
    by_names = {(one.case.policy, one.case.guardrails): one for one in found}
    for one in found:
        others = [(first.policy, one.case.guardrails), (one.case.policy, first.guardrails)]
        for names in others:
            if names != (one.case.policy, one.case.guardrails):
                yield from _difference(one, by_names[names])


def _difference(one: _Found, other: _Found) -> Iterator[Difference]:
    for measure in COMPARED:
        pairs = one.values(measure) - other.values(measure)
        if np.isfinite(pairs).any():
            difference = measured(pairs)
            yield Difference(
                policy=one.case.policy,
                guardrails=one.case.guardrails,
                than_policy=other.case.policy,
                than_guardrails=other.case.guardrails,
                measure=measure,
                difference=difference,
                relative=relative(difference, other.measure(measure).mean),
            )
