"""Operations of a campaign, from its statistics: rates of what was sent, decisions a day, delays of rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from optimizer.domain.delays import N_DELAYS
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, Cell, Sums, delay_metric, outcome_metric
from optimizer.engine.tactic import Tactic
from optimizer.insights.measures.operations import Operations, delay_quantile, rates
from optimizer.strategy.documents import Strategy


def operations(strategy: Strategy, tactic: Tactic, cells: Sequence[tuple[Cell, Sums]], heard: Instant) -> Operations:
    """How a campaign's sending goes, of every group.

    Args:
        strategy: in force.
        tactic: the campaign.
        cells: its statistics.
        heard: delays are those of trials whose window was over by then: of younger ones only the short are known.
    """
    rule, nothing = tactic.reward_rule, {NOTHING, WITHHELD}
    per_day: Counter[int] = Counter()
    messages: Counter[str] = Counter()
    delays: Counter[int] = Counter()
    bins = {delay_metric(rule.objective_id, place): place for place in range(N_DELAYS)}
    sent = 0
    for cell, sums in cells:
        if cell.metric == DECIDED:
            per_day[cell.bucket // DAY] += sums.n
            sent += 0 if cell.variant_id in nothing else sums.n
        elif cell.metric in bins:
            if cell.bucket + HOUR + rule.window <= heard:
                delays[bins[cell.metric]] += sums.n
        elif cell.variant_id not in nothing and (kind := cell.metric.removeprefix(outcome_metric(""))) != cell.metric:
            messages[kind] += sums.positives
    limits = {metric.outcome: metric.at_most for metric in strategy.guardrail_metrics}
    return Operations(
        sent,
        rates(sent, messages, limits),
        tuple(sorted(per_day.items())),
        delay_quantile(delays.items(), 0.5),
        delay_quantile(delays.items(), 0.9),
    )
