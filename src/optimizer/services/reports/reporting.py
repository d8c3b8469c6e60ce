"""Reporting: what a campaign did and learned, as numbers for screens, terminals and machines.

Raw means are shown, but no comparison rests on them: shares that adapt and days that differ would fool it. Differences
are taken within segments and days; see `evaluation.stratified`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.micros import MICRO, units
from optimizer.domain.reasons import Block, Group
from optimizer.domain.statistics import DECIDED, ZERO, Cell, Sums, reward_metric
from optimizer.engine.allocations import AllocationRow, AllocationTable
from optimizer.engine.comparing import added, by_stratum, compared, compared_strata, held_out, sent, without
from optimizer.engine.gathering import evidence_of
from optimizer.engine.lateness import effective, maturity_of
from optimizer.engine.tactic import Tactic
from optimizer.evaluation.rates import rate_interval
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.guardrails.budget import Affordable
from optimizer.guardrails.eligibility import blocked, blocks, ordinary
from optimizer.insights.difference_words import misleading
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.insights.ranking_words import SHARE, learned_words, reward_unit
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.effective import Maturity
from optimizer.policy.hurdle import hurdle_posterior
from optimizer.policy.posterior import Posterior
from optimizer.services.learning.alikeness import alikeness
from optimizer.services.live import Live
from optimizer.services.reports.summaries import CampaignSummary, summary
from optimizer.storage.store import Ledger

LEVEL = 0.95
THE_OTHERS = "the others"  # what a variant is compared with where control is nothing
HOLDOUT = "the holdout"
_UNIFORM = (1.0, 1.0)

Some = Sequence[tuple[Cell, Sums]]


@dataclass(frozen=True, slots=True)
class Rate:
    """Successes among trials: the raw rate and its 95 % credible interval, see `evaluation.rates`.

    Attributes:
        mean_reward: raw mean reward of a trial, in the report's unit; None without trials.
    """

    trials: int
    positives: int
    rate: float | None
    low: float
    high: float
    mean_reward: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and the ends of its 95 % credible interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean reward of one side less that of another, in the report's unit.

    Attributes:
        against: whom it is compared with.
        found: raw, and within segments and days; as sure as recipients with several trials let it be.
    """

    against: str
    found: StratifiedDifference


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One variant in one segment, learning group only.

    Attributes:
        removed_by: the rule that keeps it from being chosen now; None if it can be.
        rate: successes among its trials, as they are.
        believed: what the campaign's own policy believes its mean reward to be, in its newest snapshot.
        matured: of the trials whose outcomes are all in.
        at_maturity: the rate, or the mean reward where rewards are amounts, that all its trials are expected to have
            come to once every outcome is in; None without trials. See `CampaignReport.maturity_unit`.
        difference: compared with control, or the other variants; None for the one that is compared with, and while
            there is nothing to compare.
        elsewhere: trials made elsewhere that `believed` rests on too, as many as they count for; see `warm_start`.
        p_best: among the variants that are approved and meant for the segment, likewise `allocation`.
    """

    variant_id: str
    removed_by: Block | None
    decisions: int
    rate: Rate
    believed: Estimate
    matured: Rate
    at_maturity: Estimate | None
    difference: Difference | None
    elsewhere: float
    p_best: float
    allocation: float


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment.

    Attributes:
        withheld: share of the decisions that send nothing, to keep scarce budget for others.
        learning: all variants of the learning group together.
        holdout: recipients kept on control, both holdouts together.
        chosen_by_people: what people pinned or chose; never learned from.
        lift: the learning group compared with the holdout; None while there is nothing to compare.
        notes: differences that raw means would show the wrong way round, in words.
    """

    segment_id: str
    variants: tuple[VariantReport, ...]
    withheld: float
    learning: Rate
    holdout: Rate
    chosen_by_people: Rate
    lift: Difference | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """What a campaign did and learned, all figures as of `as_of`.

    Attributes:
        model: of the campaign's policy.
        unit: what rewards and differences are counted in: a share of the trials, rewards, or a currency.
        maturity_unit: of what is expected at maturity: a share of the trials, or the currency of amounts.
        lift: the learning group of all segments compared with the holdout.
        alike: how alike trials of one recipient are, in which every difference has been widened.
        learned: that a model learns less than rewards count, in words; empty where it does not.
    """

    campaign: CampaignSummary
    as_of: Instant
    objective: str
    objective_why: str | None
    reward_outcome: str
    model: str
    unit: str
    maturity_unit: str
    segments: tuple[SegmentReport, ...]
    lift: Difference | None
    outcomes: dict[str, int]
    alike: Alikeness
    learned: str = ""

    @property
    def caution(self) -> str:
        """What to mind in what is believed, and in the intervals of differences; empty where there is nothing."""
        found = [self.lift, *(one.difference for segment in self.segments for one in segment.variants)]
        told = any(one is not None and one.found.seen >= one.found.enough for one in found)
        return " ".join(said for said in (self.learned, self.alike.sentence if told else "") if said)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What every segment's report is made from."""

    tactic: Tactic
    table: AllocationTable
    trials: NDArray[np.float64]
    maturity: Maturity
    believed: tuple[NDArray[np.float64], NDArray[np.float64]]  # ends, worked out once for all variants
    ends: tuple[NDArray[np.float64], NDArray[np.float64]]  # of what is expected at maturity
    unit: str
    alike: Alikeness
    now: Instant


