"""A message that annoys people: how soon it is paused, what that spares, and how often a harmless one is paused.

``python run.py`` rehearses every scenario beside this file, prints tables and writes result.json; the same number of
replications gives the same file, whatever the number of jobs.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Measured, Rehearsed, Result

HERE = Path(__file__).parent
SCENARIOS = ("500-a-day", "5000-a-day", "fatigue")
PENALTY = 5  # what an unsubscribe takes away, in purchases


def rounded(found: Measured) -> list[float]:
    """Mean and standard error."""
    return [round(found.mean, 2), round(found.standard_error or 0.0, 2)]


def row_of(result: Result, one: Rehearsed) -> dict[str, Any]:
    """What one case came to: outcomes by variant, and when each variant was paused."""
    purchases, unsubscribed = one.outcomes["purchase"], one.outcomes["unsubscribed"]
    return {
        "scenario": result.scenario,
        "guardrails": one.guardrails,
        "replications": result.replications,
        "sends": rounded(one.measures["sends"]),
        "purchases": rounded(purchases),
        "unsubscribed": rounded(unsubscribed),
        "purchases_less_five_for_each_unsubscribe": round(purchases.mean - PENALTY * unsubscribed.mean, 1),
        "by_variant": {
            name: {kind: rounded(found) for kind, found in counts.items()} for name, counts in one.by_variant.items()
        },
        "paused": {
            what.rpartition("/")[2]: {"share": round(when.share, 4), "median_day": when.median, "late_day": when.high}
            for what, when in one.first_done.items()
            if what.startswith("pause ")
        },
    }


def shown(row: dict[str, Any]) -> str:
    """The case in a line."""
    pauses = ", ".join(
        f"{name} {100 * when['share']:.0f} %" + ("" if when["median_day"] is None else f" (day {when['median_day']:g})")
        for name, when in row["paused"].items()
    )
    of_first = row["by_variant"]["last-chance"]["unsubscribed"]
    return (
        f"{row['guardrails']:16}{row['sends'][0]:9,.0f}{row['purchases'][0]:9.1f} ±{row['purchases'][1]:5.1f}"
        f"{row['unsubscribed'][0]:9.1f} ±{row['unsubscribed'][1]:5.1f}{of_first[0]:9.1f} ±{of_first[1]:5.1f}"
        f"{row['purchases_less_five_for_each_unsubscribe']:9.1f}   {pauses}"
    )


def main() -> None:
    """Rehearse, print, write."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, help="of each case; default the scenarios' own numbers")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    said = parser.parse_args()
    cases = []
    for name in SCENARIOS:
        result = Scenario.read(HERE / f"{name}.yaml").rehearse(replications=said.replications, jobs=said.jobs).result
        print(f"\n{result.scenario}, {result.replications} replications")
        print(f"{'':16}{'sends':>9}{'purchases':>16}{'unsubscribed':>16}{'of last-chance':>16}{'net':>9}   paused")
        for one in result.rehearsed:
            cases.append(row_of(result, one))
            print(shown(cases[-1]), flush=True)
    what = "a message that annoys people: outcomes, and pauses by guardrail metrics; [mean, standard error]"
    (HERE / "result.json").write_text(json.dumps({"what": what, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
