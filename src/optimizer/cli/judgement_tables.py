"""What was judged, as tables and in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.rehearsal_tables import show_heading, show_notes
from optimizer.cli.terminal import say

if TYPE_CHECKING:
    from optimizer.scenarios.result import Estimated, Result

_SHOWN = ("dr", "snips", "ips", "dm")  # the others differ from these where there is something to see: in the report
_ROUNDING = 1e-12
_LARGE = 1_000  # from here on, as amounts are, numbers are written in full
_STYLES = {"trust": "bold green", "weak": "yellow", "refuse": "bold red"}


def show_judgement(console: Console, result: Result) -> None:
    """What every policy would have earned, and whether that can be trusted."""
    show_heading(console, result)
    if result.history is not None and result.history.mean_reward is not None:
        say(console, f"mean reward of what was logged: {_number(result.history.mean_reward)}")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("policy, estimator", no_wrap=True)
    level = f"{100 * (result.judged[0].level if result.judged else 0.95):g} %"
    for name in ("reward", f"{level} interval", f"more than the log, {level}"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.judged:
        table.add_row(Text.assemble((one.policy, "bold"), " · ", (one.word, _STYLES[one.word])))
        for name in dict.fromkeys(name for name in (one.headline, *_SHOWN) if name in one.estimates):
            table.add_row(
                Text(f"  {name}", "" if name == one.headline else "dim"),
                _value(one.estimates[name]),
                _interval(one.estimates[name]),
                _interval(one.lift[name], signed=True) if name in one.lift else "-",
            )
        table.add_section()
    console.print(table)
    if any("dm" in one.estimates for one in result.judged):
        say(console, "dm is its model's word: its interval knows of chance, not of what the model has wrong", "dim")
    for one in result.judged:
        console.print(Text.assemble((one.policy, "bold"), ": ", (one.sentence, _STYLES[one.word])), soft_wrap=True)
        for reason in one.reasons[1:]:
            say(console, f"  also: {reason}", "dim")
        if one.plug_in is not None:
            say(console, f"  on the rows it was learned from it looks like {_number(one.plug_in)}", "dim")
    show_notes(console, result)


def _value(one: Estimated) -> str:
    if one.value is None:
        return "no number"
    return _number(one.value)


def _interval(one: Estimated, *, signed: bool = False) -> str:
    """The bootstrap's, else another one."""
    ends = one.intervals.get("bootstrap") or next(iter(one.intervals.values()), None)
    if ends is None:
        return "-"
    low, high = (0.0 if abs(end) < _ROUNDING else end for end in ends)
    return f"{_signed(low)} to {_signed(high)}" if signed else f"{_number(low)} to {_number(high)}"


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= _LARGE else f"{value:+.3g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"
