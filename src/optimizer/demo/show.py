"""What the demo found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.demo.history import VARIANTS
from optimizer.demo.replay import Replay

BAR_WIDTH = 24
_ROOMY = 96  # columns of a terminal that has room to spare


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One segment, or everyone.

    Attributes:
        allocation: by variant, the share it ends with; empty for everyone.
        rate, low, high: mean reward of the trials with its 95 % interval.
        uniform: mean reward of all logged customers here: what an equal split earns.
        best: variant that earned most here, told with hindsight, and what it earned.
    """

    segment: str
    customers: int
    allocation: dict[str, float]
    trials: int
    rate: float
    low: float
    high: float
    uniform: float
    best: tuple[str, float]

    @property
    def lift(self) -> float:
        """How much more than the equal split, as a share of it."""
        return self.rate / self.uniform - 1 if self.uniform else 0.0


@dataclass(frozen=True, slots=True)
class Axis:
    """What a column of bars shows, from `low` on its left to `high` on its right."""

    low: float
    high: float
    width: int = BAR_WIDTH

    @classmethod
    def over(cls, values: Iterable[float], *, zero: bool = False, width: int = BAR_WIDTH) -> Axis:
        """The axis of these rates, in whole percents; from 0 if so wanted."""
        low, high = min(values := [*values], default=0.0), max(values, default=1.0)
        return cls(0.0 if zero else floor(100 * low) / 100, max(ceil(100 * high), 1) / 100, width)

    def place(self, value: float) -> int:
        """The column of a value; values beyond an end stand at it."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def bar(self, low: float, point: float, high: float, mark: float | None = None) -> str:
        """An interval, with something to compare it with: ``·····│····━━●━━····``."""
        bar = ["━" if self.place(low) <= n <= self.place(high) else "·" for n in range(self.width)]
        if mark is not None:
            bar[self.place(mark)] = "│"
        bar[self.place(point)] = "●"
        return "".join(bar)

    def __str__(self) -> str:
        left, right = percent(self.low, 0), percent(self.high, 0)
        return left + right.rjust(self.width - len(left))


def percent(share: float, digits: int = 1) -> str:
    """``18.3 %``."""
    return f"{100 * share:.{digits}f} %"


def segment_results(replay: Replay) -> list[SegmentResult]:
    """Every segment that anyone is in, the largest first; then everyone."""
    reported = {one["segment"]: one for one in replay.report["segments"]}
    names, counts = np.unique(replay.segments, return_counts=True)
    results = [
        _result(replay, replay.segments == name, str(name), reported[str(name)])
        for name in names[np.argsort(-counts, kind="stable")]
    ]
    everyone = np.ones(len(replay.decided), bool)
    return [*results, _result(replay, everyone, "everyone", None)]


def _result(replay: Replay, here: np.ndarray[Any, np.dtype[np.bool_]], name: str, said: Any) -> SegmentResult:
    accepted = here & replay.accepted
    trials, positives = int(accepted.sum()), int(replay.rewarded[accepted].sum())
    rates = [_mean(replay.rewarded[here & (replay.logged == arm)]) for arm in range(len(VARIANTS))]
    best = int(np.argmax(rates))
    low, high = wilson(positives, trials) if said is None else (said["learning"]["low"], said["learning"]["high"])
    return SegmentResult(
        segment=name,
        customers=int(here.sum()),
        allocation={} if said is None else {one["variant"]: one["allocation"] for one in said["variants"]},
        trials=trials,
        rate=positives / trials if trials else 0.0,
        low=low,
        high=high,
        uniform=_mean(replay.rewarded[here]),
        best=(VARIANTS[best], rates[best]),
    )


def _mean(values: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return float(values.mean()) if len(values) else 0.0


def wilson(positives: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a rate. Wilson 1927, "Probable inference", equation for p1 and p2."""
    z2 = 1.959964**2
    if trials == 0:
        return 0.0, 1.0
    rate = positives / trials
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = (z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2))) ** 0.5 / (1 + z2 / trials)
    return centre - half, centre + half


def counted_alike(replay: Replay) -> bool:
    """Whether the service counted exactly the trials and rewards that were sent."""
    learning = [one["learning"] for one in replay.report["segments"]]
    sent = (int(replay.accepted.sum()), int(replay.rewarded[replay.accepted].sum()))
    return sent == (sum(one["trials"] for one in learning), sum(one["positives"] for one in learning))


def result_json(replay: Replay, verified: dict[str, Any], source: str) -> dict[str, Any]:
    """The whole result for machines."""
    return {
        "history": source,
        "decisions": len(replay.decided),
        "accepted": int(replay.accepted.sum()),
        "mean_reward": replay.mean_reward,
        "segments": [
            {
                "segment": one.segment,
                "customers": one.customers,
                "allocation": one.allocation,
                "trials": one.trials,
                "rate": one.rate,
                "low": one.low,
                "high": one.high,
                "uniform": one.uniform,
                "lift": one.lift,
                "best_single": {"variant": one.best[0], "rate": one.best[1]},
            }
            for one in segment_results(replay)
        ],
        "batches": replay.n_batches,
        "decisions_per_second": round(replay.decisions_per_second),
        "replay_seconds": round(replay.seconds, 2),
        "service_counted_the_same": counted_alike(replay),
        "ledger": verified,
    }


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
            f"{percent(one.uniform)}\n[{'green' if one.lift > 0 else 'red'}]{round(100 * one.lift):+d} %[/]",
            f"{percent(one.best[1])}\n{one.best[0]}",
        )
    return table


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
