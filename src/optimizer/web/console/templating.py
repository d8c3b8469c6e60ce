"""Templates: how values are written on pages. Everything that is written is escaped, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool

from optimizer.domain.instants import DAY, HOUR, MINUTE, Duration, Instant, isoformat, moment
from optimizer.domain.micros import units
from optimizer.insights.forecasting.daily import date_words
from optimizer.insights.ranking_words import SHARE
from optimizer.web.console.assets import asset_url, plotly_sheet, plotly_url

UTC = ZoneInfo("UTC")
NOTHING = "\u2013"  # a dash
MINUS = "\u2212"
_zone: ContextVar[ZoneInfo] = ContextVar("zone", default=UTC)


async def rendered(template: str, zone: ZoneInfo, context: Mapping[str, Any]) -> str:
    """The HTML of a page, made in a thread: decisions wait for nobody who reads.

    Args:
        template: its file in the folder of templates.
        zone: in which times are shown.
        context: what the template names.
    """

    def render() -> str:
        _zone.set(zone)
        return environment().get_template(template).render(context)

    return await run_in_threadpool(render)


@cache
def environment() -> Environment:
    """Where templates come from, and the words they may use."""
    made = Environment(
        loader=PackageLoader("optimizer.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "time": time_tag,
        "day": day_tag,
        "date": date_words,
        "span": span_text,
        "money": money_text,
        "figure": figure_text,
        "difference": difference_text,
        "percent": percent_text,
        "within_script": within_script,
    }
    made.globals |= {"asset": asset_url, "plotly_url": plotly_url, "plotly_sheet": plotly_sheet}
    made.globals["zone_name"] = lambda: _zone.get().key
    return made


def time_tag(at: Instant | None) -> Markup:
    """A time where the strategy is at home: ``9 Dec 2026, 14:03 GMT``; a dash for none."""
    return _tag(at, "{0.day} {0:%b %Y, %H:%M %Z}")


def day_tag(at: Instant | None) -> Markup:
    """The same, as a day: ``9 Dec 2026``."""
    return _tag(at, "{0.day} {0:%b %Y}")


def span_text(length: Duration) -> str:
    """How long something takes, or is ago, in one unit: ``3 days``."""
    size, name = next(((size, name) for size, name in _SPANS if length >= size), (MINUTE, "minute"))
    n = length // size
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"


def money_text(amount: int | None, currency: str) -> str:
    """An amount in micro-units with its currency: ``1,240.00 USD``; whole from a thousand on."""
    if amount is None:
        return NOTHING
    value = units(amount)
    said = f"{value:,.0f} {currency}" if abs(value) >= 1_000 else f"{value:,.2f} {currency}"
    return said.replace("-", MINUS, 1) if value < 0 else said


def percent_text(share: float | None) -> str:
    """A share with as many digits as mean something: ``92 %``, ``1.23 %``."""
    if share is None or not isfinite(share):
        return NOTHING
    value = 100 * share
    digits = 0 if abs(value) >= 99.95 or value == 0 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} %".replace("-", MINUS)


def figure_text(value: float | None, unit: str) -> str:
    """A value with its unit; a share of trials as per cent."""
    if value is None or not isfinite(value):
        return NOTHING
    if unit == SHARE:
        return percent_text(value)
    whole = float(value).is_integer() and abs(value) < 1e15
    digits = 0 if whole or abs(value) >= 1_000 else 2 if abs(value) >= 1 else 4
    number = f"{value:,.{digits}f}".replace("-", MINUS)
    return f"{number} {unit}".rstrip()


def difference_text(value: float | None, unit: str) -> str:
    """A difference with its sign and unit: ``+3.79 points`` of shares, ``-0.35 USD`` of amounts; a dash for none."""
    if value is None or not isfinite(value):
        return NOTHING
    name = "points" if unit == SHARE else unit
    return f"{difference_number(value, unit)} {name}".rstrip()


def difference_number(value: float | None, unit: str, beside: float | None = None) -> str:
    """The same without its unit, for the ends of an interval; written as finely as the value it stands `beside`."""
    if value is None or not isfinite(value):
        return NOTHING
    shown = 100 * value if unit == SHARE else value
    digits = 2 if unit == SHARE or abs(value if beside is None else beside) >= 1 else 4
    return f"{shown:+,.{digits}f}".replace("-", MINUS)


def within_script(json: str) -> Markup:
    """JSON for a ``<script type="application/json">``, in which nothing can end the script."""
    safe = json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(safe)  # noqa: S704 - nothing in it is markup any more


_SPANS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


def _tag(at: Instant | None, form: str) -> Markup:
    if at is None:
        return escape(NOTHING)
    local = moment(at)
    with suppress(OverflowError):  # a report may claim the first or last day of the calendar, which no other zone has
        local = local.astimezone(_zone.get())
    return Markup('<time datetime="{}">{}</time>').format(isoformat(at), form.format(local))