def report(ledger: Ledger, live: Live, campaign_id: str, now: Instant, cells: Some | None = None) -> CampaignReport:
    """What a campaign did and learned so far.

    Args:
        ledger: the ledger.
        live: what is in force.
        campaign_id: the campaign.
        now: the instant.
        cells: its statistics, where they have been read already; wider buckets will do: `services.campaign_sums`.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    objective = next(o for o in loaded.strategy.objectives if o.id == tactic.campaign.serves)
    if cells is None:
        cells = list(ledger.statistics.of_campaign(campaign_id))
    outcomes: dict[str, int] = {}
    for cell, sums in cells:
        kind = cell.metric.removeprefix("outcome:")
        if kind != cell.metric and sums.n:
            outcomes[kind] = outcomes.get(kind, 0) + sums.n
    unit = reward_unit(tactic.reward_rule, loaded.currency)
    alike = alikeness(ledger, campaign_id, _total(cells, reward_metric(tactic.reward_rule.objective_id)).n)
    known = _known(tactic, loaded.tables[campaign_id], evidence_of(tactic, cells), unit, alike, now)
    of_segment: defaultdict[str, list[tuple[Cell, Sums]]] = defaultdict(list)
    for cell, sums in cells:
        of_segment[cell.segment_id].append((cell, sums))
    by_segment = [of_segment[segment_id] for segment_id in tactic.rules.segment_ids]
    in_force = list(chain.from_iterable(by_segment))
    return CampaignReport(
        campaign=summary(ledger, live, campaign_id, now),
        as_of=now,
        objective=objective.id,
        objective_why=objective.why,
        reward_outcome=objective.reward.outcome,
        model=tactic.policy.model,
        unit=unit,
        maturity_unit=unit if tactic.reward_rule.in_amounts else SHARE,
        segments=tuple(_segment_report(known, segment, here) for segment, here in enumerate(by_segment)),
        lift=_difference(known, compared(tactic.reward_rule, sent(in_force), held_out(in_force)), HOLDOUT),
        outcomes=dict(sorted(outcomes.items())),
        alike=alike,
        learned=learned_words(tactic.reward_rule),
    )


def _known(
    tactic: Tactic, table: AllocationTable, evidence: Evidence, unit: str, alike: Alikeness, now: Instant
) -> _Known:
    # While nothing is reported, nothing matures: what is expected is what was when outcomes last came.
    heard_until = now if tactic.silent_since is None else tactic.silent_since
    heard = evidence if tactic.silent_since is None else evidence.known_at(heard_until)
    maturity, counted = maturity_of(tactic, heard, heard_until), effective(tactic, heard, heard_until)
    rates_alone = replace(counted, penalty_counts=counted.penalty_counts[:0])
    expected: Posterior = beta_posterior(rates_alone, heard_until, None)
    if tactic.reward_rule.in_amounts:
        penalties = tactic.reward_rule.penalty_units
        expected = hurdle_posterior(counted, heard_until, None, _UNIFORM, penalties, seed=(0,))
    believed, ends = table.posterior.interval(LEVEL), expected.interval(LEVEL)
    return _Known(tactic, table, heard.trials.sum(axis=-1), maturity, believed, ends, unit, alike, now)


def _segment_report(known: _Known, segment: int, here: Some) -> SegmentReport:
    tactic, table = known.tactic, known.table
    learned_from, aside = sent(here), held_out(here)
    row = table.row(segment, tactic.limits.may_be_chosen[segment])
    removed = _removed(known, segment)
    of_words: defaultdict[tuple[str, str], list[tuple[Cell, Sums]]] = defaultdict(list)
    for cell, sums in learned_from:
        of_words[cell.variant_id, cell.content_hash].append((cell, sums))
    by_arm = [of_words[one.variant_id, one.content_hash] for one in tactic.variants]
    variants = tuple(
        _variant_report(known, (segment, arm), by_arm[arm], removed, difference, row)
        for arm, difference in enumerate(_differences(known, by_arm))
    )
    metric = reward_metric(tactic.reward_rule.objective_id)
    by_people = [(cell, sums) for cell, sums in here if cell.group == Group.CHOSEN_BY_PEOPLE]
    learning, holdout, people = (rate_of(_total(some, metric)) for some in (learned_from, aside, by_people))
    lift = _difference(known, compared(tactic.reward_rule, learned_from, aside), HOLDOUT)
    named = [(variant.variant_id, variant.difference) for variant in variants]
    named.append(("the learning group", lift))
    notes = tuple(
        misleading(name, one.against, one.found, known.unit) for name, one in named if one and one.found.misleads
    )
    segment_id = tactic.rules.segment_ids[segment]
    return SegmentReport(segment_id, variants, row.withheld, learning, holdout, people, lift, notes)


def _variant_report(
    known: _Known,
    at: tuple[int, int],
    mine: Some,
    removed: Mapping[str, Block],
    difference: Difference | None,
    row: AllocationRow,
) -> VariantReport:
    tactic, posterior, maturity = known.tactic, known.table.posterior, known.maturity
    variant_id = tactic.variant_ids[at[1]]
    earned = _total(mine, reward_metric(tactic.reward_rule.objective_id))
    low, high = known.believed
    trials, elsewhere = known.trials[at], known.table.snapshot.elsewhere
    return VariantReport(
        variant_id=variant_id,
        removed_by=removed.get(variant_id),
        decisions=_total(mine, DECIDED).n,
        rate=rate_of(earned),
        believed=Estimate(float(posterior.mean[at]), float(low[at]), float(high[at])),
        matured=rate_of(_sums(maturity, at)),
        at_maturity=_at_maturity(known, at) if trials else None,
        difference=difference,
        elsewhere=float(elsewhere[at]) if elsewhere.size else 0.0,
        p_best=float(row.p_best[at[1]]),
        allocation=float(row.allocation[at[1]]),
    )


def _sums(maturity: Maturity, at: tuple[int, int]) -> Sums:
    trials, positives, rewards = (float(sums[at]) for sums in (maturity.trials, maturity.positives, maturity.rewards))
    return Sums(round(trials), round(positives), round(rewards * MICRO), 0)


def _at_maturity(known: _Known, at: tuple[int, int]) -> Estimate:
    maturity, is_amount = known.maturity, known.tactic.reward_rule.in_amounts
    value = float((maturity.expected_rewards if is_amount else maturity.expected_positives)[at] / known.trials[at])
    low, high = (float(end[at]) for end in known.ends)
    return Estimate(value, min(low, value), max(high, value))


def _differences(known: _Known, by_arm: Sequence[Some]) -> list[Difference | None]:
    """Each variant compared with control, or with all others where control is nothing or has no trials here."""
    tactic = known.tactic
    control, rule = tactic.control, tactic.reward_rule
    strata = [by_stratum(rule, some) for some in by_arm]
    if control is not None and _total(by_arm[control], reward_metric(rule.objective_id)).n:
        against = tactic.variant_ids[control]
        return [
            None if arm == control else _difference(known, compared_strata(rule, mine, strata[control]), against)
            for arm, mine in enumerate(strata)
        ]
    everything = added(strata)
    return [_difference(known, compared_strata(rule, mine, without(everything, mine)), THE_OTHERS) for mine in strata]


def _difference(known: _Known, found: StratifiedDifference, against: str) -> Difference | None:
    return None if np.isnan(found.value) else Difference(against, known.alike.widened(found))


def _removed(known: _Known, segment: int) -> Mapping[str, Block]:
    """The rule that keeps each variant from being chosen now, for somebody with nothing special about them."""
    tactic, n_arms = known.tactic, len(known.tactic.variants)
    enough = Affordable(sends=True, money=np.ones(n_arms, bool))
    here_and_now = ordinary(np.array([segment]), n_arms, tactic.zone, enough)
    return blocked(blocks(tactic.limits, here_and_now, known.now)[0], tactic.variant_ids)


def _total(cells: Some, metric: str) -> Sums:
    total = ZERO
    for cell, sums in cells:
        if cell.metric == metric:
            total = total.plus(sums)
    return total


def rate_of(sums: Sums) -> Rate:
    """The rate of some trials."""
    rate, mean = (sums.positives / sums.n, units(sums.total) / sums.n) if sums.n else (None, None)
    return Rate(sums.n, sums.positives, rate, *rate_interval(sums.positives, sums.n, LEVEL), mean)
