"""How often guardrail metrics alarm, rightly and wrongly, when they are asked again and again: ``python run.py``.

Writes result.json beside this file; the same seeds give the same file. Takes about ten seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.guardrails.metrics import breach_probability

SEED = 20_26
N_RUNS = 10_000
LIMITS = (0.003, 0.005, 0.02)
CONFIDENCES = (0.9, 0.95, 0.99)
HARMLESS = (0.25, 0.5, 0.8, 1.0)  # true rates, in limits
HARMFUL = (1.5, 2.0, 4.0)
LOOK_EVERY = 100  # exposures
EARLY, HORIZON, LONG = 1_000, 20_000, 50_000  # exposures
NEVER = LONG + 1  # first alarm of a run without one
RESULT = Path(__file__).parent / "result.json"


def main() -> None:
    """Simulate every case, print the tables and write the result."""
    rows = [row for limit in LIMITS for times in (*HARMLESS, *HARMFUL) for row in cases(limit, times)]
    result = {
        "what": "sequential looks at a guardrail metric: share of runs with an alarm, and exposures until the first",
        "runs_per_case": N_RUNS,
        "look_every": LOOK_EVERY,
        "largest_standard_error_of_a_share": round(0.5 / N_RUNS**0.5, 4),
        "cases": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print_tables(rows)
    print(f"\n{N_RUNS:,} runs per line, written to {RESULT}")


def cases(limit: float, times: float) -> Iterator[dict[str, Any]]:
    """What happens at one limit and one true rate (in limits), for every confidence."""
    seed = np.random.SeedSequence([SEED, round(1e6 * limit), round(1e6 * times)])
    in_batches, one_by_one = (np.random.Generator(np.random.PCG64(child)) for child in seed.spawn(2))
    events = events_at_looks(in_batches, limit * times)
    places = exposures_of_events(one_by_one, limit * times) if times in HARMLESS else None
    for confidence in CONFIDENCES:
        needed = events_needed(limit, confidence)
        first = first_alarms(events, needed)
        row = {
            "limit": limit,
            "confidence": confidence,
            "true_rate_in_limits": times,
            f"alarm_by_{HORIZON}": share(first <= HORIZON),
            f"alarm_by_{LONG}": share(first <= LONG),
        }
        if places is None:
            row["median_exposures_until_alarm"] = quantile(first, 0.5)
            row["exposures_until_9_of_10_alarmed"] = quantile(first, 0.9)
        else:
            at = HORIZON // LOOK_EVERY - 1
            row[f"alarm_by_{EARLY}"] = share(first <= EARLY)
            row[f"alarm_if_looked_at_only_once_at_{HORIZON}"] = share(events[:, at] >= needed[at])
            after_each = first_alarms_looking_always(places, limit, confidence)
            row[f"alarm_by_{HORIZON}_looking_after_every_exposure"] = share(after_each <= HORIZON)
        yield row


def looks() -> NDArray[np.int64]:
    """Exposures at which the rule is asked."""
    return np.arange(LOOK_EVERY, LONG + 1, LOOK_EVERY)


def events_needed(limit: float, confidence: float) -> NDArray[np.int64]:
    """Fewest events that are an alarm at each look: the probability rises with events, so halving finds them."""
    exposures = looks()
    too_few, enough = np.full_like(exposures, -1), exposures.copy()
    while (enough - too_few > 1).any():
        middle = (too_few + enough) // 2
        alarms = breach_probability(middle, exposures, limit) >= confidence
        too_few, enough = np.where(alarms, too_few, middle), np.where(alarms, middle, enough)
    return enough


def events_at_looks(rng: np.random.Generator, rate: float) -> NDArray[np.int64]:
    """Events so far at each look, ``[runs, looks]``."""
    return rng.binomial(LOOK_EVERY, rate, (N_RUNS, len(looks()))).cumsum(axis=1)


def first_alarms(events: NDArray[np.int64], needed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exposures at each run's first alarm, ``[runs]``; `NEVER` where there is none."""
    alarms = events >= needed
    return np.where(alarms.any(axis=1), looks()[alarms.argmax(axis=1)], NEVER)


def exposures_of_events(rng: np.random.Generator, rate: float) -> NDArray[np.int64]:
    """Exposure at which each event happens, ``[runs, events]``, up to `HORIZON` and somewhat beyond."""
    expected = rate * HORIZON
    return rng.geometric(rate, (N_RUNS, int(expected + 8 * expected**0.5 + 8))).cumsum(axis=1)


def first_alarms_looking_always(places: NDArray[np.int64], limit: float, confidence: float) -> NDArray[np.int64]:
    """Exposures at each run's first alarm when every exposure is followed by a look; `NEVER` where there is none.

    Between two events the probability only falls, so an alarm can begin at an event only: at the k-th, if it
    happens before the exposure from which on k events are no longer enough.
    """
    k = np.arange(1, places.shape[1] + 1)
    in_time, too_late = np.zeros_like(k), np.full_like(k, NEVER)  # at k exposures or fewer all of them are events
    while (too_late - in_time > 1).any():
        middle = (in_time + too_late) // 2
        alarms = breach_probability(k, middle, limit) >= confidence
        in_time, too_late = np.where(alarms, middle, in_time), np.where(alarms, too_late, middle)
    alarms = places <= in_time
    first = np.take_along_axis(places, alarms.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(alarms.any(axis=1), first, NEVER)


def share(yes: NDArray[np.bool_]) -> float:
    """Share of the runs."""
    return round(float(yes.mean()), 4)


def quantile(first: NDArray[np.int64], level: float) -> int | None:
    """Exposures by which this share of the runs had alarmed; None when they never did."""
    at = int(np.quantile(first, level, method="inverted_cdf"))
    return None if at == NEVER else at


def print_tables(rows: list[dict[str, Any]]) -> None:
    """False alarms, then true ones."""
    print(
        "limit  conf.  true rate |   by 1,000  by 20,000  by 50,000 | one look at 20,000 | by 20,000, look after each"
    )
    for row in rows:
        if row["true_rate_in_limits"] in HARMLESS:
            print(
                f"{heading(row)} | {row[f'alarm_by_{EARLY}']:10.2%} {row[f'alarm_by_{HORIZON}']:10.2%} "
                f"{row[f'alarm_by_{LONG}']:10.2%} | {row[f'alarm_if_looked_at_only_once_at_{HORIZON}']:18.2%} | "
                f"{row[f'alarm_by_{HORIZON}_looking_after_every_exposure']:10.2%}"
            )
    print("\nlimit  conf.  true rate |  by 20,000  by 50,000 | exposures: half alarmed, 9 of 10 alarmed")
    for row in rows:
        if row["true_rate_in_limits"] in HARMFUL:
            print(
                f"{heading(row)} | {row[f'alarm_by_{HORIZON}']:10.2%} {row[f'alarm_by_{LONG}']:10.2%} | "
                f"{row['median_exposures_until_alarm'] or '-':>10} {row['exposures_until_9_of_10_alarmed'] or '-':>10}"
            )


def heading(row: dict[str, Any]) -> str:
    """What the case is."""
    return f"{row['limit']:5.1%}  {row['confidence']:5.2f}  {row['true_rate_in_limits']:5.2f} x  "


if __name__ == "__main__":
    main()
