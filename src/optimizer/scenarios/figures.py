"""Figures of a result: what people would rather look at than read. Plotly figures, for reports and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.interpolate import PchipInterpolator

from optimizer.scenarios.result import Belief, Curve, Judged, Rehearsed, Replayed, Result
from optimizer.simulation.runs import QUANTILES

# Okabe & Ito 2008: told apart by people with any colour vision, and in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_GREY = "#8a8a8a"
_MOST_CURVES = len(COLOURS)
_FAR = 3.0
_RIDGE = 0.9  # height of a ridge, as a share of the distance to the next one


def figures(result: Result) -> dict[str, go.Figure]:
    """Every figure there is something to show in, by its title, in the order to look at them."""
    found: dict[str, go.Figure] = {}
    money = "" if result.reward_currency is None else f", {result.reward_currency}"
    if result.rehearsed:
        cases = result.rehearsed[:_MOST_CURVES]
        found["Regret"] = curves_figure(_curves_of(cases, "regret"), "days", f"reward missed so far{money}")
        found["Reward"] = curves_figure(_curves_of(cases, "reward"), "days", f"reward so far{money}")
        if any(case.curves.get("spend") and max(case.curves["spend"].mean, default=0.0) > 0.0 for case in cases):
            found["Spend"] = spend_figure(cases, result.currency or "")
        for case in cases:
            if case.allocation:
                found[f"Allocation: {case_name(case)}"] = allocation_figure(case.allocation)
        for case in cases:
            if case.beliefs:
                found[f"Posterior at the end: {case_name(case)}"] = ridges_figure(case.beliefs, result.reward_currency)
    if result.replayed:
        found["Replayed reward"] = curves_figure(_learning_curves(result.replayed), "rows kept", "mean reward so far")
    if result.judged:
        found["Estimates"] = forest_figure(
            result.judged, None if result.history is None else result.history.mean_reward
        )
        found |= {
            f"Importance weights: {one.policy}": weights_figure(one.diagnostics["weights"])
            for one in result.judged[:_MOST_CURVES]
            if one.diagnostics.get("weights")
        }
    return found


def case_name(case: Rehearsed) -> str:
    """Policy and guardrails, the latter only where they are not those of the documents."""
    return case.policy if case.guardrails == "as_written" else f"{case.policy}, {case.guardrails}"


def curves_figure(curves: Mapping[str, Curve], x: str, y: str) -> go.Figure:
    """Means as lines; bands that hold 90 % of the replications."""
    figure = go.Figure()
    for colour, (name, curve) in _coloured(curves):
        if curve.low != curve.high:
            _add_band(figure, curve, colour)
        figure.add_scatter(x=curve.at, y=curve.mean, name=name, mode="lines", line={"color": colour, "width": 2})
    return _finished(figure, x, y)


def spend_figure(cases: Sequence[Rehearsed], currency: str) -> go.Figure:
    """Spend so far; where a budget is paced, beside what should have been spent."""
    spend = _curves_of(cases, "spend")
    figure = curves_figure(spend, "days", f"spend so far, {currency}")
    for colour, (name, curve) in _coloured(_curves_of(cases, "pacing_target")):
        if max(curve.mean) > _FAR * max(*spend[name].mean, 1e-9):
            continue  # a budget nobody comes near would flatten what was spent
        style = {"color": colour, "dash": "dot", "width": 1.5}
        figure.add_scatter(x=curve.at, y=curve.mean, name=f"{name}: pacing target", mode="lines", line=style)
    return figure


def allocation_figure(allocation: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """Share of each variant over time, one panel for each segment."""
    panels = _panels(list(allocation), n_columns=_COLUMNS)
    for place, of_segment in enumerate(allocation.values()):
        for colour, (variant, curve) in _coloured(of_segment):
            panels.add_scatter(
                x=curve.at,
                y=curve.mean,
                name=variant,
                legendgroup=variant,
                showlegend=place == 0,
                stackgroup="shares",
                line={"color": colour, "width": 0.5},
                row=place // _COLUMNS + 1,
                col=place % _COLUMNS + 1,
            )
    panels.update_yaxes(range=[0, 1], tickformat=".0%")
    return _finished(panels, "days", "", height=_height(len(allocation)))


def ridges_figure(beliefs: Mapping[str, Mapping[str, Belief]], currency: str | None = None) -> go.Figure:
    """Posterior densities of the expected rewards: a ridge for each variant, a panel for each segment.

    Args:
        beliefs: by segment and variant.
        currency: what rewards are counted in; None where they are rates.
    """
    hovered, ticks, unit = (".2%", ".1%", "") if currency is None else (",.2f", ",.4~r", f", {currency}")
    panels = _panels(list(beliefs), n_columns=1)
    for row, of_segment in enumerate(beliefs.values(), start=1):
        names = list(of_segment)
        for height, (colour, (name, belief)) in enumerate(_coloured(of_segment)):
            x, density = _density(belief)
            base = {"x": x, "y": np.full(len(x), height), "line": {"color": colour, "width": 0}, "mode": "lines"}
            panels.add_scatter(**base, row=row, col=1, showlegend=False, hoverinfo="skip")
            panels.add_scatter(
                x=x,
                y=height + _RIDGE * density,
                mode="lines",
                line={"color": colour, "width": 1.5},
                fill="tonexty",
                row=row,
                col=1,
                showlegend=False,
                name=name,
                text=f"P(best) {belief.prob_best:.2f}",
                hovertemplate=f"{name}<br>%{{x:{hovered}}}<br>%{{text}}<extra></extra>",
            )
        labels = [f"{name}  {of_segment[name].prob_best:.0%}" for name in names]
        panels.update_yaxes(tickvals=list(range(len(names))), ticktext=labels, showgrid=False, row=row, col=1)
    panels.update_xaxes(tickformat=ticks)
    n_ridges = sum(len(of_segment) for of_segment in beliefs.values())
    height = 60 + 110 * len(beliefs) + 34 * n_ridges
    return _finished(panels, f"expected reward{unit} (beside each variant: P(best))", "", height=height)


def forest_figure(judged: Sequence[Judged], logged: float | None) -> go.Figure:
    """Every estimator's value of every policy with its widest-known interval, beside the mean of the log."""
    figure = go.Figure()
    for colour, one in zip(_colours(), judged, strict=False):
        rows = [(name, e) for name, e in one.estimates.items() if e.value is not None]
        ends = [_interval(e.intervals, float(e.value or 0.0)) for _, e in rows]
        values = [float(e.value or 0.0) for _, e in rows]
        figure.add_scatter(
            x=values,
            y=[f"{one.policy} · {name}" for name, _ in rows],
            name=f"{one.policy} ({one.word})",
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": "circle" if one.word != "refuse" else "x"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
                "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
            },
        )
    if logged is not None:
        figure.add_vline(x=logged, line={"color": _GREY, "dash": "dot"}, annotation_text="mean of the log")
    n_rows = sum(len(one.estimates) for one in judged)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _finished(figure, "reward per decision", "", height=140 + 26 * n_rows)


