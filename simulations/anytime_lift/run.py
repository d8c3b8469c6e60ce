"""Is peeking safe? Campaigns with adaptive shares and seasons, looked at four times a day for six weeks.

``python run.py [CAMPAIGNS] [JOBS]`` prints a table and writes result.json beside this file; the same number of
campaigns gives the same file.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference

sys.path.insert(0, str(Path(__file__).parent))
from recurring import looks
from worlds import DAYS, STEPS, WINDOW, Case, Seen, campaigns

CAMPAIGNS, PART, SEED = 2_000, 250, 20_261_122
RESULT = Path(__file__).parent / "result.json"
UNEQUAL = (0.0, 0.3, -0.2, 0.6)
CASES = (
    Case("no effect"),
    Case("no effect, rewards late", median=1.0),
    Case("no effect, amounts (spread 1)", spread=1.0),
    Case("no effect, amounts (spread 1.5)", spread=1.5),
    Case("an effect", UNEQUAL),
    Case("an effect, rewards late", UNEQUAL, median=1.0),
    Case("an effect, amounts (spread 1)", UNEQUAL, spread=1.0),
    Case("an effect, amounts (spread 1.5)", UNEQUAL, spread=1.5),
)
MATURED = "lift, matured"
COMPARED = ("lift", MATURED, "variant against control")

Floats = NDArray[np.float64]


def main() -> None:
    """Run every case, print the table and write the result."""
    asked = ArgumentParser(description=__doc__)
    asked.add_argument("campaigns", type=int, nargs="?", default=CAMPAIGNS)
    asked.add_argument("jobs", type=int, nargs="?", default=1)
    options = asked.parse_args()
    rows = []
    for case in CASES:
        n = campaigns_of(case, options.campaigns)
        parts = [(case, part, min(PART, n - part)) for part in range(0, n, PART)]
        with ProcessPoolExecutor(options.jobs) as pool:
            found = told(case, np.concatenate(list(pool.map(missed_in, parts))))
        print_rows(found)
        rows += found
    rows.append(recurring(options.campaigns))
    print_rows(rows[-1:])
    result = {
        "what": "share of campaigns in which an interval of 95 % missed the truth at some look",
        "looks": DAYS * STEPS,
        "cases": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def campaigns_of(case: Case, campaigns: int) -> int:
    """How many campaigns of a case: a quarter where there is an effect, of which only the coverage is asked."""
    return campaigns if not any(case.lift) else max(campaigns // 4, 1)


def recurring(n: int) -> dict[str, Any]:
    """Campaigns without effect whose people come back: trial by trial, and with people as the unit."""
    rng, found = np.random.default_rng([SEED, 99]), np.zeros((n, 2))
    for world in range(n):
        for both in looks(rng):
            for place, (low, high) in enumerate(one.anytime_interval() for one in both):
                found[world, place] = max(found[world, place], low > 0.0 or high < 0.0)
    return {
        "case": "no effect, the same people again and again",
        "compared": "lift",
        "campaigns": n,
        "missed_by_every_look_if_trials_are_the_unit": round(float(found[:, 0].mean()), 4),
        "missed_by_every_look": round(float(found[:, 1].mean()), 4),
    }


def missed_in(part: tuple[Case, int, int]) -> Floats:
    """See `missed`: of one part of the campaigns, with a seed of its own."""
    case, first, n = part
    place = [one.name for one in CASES].index(case.name) if case in CASES else len(CASES)
    return missed(case, n, np.random.default_rng([SEED, place, first]))


def missed(case: Case, n: int, rng: np.random.Generator) -> Floats:
    """For each campaign and comparison: did the interval for one look, that for every look, ever miss; did it find it.

    Returns:
        ``[n, COMPARED, 3]``, each 0 or 1; last whether at the end the interval for every look is beside zero.
    """
    found = np.zeros((n, len(COMPARED), 3))
    for seen in campaigns(case, n, rng):
        for world in range(n):
            for place, (difference, truth) in enumerate(differences(case, seen, world)):
                if difference is None:
                    continue
                for kind, (low, high) in enumerate((difference.interval(), difference.anytime_interval())):
                    if difference.seen >= difference.enough and (low > truth or high < truth):
                        found[world, place, kind] = 1.0
                found[world, place, 2] = float(low > 0.0 or high < 0.0)
    return found


def differences(case: Case, seen: Seen, world: int) -> list[tuple[StratifiedDifference | None, float]]:
    """Learning group against holdout, so far and matured alone; last variant against control; each with the truth."""
    until = slice(0, seen.step // STEPS + 1)
    over = slice(0, max(0, (seen.step + 1) // STEPS - WINDOW))
    sums = (seen.trials[world], seen.rewards[world], seen.squares[world], seen.gain[world])
    learning = [one[:, :-1].sum(axis=1) for one in sums]
    holdout = [one[:, -1] for one in sums]
    control, variant = ([one[:, arm] for one in sums] for arm in (0, -2))
    found: list[tuple[StratifiedDifference | None, float]] = []
    for one, other, days in ((learning, holdout, until), (learning, holdout, over), (variant, control, until)):
        if days.stop == 0 or (case.median is None and days is over):
            found.append((None, 0.0))
            continue
        sides = [Side(*(np.asarray(part[days], np.float64) for part in side[:3])) for side in (one, other)]
        difference = stratified_difference(*sides, successes=case.spread is None)
        found.append((difference, truth_of(*sides, one[3][days], other[3][days])))
    return found


def truth_of(one: Side, other: Side, gain: Floats, other_gain: Floats) -> float:
    """What the difference estimates: the mean of the days' true differences, weighted as it weighs them."""
    both = (one.trials > 0) & (other.trials > 0)
    n1, n0 = one.trials[both], other.trials[both]
    weights = n1 * n0 / (n1 + n0)
    return float((weights * (gain[both] / n1 - other_gain[both] / n0)).sum() / weights.sum()) if both.any() else 0.0


def told(case: Case, found: Floats) -> list[dict[str, Any]]:
    """A row for each comparison of a case."""
    return [
        {
            "case": case.name,
            "compared": name,
            "campaigns": len(found),
            "missed_by_one_look": round(float(found[:, place, 0].mean()), 4),
            "missed_by_every_look": round(float(found[:, place, 1].mean()), 4),
            "found_in_the_end": round(float(found[:, place, 2].mean()), 4),
        }
        for place, name in enumerate(COMPARED)
        if name != MATURED or case.median is not None
    ]


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Lines of the table."""
    for row in rows:
        cells = [f"{cell:.1%}" for cell in row.values() if isinstance(cell, float)]
        print(f"| {row['case']} | {row['compared']} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
