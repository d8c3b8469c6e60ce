"""A result as one page of HTML that needs nothing else: tables to read, figures to look at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import plotly.io
from jinja2 import Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from optimizer.scenarios.figures import case_name, figures
from optimizer.scenarios.pages import template
from optimizer.scenarios.result import Measured, Result
from optimizer.scenarios.whole_files import write_whole

_KINDS = {
    "rehearsal": "Rehearsal: a closed loop in a world",
    "replay": "Replay of a history",
    "evaluation": "Off-policy evaluation of a history",
}
_NOTHING = "-"
_CONFIG = {"displaylogo": False, "responsive": True}


def report_html(result: Result) -> str:
    """The page. Equal results give equal pages."""
    drawn = {
        title: Markup(  # noqa: S704 -- made by plotly, which escapes what it is given
            plotly.io.to_html(
                figure, full_html=False, include_plotlyjs=False, div_id=f"figure-{number}", config=_CONFIG
            )
        )
        for number, (title, figure) in enumerate(figures(result).items(), start=1)
    }
    return _template().render(
        result=result,
        kind=_KINDS[result.kind],
        figures=drawn,
        plotlyjs=Markup(get_plotlyjs()),  # noqa: S704 -- the library itself, from its wheel
        case_name=case_name,
    )


def write_report(result: Result, path: Path) -> None:
    """Write the page, all of it or nothing."""
    write_whole(path, report_html(result).encode())


@cache
def _template() -> Template:
    return template("report.html.j2", number=_number, measured=_measured, share=_share, sentence=_sentence)


def _number(value: float | None) -> str:
    """Four significant digits; whole numbers in full."""
    if value is None:
        return _NOTHING
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _measured(value: Measured | None) -> str:
    """A mean with its standard error."""
    if value is None:
        return _NOTHING
    return (
        _number(value.mean) if value.standard_error is None else f"{_number(value.mean)} ± {value.standard_error:.2g}"
    )


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.1f} %"


def _sentence(name: str) -> str:
    """``reward_per_decision`` as people say it."""
    return name.replace("_", " ")
