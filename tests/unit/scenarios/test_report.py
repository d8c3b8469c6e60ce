"""A report shows every number of its result, draws what can be drawn, and needs nothing from outside."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import beta as beta_distribution

from optimizer.scenarios.figures import figures, weights_figure
from optimizer.scenarios.report import report_html, write_report
from optimizer.scenarios.result import (
    Belief,
    Curve,
    Difference,
    Estimated,
    HistoryRead,
    Judged,
    Measured,
    Reached,
    Rehearsed,
    Replayed,
    Result,
)
from optimizer.simulation.runs import QUANTILES

DAYS = (1.0, 2.0, 3.0)


def curve(*mean: float, spread: float = 1.0) -> Curve:
    return Curve(DAYS, mean, tuple(m - spread for m in mean), tuple(m + spread for m in mean))


def believed(alpha: float, beta: float, prob_best: float) -> Belief:
    quantiles = beta_distribution.ppf(QUANTILES, alpha, beta)
    return Belief(alpha / (alpha + beta), quantiles[3], quantiles[-4], tuple(quantiles.tolist()), prob_best)


def rehearsed(policy: str = "as_written", guardrails: str = "as_written", **changes: Any) -> Rehearsed:
    case = Rehearsed(
        policy,
        guardrails,
        measures={"reward": Measured(123.4, 5.6, 112.0, 134.8), "regret": Measured(7.0), "over_budget": Measured(0.0)},
        blocks={"quiet_hours": Measured(12.0)},
        events={"pause": Measured(0.5, 0.1)},
        days_to_answer={"loyal": Reached(0.9, 12.0, 3.0, None)},
        curves={"regret": curve(1, 2, 3), "reward": curve(5, 9, 14), "spend": curve(2, 4, 6),
                "pacing_target": curve(2, 4, 6, spread=0.0)},
        allocation={"loyal": {"ten": curve(0.5, 0.6, 0.7), "new": curve(0.5, 0.4, 0.3)}},
        beliefs={"loyal": {"ten": believed(30, 70, 0.93), "new": believed(0.5, 9, 0.07)}},
    )  # fmt: skip
    return replace(case, **changes)


JUDGED = Judged(
    policy="always-ten",
    word="weak",
    sentence="Weak: few decisions look like it.",
    reasons=("effective sample size 300",),
    estimates={
        "ips": Estimated(0.21, 0.02, {"normal": (0.17, 0.25), "bootstrap": (0.168, 0.252)}),
        "dm": Estimated(None, None, {}),
    },
    lift={"ips": Estimated(0.03, 0.02, {"normal": (-0.01, 0.07)})},
    diagnostics={"weights": {"edges": [0.0, 0.1, 1.0, 10.0], "counts": [4, 90, 6]}},
)

REPLAYED = Replayed(
    policy="as_written",
    method="rejection",
    reward=Measured(0.19, 0.001, 0.188, 0.192),
    accepted=Measured(0.33),
    standard_error_of_one=0.002,
    equal_split=0.147,
    best_fixed=0.183,
    best_variant="ten",
    curve=curve(1, 2, 3),
)

RESULT = Result(
    kind="rehearsal",
    scenario="first",
    question="Does it pay?",
    seed=1,
    replications=20,
    config_hash="abc123",
    versions={"optimizer": "0.1.0"},
    campaign="winback",
    objective="buy",
    currency="USD",
    variants=("ten", "new"),
    segments=("loyal",),
    days=28.0,
    notes=("logged cannot be rehearsed",),
    history=HistoryRead("mails.csv", 1_000, 990, {"no reward": 10}, "constant", 0.18),
    rehearsed=(rehearsed(), rehearsed("uniform", "half-the-budget")),
    differences=(
        Difference("as_written", "as_written", "uniform", "as_written", "reward", Measured(9.0, 1.0, 7, 11), 0.08),
    ),
    replayed=(REPLAYED,),
    judged=(JUDGED,),
)


def test_every_kind_of_figure_is_drawn_once_there_is_something_to_draw() -> None:
    assert list(figures(RESULT)) == [
        "Regret",
        "Reward",
        "Spend",
        "Allocation: as_written",
        "Allocation: uniform, half-the-budget",
        "Posterior at the end: as_written",
        "Posterior at the end: uniform, half-the-budget",
        "Replayed reward",
        "Estimates",
        "Importance weights: always-ten",
    ]
    assert figures(replace(RESULT, rehearsed=(), replayed=(), judged=())) == {}


def test_rewards_that_are_amounts_are_told_in_their_currency() -> None:
    in_money = replace(RESULT, reward_currency="SEK")
    page = report_html(in_money)
    for head in ("reward, SEK", "regret, SEK", "lift, SEK, true"):
        assert f"<th>{head}</th>" in page
        assert f"<th>{head}</th>" not in report_html(RESULT)
    for name in ("Regret", "Reward"):
        assert figures(in_money)[name].layout.yaxis.title.text.endswith(" so far, SEK")
    ridges = figures(in_money)["Posterior at the end: as_written"]
    assert all("%{x:,.2f}" in ridge.hovertemplate for ridge in ridges.data if ridge.fill == "tonexty")
    assert "%" in figures(RESULT)["Posterior at the end: as_written"].layout.xaxis.tickformat


def test_bands_hold_the_replications_and_one_replication_has_none() -> None:
    traces = figures(RESULT)["Regret"].data
    band, line = traces[0], traces[1]
    assert list(band.y) == [2, 3, 4, 2, 1, 0]
    assert list(line.y) == [1, 2, 3]
    alone = rehearsed(curves={"regret": curve(1, 2, 3, spread=0.0)})
    assert len(figures(replace(RESULT, rehearsed=(alone,)))["Regret"].data) == 1


def test_the_forest_shows_intervals_around_values_and_leaves_out_what_has_no_value() -> None:
    (points,) = figures(RESULT)["Estimates"].data
    assert list(points.x) == [0.21]
    assert points.x[0] - points.error_x.arrayminus[0] == pytest.approx(0.168)
    assert points.x[0] + points.error_x.array[0] == pytest.approx(0.252)


def test_ridges_stay_in_the_order_of_the_variants_and_do_not_overlap() -> None:
    ridges = [t for t in figures(RESULT)["Posterior at the end: as_written"].data if t.fill == "tonexty"]
    assert [ridge.name for ridge in ridges] == ["ten", "new"]
    for height, ridge in enumerate(ridges):
        assert min(ridge.y) >= height
        assert max(ridge.y) < height + 1


def test_the_histogram_of_weights_leaves_out_what_a_logarithm_cannot_show() -> None:
    (bars,) = weights_figure({"edges": [0.0, 0.1, 1.0, 10.0], "counts": [4, 90, 0]}).data
    assert list(bars.y) == [90]


def test_the_page_says_every_number_and_needs_nothing_from_outside() -> None:
    page = report_html(RESULT)
    for said in (
        "Does it pay?", "123.4 ± 5.6", "quiet hours 12", "pause 0.5 ± 0.1", "half-the-budget", "8.0 %", "mails.csv",
        "no reward 10", "Weak: few decisions look like it.", "0.168 to 0.252", "abc123", "logged cannot be rehearsed",
    ):  # fmt: skip
        assert said in page
    outside = re.sub(
        r"<script>.*?</script>", "", page, count=1, flags=re.DOTALL
    )  # plotly's own, which names its makers
    assert re.findall(r"""(?:src|href)\s*=\s*["'][^"'#]""", outside) == []
    assert page.count("plotly-graph-div") >= len(figures(RESULT))


def test_equal_results_give_equal_pages() -> None:
    assert report_html(RESULT) == report_html(RESULT)


def test_texts_are_shown_and_not_run() -> None:
    page = report_html(replace(RESULT, question="<script>alert(1)</script>", notes=("<img src=x onerror=alert(2)>",)))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img src=x" not in page
    evil = rehearsed("</script><script>alert(3)</script>")
    assert "<script>alert(3)" not in report_html(replace(RESULT, rehearsed=(evil,)))


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    write_report(RESULT, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text("utf-8") == report_html(RESULT)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
