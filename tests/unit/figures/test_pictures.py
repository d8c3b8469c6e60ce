"""Pictures of a campaign: stepped and stacked, with limits, events and intervals where they belong."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import norm

from optimizer.figures.allocation import Course, Strip, allocation_figure, bands
from optimizer.figures.heat import heat_figure
from optimizer.figures.look import ALARM, COLOURS, NEUTRAL, styles_of
from optimizer.figures.marks import Mark, MarkKind
from optimizer.figures.means import Days, means_figure
from optimizer.figures.metrics import Rate, metrics_figure
from optimizer.figures.ridges import Ridge, density_of, ridges_figure
from optimizer.figures.spend import Fan, Spend, spend_figure

AT = [date(2026, 12, 1), date(2026, 12, 2), date(2026, 12, 3)]
STYLES = styles_of(("ten", "new"), "new")
COURSE = Course(AT, {"ten": [0.5, 0.6, 0.7], "new": [0.5, 0.3, 0.2]}, [0.0, 0.1, 0.1], [0.5, 0.4, 0.3])


def named(figure, name):  # type: ignore[no-untyped-def]
    return [trace for trace in figure.data if trace.name == name]


def test_shares_are_stepped_stacked_and_sum_to_one_with_what_is_withheld() -> None:
    figure = allocation_figure({"loyal": COURSE}, STYLES)
    stacked = [trace for trace in figure.data if trace.stackgroup]
    assert [trace.name for trace in stacked] == ["ten", "new", "nothing (budget is kept)"]
    assert {trace.line.shape for trace in stacked} == {"hv"}
    assert np.sum([trace.y for trace in stacked], axis=0) == pytest.approx([1.0, 1.0, 1.0])
    assert [trace.line.color for trace in stacked] == [COLOURS[0], NEUTRAL, NEUTRAL]


def test_labels_stand_inside_the_band_they_name() -> None:
    figure = allocation_figure({"loyal": COURSE}, STYLES)
    places = {note.text: note.y for note in figure.layout.annotations}
    assert places["ten 70%"] == pytest.approx(0.35)
    assert places["new 20%"] == pytest.approx(0.8)


def test_of_many_variants_those_with_the_largest_shares_and_control_have_a_band_and_the_others_one_together() -> None:
    names = [f"m{n:02d}" for n in range(40)]
    raw = np.random.default_rng(5).dirichlet(np.ones(40), 3)
    shares = {name: raw[:, n].tolist() for n, name in enumerate(names)}
    course = Course(AT, shares, [0.0] * 3, [0.5] * 3)
    figure = allocation_figure({"loyal": course}, styles_of(names, "m07"))
    stacked = [trace for trace in figure.data if trace.stackgroup]
    largest = sorted((name for name in names if name != "m07"), key=lambda name: -sum(shares[name]))[:5]
    assert [trace.name for trace in stacked] == [*sorted([*largest, "m07"]), "others (34)"]
    assert np.sum([trace.y for trace in stacked], axis=0) == pytest.approx([1.0, 1.0, 1.0])
    assert stacked[-1].fillcolor != named(figure, "m07")[0].fillcolor, "control is grey too"
    rest = sum(shares[name][-1] for name in names if name not in {*largest, "m07"})
    assert f"others (34) {rest:.0%}" in {note.text for note in figure.layout.annotations}


def test_up_to_eight_variants_that_get_something_each_has_its_band() -> None:
    eight = {f"m{n}": [0.125] * 3 for n in range(8)}
    found = bands({**eight, "never": [0.0] * 3}, "m0")
    assert (list(found.named), found.n_others) == (list(eight), 0)
    found = bands({**eight, "a-ninth": [0.01] * 3}, None)
    assert (len(found.named), found.n_others) == (5, 4)
    few = bands({"ten": [1.0] * 3, "never": [0.0] * 3}, None)
    assert list(few.named) == ["ten", "never"], "a table says of each of a few that it got nothing"


def test_floor_and_cap_are_drawn_only_where_they_bind() -> None:
    bounded = allocation_figure({"loyal": COURSE}, STYLES, floor=0.05, cap=0.9)
    assert [list(named(bounded, name)[0].y) for name in ("floor", "cap")] == [[0.05, 0.05], [0.9, 0.9]]
    small = allocation_figure({"loyal": COURSE}, STYLES, floor=0.005, cap=0.9)
    assert {"floor 0.5%", "cap 90%"} <= {note.text for note in small.layout.annotations}, "a small floor is not none"
    free = allocation_figure({"loyal": COURSE}, STYLES, floor=0.0, cap=1.0)
    assert not named(free, "floor")
    assert not named(free, "cap")


def test_exploration_is_a_thin_line_and_the_holdout_a_strip_with_an_axis_of_its_own() -> None:
    figure = allocation_figure({"loyal": COURSE}, STYLES, holdout=Strip(AT, [0.1, 0.12, 0.1]))
    (exploring,), (held,) = named(figure, "exploring"), named(figure, "held out")
    assert list(exploring.y) == [0.5, 0.4, 0.3]
    assert exploring.line.width < 2
    assert held.yaxis != exploring.yaxis


def test_events_say_who_and_why_and_no_markup_of_theirs_survives() -> None:
    evil = Mark(AT[1], MarkKind.PAUSE, "<b>ann</b>", '<a href="https://x">why</a>')
    figure = allocation_figure(
        {"loyal": COURSE}, STYLES, marks=[evil, Mark(AT[2], MarkKind.BREACH, "optimizer", "6 %")]
    )
    (paused,), (breach,) = named(figure, "paused or stopped"), named(figure, "guardrail breached")
    assert paused.text[0].startswith("<b>paused or stopped</b> by &lt;b&gt;ann&lt;/b&gt;<br>")
    assert "<a" not in paused.text[0]
    assert paused.marker.symbol != breach.marker.symbol, "a sign, not a colour alone"
    assert [shape.x0 for shape in figure.layout.shapes] == [AT[1], AT[2]]


def test_without_segments_the_picture_says_so() -> None:
    assert "nothing to show yet" in [note.text for note in allocation_figure({}, {}).layout.annotations]


def days(mean: list[float], expected: list[float | None]) -> Days:
    low, high = [m - 0.01 for m in mean], [m + 0.01 for m in mean]
    return Days([date(2026, 12, n + 1) for n in range(len(mean))], mean, low, high, expected, [100] * len(mean))


def test_what_is_expected_is_lighter_and_behind_what_was_seen() -> None:
    seen = days([0.1, 0.08], [None, 0.11])
    figure = means_figure({"learning": seen}, {"learning": COLOURS[0]}, "share of trials", is_share=True,
                          maturing_from=date(2026, 12, 2))  # fmt: skip
    names = [trace.name for trace in figure.data]
    assert names.index("learning, expected at maturity") < names.index("learning")
    (ahead,) = named(figure, "learning, expected at maturity")
    assert list(ahead.y) == [0.11]
    assert ahead.line.color == "rgba(0,114,178,0.45)"
    assert "still maturing" in [note.text for note in figure.layout.annotations]
    matured = means_figure({"learning": days([0.1], [None])}, {}, "USD", is_share=False)
    assert "still maturing" not in [note.text for note in matured.layout.annotations]
    assert named(matured, "learning")[0].line.color == NEUTRAL


def test_rates_stand_beside_one_limit_and_a_breach_has_a_sign() -> None:
    fine = Rate("complained", 0.001, 0.0005, 0.002, 0.004, breached=False)
    bad = Rate("unsubscribed, ten", 0.02, 0.012, 0.9, 0.01, breached=True)
    unknown = Rate("bounced", None, 0.0, 0.5, 0.01, breached=False)
    figure = metrics_figure([bad, fine, unknown])
    good, alarmed = figure.data
    assert list(good.x) == [pytest.approx(0.25)]
    assert list(alarmed.x) == [pytest.approx(2.0)]
    assert alarmed.x[0] + alarmed.error_x.array[0] == pytest.approx(4.0), "cut at the edge"
    assert (alarmed.marker.symbol, alarmed.marker.color) == ("x", ALARM)
    assert figure.layout.shapes[0].x0 == 1.0


def test_nothing_crosses_the_limit_line_and_the_fan_is_drawn_when_there_is_one() -> None:
    spend = Spend(AT, [0.0, 10.0, 20.0], [0.0, 15.0, 24.0], [AT[0], date(2026, 12, 31)], [0.0, 100.0], 100.0)
    figure = spend_figure(spend, "USD")
    (limit,), (settled,), (plan,) = (named(figure, name) for name in ("limit", "settled", "plan"))
    assert list(limit.x) == [AT[0], date(2026, 12, 31)]
    assert max(settled.y) <= 100.0
    assert plan.line.dash == "dash"
    assert named(spend_figure(spend, "USD", Fan(AT, [1, 2, 3], [0, 1, 2], [2, 3, 4])), "expected")
    assert not named(spend_figure(Spend(AT, [0, 1, 2], [0, 1, 2], [], [], None), "USD"), "limit")


def test_a_heat_map_keeps_rows_apart_whose_names_look_alike() -> None:
    figure = heat_figure(["x" * 40 + "1", "x" * 40 + "2"], ["ten", "new"], [[0.9, 0.1], [0.2, 0.8]])
    assert np.asarray(figure.data[0].z).shape == (2, 2)
    assert list(figure.layout.yaxis.tickvals) == [0, 1]
    assert len(set(figure.layout.yaxis.ticktext)) == 1


def test_the_density_of_quantiles_is_where_the_belief_is() -> None:
    levels = np.array([0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.995, 0.999])
    at, density = density_of(levels, norm(0.3, 0.05).ppf(levels))
    assert at[density.argmax()] == pytest.approx(0.3, abs=0.02)
    assert density.max() == pytest.approx(1.0, abs=0.05)
    assert np.abs(density - np.exp(-(((at - 0.3) / 0.05) ** 2) / 2)).max() < 0.12


def test_ridges_have_the_colours_of_their_variants() -> None:
    at, density = np.linspace(0, 1, 9), np.ones(9)
    figure = ridges_figure({"loyal": {"new": Ridge(at, density, 0.1)}}, "SEK", {"new": NEUTRAL})
    (ridge,) = [trace for trace in figure.data if trace.fill == "tonexty"]
    assert ridge.line.color == NEUTRAL
    assert figure.layout.xaxis.title.text == "expected reward of a trial, SEK"
