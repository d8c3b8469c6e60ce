"""A pilot of a tenth, then all, against launching to everybody at once, where one of the new messages is bad.

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
SCENARIOS = ("bad-sells", "bad-fails", "busy")


def rounded(found: Measured) -> list[float]:
    """Mean and standard error."""
    return [round(found.mean, 2), round(found.standard_error or 0.0, 2)]


def row_of(result: Result, one: Rehearsed) -> dict[str, Any]:
    """What one case came to: reward, complaints, when the bad message was paused and when everybody took part."""
    paused = one.first_done.get("pause spring/pushy")
    first_done = {what.rpartition(" ")[0]: when.median for what, when in one.first_done.items()}
    return {
        "scenario": result.scenario,
        "guardrails": one.guardrails,
        "replications": result.replications,
        "purchases": rounded(one.outcomes["purchase"]),
        "complained": rounded(one.outcomes["complained"]),
        "by_variant": {
            name: {kind: rounded(found) for kind, found in counts.items()} for name, counts in one.by_variant.items()
        },
        "bad_paused": None if paused is None else {"share": round(paused.share, 4), "median_day": paused.median},
        "harmless_paused": {
            name: round(when.share, 4)
            for name in ("usual", "better")
            if (when := one.first_done.get(f"pause spring/{name}")) is not None
        },
        "median_day_of": first_done,
        "median_day_of_an_answer": {segment: when.median for segment, when in one.days_to_answer.items()},
    }


def differences(result: Result) -> list[dict[str, Any]]:
    """Reward of each case less that of the launch to everybody at once, paired by replication."""
    return [
        {
            "scenario": result.scenario,
            "guardrails": one.guardrails,
            "reward": rounded(one.difference),
            "relative": round(one.relative or 0.0, 4),
        }
        for one in result.differences
        if one.measure == "reward"
    ]


def shown(row: dict[str, Any]) -> str:
    """The case in a line."""
    paused, answers = row["bad_paused"], row["median_day_of_an_answer"].values()
    when = "never" if paused is None else f"{100 * paused['share']:.0f} %, day {paused['median_day'] or float('nan'):g}"
    all_in = row["median_day_of"].get("advance rollout")
    answer = ", ".join("-" if day is None else f"{day:g}" for day in answers)
    bad = row["by_variant"]["pushy"]
    return (
        f"{row['guardrails']:20}{row['purchases'][0]:9.1f} ±{row['purchases'][1]:5.1f}"
        f"{row['complained'][0]:9.1f} ±{row['complained'][1]:5.1f}{bad['sends'][0]:9,.0f}{when:>18}"
        f"{'-' if all_in is None else f'{all_in:g}':>9}{answer:>9}"
    )


def main() -> None:
    """Rehearse, print, write."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, help="of each case; default the scenarios' own numbers")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    said = parser.parse_args()
    cases, paired = [], []
    for name in SCENARIOS:
        result = Scenario.read(HERE / f"{name}.yaml").rehearse(replications=said.replications, jobs=said.jobs).result
        print(f"\n{result.scenario}, {result.replications} replications of {result.days:g} days")
        heads = f"{'purchases':>16}{'complained':>16}{'pushy':>9}{'it is paused':>18}{'grows':>9}{'answer':>9}"
        print(f"{'':20}{heads}")
        for one in result.rehearsed:
            cases.append(row_of(result, one))
            print(shown(cases[-1]), flush=True)
        for difference in differences(result):
            paired.append(difference)
            reward, error = difference["reward"]
            share = f"{100 * difference['relative']:+.1f} %"
            print(f"{difference['guardrails']:20}earns {reward:+.1f} ± {error:.1f} ({share}) over everybody at once")
    what = "a pilot, then all, against all at once, with one bad message of three; [mean, standard error], days"
    found = {"what": what, "cases": cases, "over_everybody_at_once": paired}
    (HERE / "result.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
