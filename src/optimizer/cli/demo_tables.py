"""What the demo found, as a table and in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import Axis, percent
from optimizer.demo.replay import Replay
from optimizer.demo.results import SegmentResult, counted_alike, segment_results

_ROOMY = 96  # columns of a terminal that has room to spare


def result_table(replay: Replay, rewarded: str, width: int = 100) -> Table:
    """Segments, what they get and what came of it, in 76 columns or more."""
    results = segment_results(replay)
    if len(results) == 2:  # one segment is everyone
        results = [replace(results[0], segment="everyone")]
    axis = Axis.over(
        (rate for one in results for rate in (one.low, one.high, one.uniform, one.best[1])),
        width=min(max(width - 69, 18), 40),
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 2 if width >= _ROOMY else 0, 1, 0),
        caption=f"● {rewarded} rate   ━ its 95 % interval   │ what an equal split earns",
        caption_justify="left",
    )
    for heading in ("segment\n", "sends now\n", f"{rewarded} rate\n{axis}"):
        table.add_column(heading, no_wrap=True)
    for heading in ("equal split\nlift", "best mail\nafterwards"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in results:
        shares = sorted(one.allocation.items(), key=lambda pair: -pair[1])
        table.add_row(
            f"[bold]{one.segment}[/bold]\n{one.customers:,} customers\n{one.trials:,} trials",
            "\n".join(f"{percent(share, 0):>5} {variant}" for variant, share in shares) or "as above",
            f"{axis.bar(one.low, one.rate, one.high, one.uniform)}\n"
            f"[bold]{percent(one.rate)}[/bold]\n{percent(one.low)} to {percent(one.high)}",
            Text.assemble(f"{percent(one.uniform)}\n", (f"{round(100 * one.lift):+d} %", _lift_style(one))),
            f"{percent(one.best[1])}\n{one.best[0]}",
        )
    return table


def _lift_style(one: SegmentResult) -> str:
    """A colour only where the interval leaves the equal split out: the rest may be chance."""
    if one.low > one.uniform:
        return "green"
    return "red" if one.high < one.uniform else "dim"


def verdict(replay: Replay, verified: dict[str, Any], rewarded: str) -> RenderableType:
    """The result in sentences."""
    overall = segment_results(replay)[-1]
    same = counted_alike(replay)
    sentences = Table.grid(padding=(0, 2))
    sentences.add_column(style="bold")
    sentences.add_column()
    sentences.add_row(
        "Result",
        f"[bold green]{percent(overall.rate)}[/bold green] {rewarded} rate; an equal split earns "
        f"{percent(overall.uniform)}, the best single mail, known only afterwards, {percent(overall.best[1])} "
        f"({overall.best[0]})",
    )
    sentences.add_row(
        "Speed",
        f"{replay.decisions_per_second:,.0f} durable decisions a second over HTTP, in {replay.n_batches} batches; "
        f"learned after each; {replay.seconds:.0f} seconds in all",
    )
    if verified.get("ok") and same:
        sentences.add_row(
            "Verified",
            f"{verified['decisions']:,} decisions and {verified['outcomes']:,} outcomes folded again: all "
            f"{verified['cells']:,} cells of statistics are the same; {verified['recomputed']:,} decisions computed "
            f"again, bit for bit; the service counted exactly the {int(replay.accepted.sum()):,} trials it was sent",
        )
    else:
        sentences.add_row("[red]NOT verified[/red]", Text(f"counted the same: {same}; ledger verify: {verified}"))
    return sentences
