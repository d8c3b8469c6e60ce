"""A heat map of the allocation, where segments are too many for a panel each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from numpy.typing import ArrayLike

from optimizer.figures.look import COLOURS, add_empty, faint, said, styled

_ROW = 30  # pixels


def heat_figure(segments: Sequence[str], variants: Sequence[str], shares: ArrayLike) -> go.Figure:
    """Each variant's share of each segment, as a shade and as a number.

    Args:
        segments: ``S`` names, the first on top.
        variants: ``A`` names.
        shares: ``[S, A]``, between 0 and 1.
    """
    # Numbers, not labels, are the places: two names that are shown alike must not become one row.
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            zmin=0.0,
            zmax=1.0,
            colorscale=[[0.0, faint(COLOURS[0], 0.03)], [1.0, faint(COLOURS[0], 0.85)]],
            texttemplate="%{z:.0%}",
            hovertemplate="%{z:.1%}<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_xaxes(
        tickvals=list(range(len(variants))), ticktext=[said(name, 24) for name in variants], side="top", showgrid=False
    )
    figure.update_yaxes(
        tickvals=list(range(len(segments))),
        ticktext=[said(name, 28) for name in segments],
        autorange="reversed",
        showgrid=False,
    )
    if not segments:
        add_empty(figure)
    return styled(figure, height=120 + _ROW * max(len(segments), 1))
