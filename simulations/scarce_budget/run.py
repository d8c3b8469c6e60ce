"""Money for a third of the traffic, through the whole engine: by price, first come first served, and equal split.

``python run.py`` rehearses every scenario beside this file, prints a table and writes result.json; the same number of
replications gives the same file, whatever the number of jobs.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Rehearsed, Result

HERE = Path(__file__).parent
SCENARIOS = ("per-send", "per-purchase")
LIMIT = 140.0  # of the budget, in every case but `no-limit`
SETTLED = 0.03  # share of the period after which spend should be on its course


def departure(one: Rehearsed) -> float | None:
    """How far what is in use departs from its course, as a share of the budget: mean of replications, at its largest.

    Returns:
        None where nothing is paced.
    """
    if "paced_spend" not in one.curves:
        return None
    spent, target = one.curves["paced_spend"], one.curves["pacing_target"]
    settled = np.array(spent.at) >= SETTLED * spent.at[-1]
    return float(np.abs(np.array(spent.mean) - np.array(target.mean))[settled].max() / LIMIT)


def rows(result: Result) -> list[dict[str, Any]]:
    """What each case came to, and what learning under the guardrails as written earns more than it."""
    first = result.rehearsed[0]
    against = {
        (one.policy, one.guardrails): one
        for one in result.differences
        if one.measure == "reward" and (one.than_policy, one.than_guardrails) == (first.policy, first.guardrails)
    }
    found = []
    for one in result.rehearsed:
        reward, spend = one.measures["reward"], one.measures["spend"]
        difference = against.get((one.policy, one.guardrails))
        found.append(
            {
                "scenario": result.scenario,
                "policy": one.policy,
                "guardrails": one.guardrails,
                "reward": round(reward.mean, 2),
                "reward_standard_error": round(reward.standard_error or 0.0, 2),
                "spend": round(spend.mean, 2),
                "spent_share": round(spend.mean / LIMIT, 4),
                "sends": round(one.measures["sends"].mean, 1),
                "reward_per_dollar": round(reward.mean / spend.mean, 3),
                "steps_over_the_limit": one.measures["over_budget"].mean,
                "largest_departure_from_the_course": None if (far := departure(one)) is None else round(far, 4),
                "learning_as_written_earns_more": None
                if difference is None
                else round(-difference.difference.mean / reward.mean, 4),
                "learning_as_written_earns_more_standard_error": None
                if difference is None
                else round((difference.difference.standard_error or 0.0) / reward.mean, 4),
            }
        )
    return found


def main() -> None:
    """Rehearse, print, write."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, help="of each case; default the scenarios' own number")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    said = parser.parse_args()
    cases: list[dict[str, Any]] = []
    print(
        f"{'scenario':30}{'case':36}{'reward':>9}{'±':>6}{'spent':>9}{'per USD':>9}{'off course':>12}{'written +%':>12}"
    )
    for name in SCENARIOS:
        result = Scenario.read(HERE / f"{name}.yaml").rehearse(replications=said.replications, jobs=said.jobs).result
        for row in rows(result):
            cases.append({**row, "replications": result.replications})
            far, more = row["largest_departure_from_the_course"], row["learning_as_written_earns_more"]
            print(
                f"{row['scenario']:30}{row['policy'] + ', ' + row['guardrails']:36}{row['reward']:9.1f}"
                f"{row['reward_standard_error']:6.1f}{row['spend']:9.2f}{row['reward_per_dollar']:9.3f}"
                f"{'-' if far is None else f'{100 * far:.1f} %':>12}{'-' if more is None else f'{100 * more:.1f}':>12}",
                flush=True,
            )
    what = "money for a third of the traffic: rewards and spend of whole campaigns, by policy and pacing"
    (HERE / "result.json").write_text(json.dumps({"what": what, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
