"""Posterior ridges: what is believed of each variant, one hill above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from optimizer.figures.look import add_all, add_empty, coloured, faint, panels, place_of, said, styled

_RIDGE = 0.9  # height of a ridge, as a share of the distance to the next one
_POINTS = 120
_SMOOTHED = 0.025  # share of the width

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """What is believed of one variant's expected reward.

    Attributes:
        at: expected rewards, ``[N]``, rising.
        density: ``[N]``, scaled to a largest value of 1.
        prob_best: probability that it is the best of its segment.
    """

    at: Floats
    density: Floats
    prob_best: float


def density_of(levels: Sequence[float], quantiles: ArrayLike, n: int = _POINTS) -> tuple[Floats, Floats]:
    """Where a belief lives, and its density there, scaled to a largest value of 1.

    Args:
        levels: rising, between 0 and 1, ``[Q]``.
        quantiles: the belief's value below which each of these shares of it lies, ``[Q]``.
        n: how many points.
    """
    # Quantiles of draws may be equal; a distribution function that rises there by a hair has a density.
    ends = np.asarray(quantiles, np.float64)
    ends = ends + np.arange(len(ends)) * max(1e-9 * float(np.ptp(ends)), 1e-12)
    x = np.linspace(ends[0], ends[-1], n)
    density = PchipInterpolator(ends, levels).derivative()(x)
    if np.isfinite(density).all():
        density = gaussian_filter1d(density, _SMOOTHED * n, mode="nearest")  # some quantiles make a coarse curve
    # A spike, of a variant that never or always succeeded, must not flatten everything beside it.
    highest = max(float(np.quantile(density[np.isfinite(density)], 0.98)), 1e-300)
    return x, np.clip(np.nan_to_num(density / highest, posinf=1.0), 0.0, 1.0)


def ridges_figure(
    ridges: Mapping[str, Mapping[str, Ridge]],
    currency: str | None = None,
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """A ridge for each variant, a panel for each segment; beside each variant, P(best).

    Args:
        ridges: by segment and variant.
        currency: what rewards are counted in; None where they are rates.
        colours: of the variants; None gives them theirs in the order in which they come.
    """
    n_ridges = sum(len(of_segment) for of_segment in ridges.values())
    tall = 90 + 56 * max(len(ridges), 1) + 34 * n_ridges
    figure = panels(list(ridges), share_x=True, spacing=50 / tall)
    traces: dict[int, list[dict[str, Any]]] = {}
    for row, of_segment in enumerate(ridges.values(), start=1):
        traces[row] = []
        for height, (colour, (name, ridge)) in enumerate(coloured(of_segment)):
            own = colour if colours is None else colours.get(name, colour)
            traces[row] += _ridge(height, name, ridge, own, ".2%" if currency is None else ",.2f")
        labels = [f"{said(name, 40)}  {one.prob_best:.0%}" for name, one in of_segment.items()]
        figure.update_yaxes(tickvals=list(range(len(labels))), ticktext=labels, showgrid=False, row=row, col=1)
    add_all(figure, traces)
    if not ridges:
        add_empty(figure)
    figure.update_xaxes(tickformat=".1%" if currency is None else ",.4~r")
    unit = "" if currency in {None, "rewards"} else f", {currency}"
    styled(figure, height=tall)
    title = f"expected reward of a trial{unit}"
    figure.update_xaxes(title_text=title, **place_of(max(len(ridges) - 1, 0)))
    return figure


def _ridge(height: int, name: str, ridge: Ridge, colour: str, number_format: str) -> list[dict[str, Any]]:
    """The ground a ridge stands on, and the ridge."""
    common: dict[str, Any] = {"type": "scatter", "x": ridge.at, "mode": "lines", "showlegend": False}
    ground = {"y": np.full(len(ridge.at), height), "line": {"color": colour, "width": 0}, "hoverinfo": "skip"}
    hill = {
        "y": height + _RIDGE * ridge.density,
        "line": {"color": colour, "width": 1.5},
        "fill": "tonexty",
        "fillcolor": faint(colour, 0.45),
        "name": said(name),
        "text": f"P(best) {ridge.prob_best:.2f}",
        "hovertemplate": f"{said(name)}<br>%{{x:{number_format}}}<br>%{{text}}<extra></extra>",
    }
    return [{**common, **ground}, {**common, **hill}]
