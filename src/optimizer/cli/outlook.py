"""How long campaigns need to learn, as a table: for ``check`` and ``plan``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import percent
from optimizer.cli.terminal import say

if TYPE_CHECKING:
    from optimizer.services.forecasts.outlooks import SegmentOutlook

_TITLE = "Audience, and days until the best variant is so with probability 0.9, in 4 of 5 cases"


def show_outlook(console: Console, outlook: Sequence[SegmentOutlook]) -> None:
    """A row for each segment, and under it what to do where its audience is too small."""
    if not outlook:
        return
    table = Table(title=_TITLE, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("campaign", overflow="fold")
    table.add_column("segment", overflow="fold")
    for name in ("variants", "of all", "a day", "succeed", "days", "sees"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for campaign_id, rows in groupby(outlook, key=lambda row: row.campaign_id):
        for number, row in enumerate(rows):
            notes = [row.unknown or row.advice_why, f"assumed: {', '.join(row.assumed)}" if row.assumed else ""]
            table.add_row(
                Text("" if number else campaign_id, "bold"),
                Text(row.segment_id),
                str(row.n_variants),
                "?" if row.share is None else percent(row.share),
                "?" if row.decisions_per_day is None else _rounded(row.decisions_per_day),
                "?" if row.rate is None else percent(row.rate, 2),
                "?" if row.days is None else _rounded(row.days),
                "?" if row.detectable_lift is None else f"+{percent(row.detectable_lift)}",
                Text("; ".join(note for note in notes if note), "yellow" if row.advice_why and row.days else "dim"),
            )
        table.add_section()
    say(console, "")
    console.print(table)
    if any(row.days is not None for row in outlook):
        say(console, "days: with equal shares and a lead of 20 %, or what the campaign `expects` (lift)", "dim")
    if any(row.detectable_lift is not None for row in outlook):
        say(console, "sees: the smallest lift a test at the campaign's end finds in 4 of 5 cases", "dim")


def _rounded(number: float) -> str:
    return f"{number:,.1f}" if number < 10 else f"{number:,.0f}"
