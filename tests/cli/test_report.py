"""What `optimizer report` shows: that nothing is learned and why, in tables that fit narrow terminals."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from optimizer.cli.report import _show
from optimizer.cli.report_tables import broken
from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.services.budgets import BudgetLine
from optimizer.services.oversight.states import Learning, State
from optimizer.services.reports.reporting import (
    CampaignReport,
    Difference,
    Estimate,
    Rate,
    SegmentReport,
    VariantReport,
)
from optimizer.services.reports.summaries import CampaignSummary

NOON = 1_790_000_000 * 1_000_000
LONG = "new-arrivals-spring-collection-2026"
SHARE, USD = "share of trials", "USD"


def rate(trials: int, positives: int, mean: float) -> Rate:
    share = positives / trials
    return Rate(trials, positives, share, share - 0.004, share + 0.004, mean)


def sample(
    unit: str = SHARE, model: str = "beta_bernoulli", names: tuple[str, ...] = ("hello", LONG)
) -> CampaignReport:
    scale = 1.0 if unit == SHARE else 55.0
    compared = Difference(
        "hello", StratifiedDifference(0.004 * scale, -0.003 * scale, 0.0007 * scale, 0.0, 500.0, 50.0)
    )
    variants = tuple(
        VariantReport(
            variant_id=name,
            removed_by=None,
            decisions=123_456,
            rate=rate(123_456, 4_567, 0.037 * scale),
            believed=Estimate(0.0371 * scale, 0.0361 * scale, 0.0382 * scale),
            matured=rate(100_000, 3_700, 0.037 * scale),
            at_maturity=Estimate(0.0412 * scale, 0.04 * scale, 0.0425 * scale),
            difference=None if place == 0 else compared,
            elsewhere=0.0,
            p_best=0.95,
            allocation=0.87,
        )
        for place, name in enumerate(names)
    )
    lift = Difference(
        "the holdout", StratifiedDifference(0.003 * scale, 0.003 * scale, 0.001 * scale, 0.0, 500.0, 50.0)
    )
    groups = (rate(370_368, 13_701, 0.037 * scale), rate(41_000, 1_400, 0.034 * scale), rate(20, 5, 0.25 * scale))
    campaign = CampaignSummary(
        campaign_id="winback",
        serves="buy",
        why=None,
        state=State.LIVE,
        learning=Learning.LEARNING,
        frozen_since=None,
        alarms={},
        variants=names,
        awaiting_approval=(),
        segments=("lapsed",),
        strategy_version=3,
        snapshot_id="winback/7",
        budget=(),
        rollout_share=1.0,
    )
    segment = SegmentReport("lapsed", variants, 0.05, *groups, lift, ())
    return CampaignReport(
        campaign,
        NOON,
        "buy",
        None,
        "purchase",
        model,
        unit,
        unit,
        (segment,),
        lift,
        {"purchase": 13_701},
        Alikeness(1.0),
    )


def shown(report: CampaignReport, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        _show(console, report, "USD")
    return captured.get()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize(("unit", "model"), [(SHARE, "beta_bernoulli"), (SHARE, "hierarchical"), (USD, "hurdle")])
def test_tables_fit_and_leave_nothing_out(width: int, unit: str, model: str) -> None:
    text = shown(sample(unit, model), width)
    table = text[text.index("segment lapsed") : text.index("trials have matured")].splitlines()[:-1]
    assert max(map(len, table)) <= width
    assert "…" not in text
    first_column = [line[1:].partition("  ")[0] for line in table if line[:2].strip()]
    place = next(place for place, line in enumerate(first_column) if line.startswith("new-"))
    until = next(place for place, line in enumerate(first_column) if line == "withheld")
    lines = first_column[place:until]
    assert "".join(lines) == LONG
    assert all(line.endswith("-") for line in lines[:-1]), "broken after hyphens alone"


@pytest.mark.parametrize(("unit", "model"), [(SHARE, "beta_bernoulli"), (SHARE, "hierarchical"), (USD, "hurdle")])
def test_intervals_stand_on_one_line_at_a_hundred_columns(unit: str, model: str) -> None:
    intervals = re.findall(r"\d+\.\d+ \(\d+\.\d+(?:-| to )\d+\.\d+\)", shown(sample(unit, model)).split("matured")[0])
    groups = 3 if unit == SHARE else 0
    assert len(intervals) == 2 + groups


def test_amounts_are_told_in_their_currency_everywhere() -> None:
    text = shown(sample(USD, "hurdle"))
    assert "in USD, 95 %" in text
    assert "by day, in USD" in shown(sample(USD, "hurdle"), 200)
    assert f"expected mean reward at maturity in USD, 95 %: hello 2.27 (2.20 to 2.34); {LONG} 2.27" in text
    assert "against the holdout, by segment and day, 95 % at every look: +0.17 ± 0.17 USD" in text


def test_what_is_in_use_of_a_budget_has_its_currency() -> None:
    line = BudgetLine(
        MeterKey("campaign:winback", "2026-12"), Allowance(250_000_000), Reading(4_000_000, 27_500_000, 9), None, False
    )
    found = sample()
    text = shown(replace(found, campaign=replace(found.campaign, budget=(line,))))
    assert "budget of campaign winback, 2026-12: 31.50 of 250.00 USD (4.00 reserved) in use" in text


def test_rates_are_told_in_percents_and_their_differences_in_points() -> None:
    text = shown(sample())
    assert "expected rate at maturity, 95 %: hello 4.12 (4.00 to 4.25) %" in text
    assert "by segment and day, 95 % at every look: +0.30 ± 0.30 points" in text
    assert "frozen" not in text
    assert "alarm" not in text


def test_that_nothing_is_learned_stands_above_everything_else_with_the_alarms() -> None:
    report = sample()
    told = {"silence": "no outcome of any kind since noon", "complained": "complained: 9 of 1,200"}
    silent = replace(report.campaign, learning=Learning.FROZEN_SILENCE, frozen_since=NOON, alarms=told)
    lines = shown(replace(report, campaign=silent)).splitlines()
    assert lines[2].startswith("learning is frozen since 2026-09-21 14:13 UTC: no outcome of any kind has come in")
    assert lines[3:5] == [
        "alarm, silence: no outcome of any kind since noon",
        "alarm, complained: complained: 9 of 1,200",
    ]
    assert "optimizer acknowledge winback" in lines[5]
    overdue = replace(report.campaign, learning=Learning.FROZEN_REVIEW, frozen_since=NOON)
    line = shown(replace(report, campaign=overdue)).splitlines()[2]
    assert "its review is overdue" in line
    assert "optimizer review winback" in line


@given(st.from_regex(r"[a-z0-9]{1,12}(?:[-:._][a-z0-9]{1,12}){0,5}", fullmatch=True), st.integers(4, 40))
def test_a_broken_name_is_the_name(name: str, width: int) -> None:
    lines = broken(name, width).split("\n")
    assert "".join(lines) == name
    assert all(0 < len(line) <= width for line in lines)
    if max(map(len, re.split(r"(?<=[-:._])", name))) <= width:
        assert all(line[-1] in "-:._" for line in lines[:-1])


def test_it_says_what_returning_recipients_do_to_intervals_once_there_are_some() -> None:
    assert "Recipients have several trials" not in shown(sample())
    assert "intervals are 1.50 times as wide as those of" in shown(replace(sample(), alike=Alikeness(2.25)), 300)
    unseen = replace(sample(), alike=Alikeness())
    assert "are too narrow where recipients come back" in shown(unseen, 300)
    (segment,) = unseen.segments
    early = replace(unseen, lift=None, segments=(replace(segment, variants=segment.variants[:1]),))
    assert "come back" not in shown(early, 300), "there are no intervals to mind"
