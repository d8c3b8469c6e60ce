"""Figures of a result: what people would rather look at than read. Plotly figures, for reports and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from optimizer.figures.look import (
    COLOURS,
    NEUTRAL,
    add_band,
    coloured,
    panels,
    place_of,
    said,
    styled,
    styles_of,
    whiskers,
)
from optimizer.figures.ridges import Ridge, density_of, ridges_figure
from optimizer.scenarios.result import Belief, Curve, Judged, Rehearsed, Replayed, Result
from optimizer.simulation.runs import QUANTILES

_MOST_CURVES = 8
_COLUMNS = 2
_FAR = 3.0


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
                ridges = _ridges(case.beliefs)
                found[f"Posterior at the end: {case_name(case)}"] = ridges_figure(ridges, result.reward_currency)
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
    styles = styles_of(list(curves))
    for name, curve in curves.items():
        style = styles[name]
        if curve.low != curve.high:
            add_band(figure, curve.at, curve.low, curve.high, style.colour)
        line = {"color": style.colour, "dash": style.dash, "width": 2}
        figure.add_scatter(x=curve.at, y=curve.mean, name=said(name), mode="lines", line=line)
    return styled(figure, x=x, y=y)


def spend_figure(cases: Sequence[Rehearsed], currency: str) -> go.Figure:
    """Spend so far; where a budget is paced, beside what should have been spent."""
    spend = _curves_of(cases, "spend")
    figure = curves_figure(spend, "days", f"spend so far, {currency}")
    for colour, (name, curve) in coloured(_curves_of(cases, "pacing_target")):
        if max(curve.mean) > _FAR * max(*spend[name].mean, 1e-9):
            continue  # a budget nobody comes near would flatten what was spent
        style = {"color": colour, "dash": "dot", "width": 1.5}
        figure.add_scatter(x=curve.at, y=curve.mean, name=f"{said(name)}: pacing target", mode="lines", line=style)
    return figure


def allocation_figure(allocation: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """Share of each variant over time, one panel for each segment."""
    figure = panels(list(allocation), n_columns=_COLUMNS)
    for place, of_segment in enumerate(allocation.values()):
        for colour, (variant, curve) in coloured(of_segment):
            figure.add_scatter(
                x=curve.at,
                y=curve.mean,
                name=said(variant),
                legendgroup=variant,
                showlegend=place == 0,
                stackgroup="shares",
                line={"color": colour, "width": 0.5},
                **place_of(place, _COLUMNS),
            )
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return styled(figure, x="days", height=120 + 260 * -(-len(allocation) // _COLUMNS))


def forest_figure(judged: Sequence[Judged], logged: float | None) -> go.Figure:
    """Every estimator's value of every policy with its widest-known interval, beside the mean of the log."""
    figure = go.Figure()
    for colour, (_, one) in coloured({str(place): one for place, one in enumerate(judged)}):
        rows = [(name, e) for name, e in one.estimates.items() if e.value is not None]
        ends = [_interval(e.intervals, float(e.value or 0.0)) for _, e in rows]
        values = [float(e.value or 0.0) for _, e in rows]
        figure.add_scatter(
            x=values,
            y=[f"{said(one.policy)} · {name}" for name, _ in rows],
            name=f"{said(one.policy)} ({one.word})",
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": "circle" if one.word != "refuse" else "x"},
            error_x=whiskers(values, [low for low, _ in ends], [high for _, high in ends]),
        )
    if logged is not None:
        figure.add_vline(x=logged, line={"color": NEUTRAL, "dash": "dot"}, annotation_text="mean of the log")
    n_rows = sum(len(one.estimates) for one in judged)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return styled(figure, x="reward per decision", height=140 + 26 * n_rows)


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
    return styled(figure, x="importance weight", y="decisions")


# ---------------------------------------------------------------- pieces


def _curves_of(cases: Sequence[Rehearsed], name: str) -> dict[str, Curve]:
    return {case_name(case): case.curves[name] for case in cases if name in case.curves}


def _learning_curves(replayed: Sequence[Replayed]) -> dict[str, Curve]:
    return {one.policy: one.curve for one in replayed[:_MOST_CURVES] if one.curve is not None}


def _ridges(beliefs: Mapping[str, Mapping[str, Belief]]) -> dict[str, dict[str, Ridge]]:
    return {
        segment: {
            variant: Ridge(*density_of(QUANTILES, belief.quantiles), belief.prob_best)
            for variant, belief in of_segment.items()
        }
        for segment, of_segment in beliefs.items()
    }


def _interval(intervals: Mapping[str, tuple[float, float]], value: float) -> tuple[float, float]:
    """The bootstrap's where there is one: it is the one that also fits skewed estimates."""
    chosen = intervals.get("bootstrap") or intervals.get("normal") or next(iter(intervals.values()), (value, value))
    return chosen[0], chosen[1]