def weights_figure(histogram: Mapping[str, Any]) -> go.Figure:
    """How many decisions have importance weights of which size, on logarithmic axes.

    Args:
        histogram: ``edges`` of length ``B + 1`` and ``counts`` of length ``B``.
    """
    edges, counts = np.asarray(histogram["edges"], np.float64), np.asarray(histogram["counts"], np.float64)
    shown = (edges[:-1] > 0.0) & (counts > 0.0) & np.isfinite(edges[1:])
    labels = [f"{low:.3g} to {high:.3g}" for low, high in zip(edges[:-1][shown], edges[1:][shown], strict=True)]
    middle = np.sqrt(edges[:-1][shown] * edges[1:][shown])
    width = (edges[1:] - edges[:-1])[shown]
    figure = go.Figure(go.Bar(x=middle, y=counts[shown], width=width, customdata=labels, marker_color=COLOURS[0]))
    figure.update_traces(hovertemplate="weight %{customdata}<br>%{y:,} decisions<extra></extra>")
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    return _finished(figure, "importance weight", "decisions")


# ---------------------------------------------------------------- pieces

_COLUMNS = 2


def _curves_of(cases: Sequence[Rehearsed], name: str) -> dict[str, Curve]:
    return {case_name(case): case.curves[name] for case in cases if name in case.curves}


def _learning_curves(replayed: Sequence[Replayed]) -> dict[str, Curve]:
    return {one.policy: one.curve for one in replayed[:_MOST_CURVES] if one.curve is not None}


def _colours() -> Iterator[str]:
    while True:
        yield from COLOURS


def _coloured(items: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    return zip(_colours(), items.items(), strict=False)


def _add_band(figure: go.Figure, curve: Curve, colour: str) -> None:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    figure.add_scatter(
        x=[*curve.at, *reversed(curve.at)],
        y=[*curve.high, *reversed(curve.low)],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.15)",
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _panels(titles: Sequence[str], n_columns: int) -> go.Figure:
    n_rows = -(-len(titles) // n_columns)
    return make_subplots(
        rows=n_rows,
        cols=min(n_columns, len(titles)),
        subplot_titles=list(titles),
        shared_yaxes=n_columns > 1,
        horizontal_spacing=0.05,
        vertical_spacing=0.3 / n_rows,
    )


def _height(n_panels: int) -> int:
    return 120 + 260 * -(-n_panels // _COLUMNS)


def _density(belief: Belief, n: int = 200) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where the posterior lives, and its density there, scaled to a largest value of 1."""
    # Quantiles of draws may be equal; a distribution function that rises there by a hair has a density.
    ends = np.array(belief.quantiles)
    ends = ends + np.arange(len(ends)) * max(1e-9 * float(np.ptp(ends)), 1e-12)
    x = np.linspace(ends[0], ends[-1], n)
    density = PchipInterpolator(ends, QUANTILES).derivative()(x)
    # A spike, of a variant that never or always succeeded, must not flatten everything beside it.
    highest = max(float(np.quantile(density[np.isfinite(density)], 0.98)), 1e-300)
    return x, np.clip(np.nan_to_num(density / highest, posinf=1.0), 0.0, 1.0)


def _interval(intervals: Mapping[str, tuple[float, float]], value: float) -> tuple[float, float]:
    """The bootstrap's where there is one: it is the one that also fits skewed estimates."""
    chosen = intervals.get("bootstrap") or intervals.get("normal") or next(iter(intervals.values()), (value, value))
    return chosen[0], chosen[1]


def _finished(figure: go.Figure, x: str, y: str, height: int = 380) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 40, "t": 40, "b": 50},
        modebar={"orientation": "v"},
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    figure.update_xaxes(title_text=x, zeroline=False)
    if y:
        figure.update_yaxes(title_text=y, zeroline=False)
    return figure
