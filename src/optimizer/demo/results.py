"""What the demo found, as numbers: per segment and over everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.demo.history import VARIANTS
from optimizer.demo.replay import Replay


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
