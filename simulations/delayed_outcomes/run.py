"""Late outcomes: what a policy loses that counts a decision as a trial without success until its outcome comes.

``python run.py [REPLICATIONS] [JOBS]`` rehearses scenario.yaml, the same with other steps, opened.yaml and
corrected.yaml; it prints tables and writes result.json beside this file. The same number of replications gives the same
file. ``--only PART`` rehearses one part again and keeps the others as they are.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, HOUR
from optimizer.scenarios.choosers import chooser_of
from optimizer.scenarios.measuring import measured
from optimizer.scenarios.names import variants_of
from optimizer.scenarios.reading import read_scenario
from optimizer.scenarios.rehearsals import Case
from optimizer.scenarios.spreading import Workers
from optimizer.scenarios.world_models import synthetic_world
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.simulation.runs import Run
from optimizer.simulation.synthetic import OutcomeKind, SyntheticWorld
from optimizer.strategy.documents import period

FOLDER = Path(__file__).parent
STEPS = {"every two hours": 2 * HOUR, "every 6 hours": 6 * HOUR, "once a day": DAY}
CADENCE_OF = ("as-written",)  # policies that are also rehearsed at the other steps
DAYS = (3, 7, 14, 28)  # at which shares and what has been heard of are looked at

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What is kept of one run; arrays are [len(DAYS)].

    ``heard_best`` and ``heard_others`` are the parts of the final conversions that had been heard of by then, of the
    decisions for the best variant and of the others': how far they look worse than they are.
    """

    policy: str
    outcomes: str
    step: int
    regret: float
    reward: float
    leads: bool  # whether the best variant has the largest share in the end
    best_share: Floats
    heard_best: Floats
    heard_others: Floats


def cases(file: str, step: int | None = None) -> list[Case]:
    """What a scenario compares: every policy under all guardrails, learning at another step where one is given."""
    read = read_scenario(FOLDER / file)
    said, world = read.document.rehearse, read.document.world
    assert read.written is not None
    assert world is not None
    assert world.synthetic is not None
    starts, _ = period(said.starts, None, read.written.strategy.time_zone)
    assert starts is not None
    assert said.for_ is not None
    model = synthetic_world(world.synthetic, variants_of(read.written.campaign), starts)
    plan = Plan(starts, starts + said.for_, step or said.step, said.reaction)
    found = []
    for guardrails in read.guardrails:
        for policy in read.document.policies:
            chosen = chooser_of(policy, guardrails.campaign)
            assert chosen is not None
            names = policy.name, guardrails.name
            found.append(Case(*names, guardrails.strategy, *chosen, model, plan, read.document.seed))
    return found


def one_run(unit: tuple[Case, int]) -> Found:
    """One replication of one case."""
    case, replication = unit
    run = rehearse(
        case.strategy, case.campaign, case.model, case.plan, case.chooser, seed=case.seed, replication=replication
    )
    best = int(np.asarray(_rewarded(case).rates)[0, :-1].argmax())
    days = (run.allocation.at - case.plan.start) / DAY
    shares = run.allocation.shares[:, 0, :]
    others = np.delete(shares, best, axis=1).sum(axis=1)
    looked = [int(np.searchsorted(days, day, side="right")) - 1 for day in DAYS]
    return Found(
        policy=case.policy,
        outcomes=case.guardrails,
        step=case.plan.step or 0,
        regret=run.regret,
        reward=run.reward,
        leads=bool(shares[-1].argmax() == best),
        best_share=shares[looked, best],
        heard_best=np.array([_heard(case, run, shares[:, best], day) for day in DAYS]),
        heard_others=np.array([_heard(case, run, others, day) for day in DAYS]),
    )


def _rewarded(case: Case) -> OutcomeKind:
    """The outcome that the campaign is rewarded for."""
    assert isinstance(case.model, SyntheticWorld)
    objective = next(one for one in case.strategy.objectives if one.id == case.campaign.serves)
    return next(kind for kind in case.model.kinds if kind.name == objective.reward.outcome)


def _heard(case: Case, run: Run, shares: Floats, day: float) -> float:
    """Part of the conversions of decisions up to a day that has come by then, where arrivals are even.

    nan where the outcome follows another one.
    """
    outcome = _rewarded(case)
    if outcome.parent is not None:
        return np.nan  # its delays add up
    ages = day * DAY - (run.allocation.at - case.plan.start).astype(np.float64)
    shown = shares * (ages > 0)
    return float(shown @ outcome.delay.cdf(np.maximum(ages, 0.0)) / shown.sum())


def table(found: Sequence[Found]) -> list[dict[str, object]]:
    """Means over replications, with standard errors, and what late outcomes cost, paired by replication."""
    rows = []
    keys = dict.fromkeys((one.step, one.policy, one.outcomes) for one in found)
    first = found[0].outcomes
    regrets = {key: np.array([f.regret for f in found if (f.step, f.policy, f.outcomes) == key]) for key in keys}
    for key in keys:
        some = [f for f in found if (f.step, f.policy, f.outcomes) == key]
        regret = measured(regrets[key])
        row: dict[str, object] = {
            "step_hours": key[0] // HOUR,
            "policy": key[1],
            "outcomes": key[2],
            "regret": _pair(regret.mean, regret.standard_error),
        }
        if key[2] != first:
            more = measured(regrets[key] - regrets[key[0], key[1], first])
            row["more_than_at_once"] = _pair(more.mean, more.standard_error)
            row["more_interval"] = _pair(more.low, more.high)
        row["reward"] = _pair(*_mean([f.reward for f in some]))
        row["best_leads"] = float(np.mean([f.leads for f in some]))
        for name in ("best_share", "heard_best", "heard_others"):
            means = np.mean([getattr(f, name) for f in some], axis=0)
            row[name] = [round(float(mean), 4) for mean in means] if np.isfinite(means).all() else None
        rows.append(row)
    return rows


def part_of_ignored(found: Sequence[Found]) -> dict[str, list[float | None]]:
    """Regret with late outcomes as a part of what ignoring the delay costs: ratio of means, and its standard error.

    The error is that of the residuals of a ratio, paired by replication.
    """
    parts = {}
    late = [one for one in found if one.outcomes != found[0].outcomes]
    ignored = np.array([one.regret for one in late if one.policy == "ignored"])
    for policy in dict.fromkeys(one.policy for one in late if one.policy != "ignored"):
        regrets = np.array([one.regret for one in late if one.policy == policy])
        ratio = regrets.mean() / ignored.mean()
        error = measured((regrets - ratio * ignored) / ignored.mean()).standard_error
        parts[policy] = [round(float(ratio), 3), None if error is None else round(error, 3)]
    return parts


def _mean(values: Sequence[float]) -> tuple[float, float | None]:
    found = measured(values)
    return found.mean, found.standard_error


def _pair(*values: float | None) -> list[float | None]:
    return [None if value is None else round(value, 2) for value in values]


def show(title: str, rows: Sequence[dict[str, object]]) -> None:
    """Print a table."""
    print(f"\n{title}; shares and what has been heard of on days {DAYS}")
    print(f"{'step':>5} {'policy':14}{'outcomes':22}{'regret':>15}{'more':>15}{'leads':>7}  best's share; heard")
    for row in rows:
        regret, more = row["regret"], row.get("more_than_at_once", [None, None])
        print(
            f"{row['step_hours']:>4}h {row['policy']:14}{row['outcomes']:22}{_said(regret):>15}{_said(more):>15}"
            f"{row['best_leads']:7.2f}  {row['best_share']} {row['heard_best']} {row['heard_others']}",
            flush=True,
        )


def _said(pair: object) -> str:
    assert isinstance(pair, list)
    return "" if pair[0] is None else f"{pair[0]:.1f}" + ("" if pair[1] is None else f" ± {pair[1]:.1f}")


def main() -> None:
    """Rehearse all, and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=20, help="of each case (%(default)s)")
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--only", choices=("late", "opened", "steps", "corrected"), help="one part; the others stay")
    said = parser.parse_args()
    workers = Workers(said.jobs)
    late = cases("scenario.yaml")
    other_steps = [
        replace(case, plan=replace(case.plan, step=step))
        for step in STEPS.values()
        for case in late
        if step != case.plan.step and case.policy in CADENCE_OF
    ]
    path = FOLDER / "result.json"
    result: dict[str, Any] = json.loads(path.read_text()) if said.only else {}
    result |= {"what": "regret of learning from late outcomes", "days": DAYS}
    parts = {
        "late": late,
        "opened": cases("opened.yaml"),
        "steps": other_steps,
        "corrected": cases("corrected.yaml"),
    }
    for name, some in parts.items():
        if said.only in {None, name}:
            units = [(case, number) for case in some for number in range(said.replications)]
            found = list(workers.results(name, one_run, units, len(units)))
            rows = table(found)
            show(name, rows)
            result[name] = rows
            result.setdefault("replications", {})[name] = said.replications
            if name == "corrected":
                result["of_ignored"] = part_of_ignored(found)
                print("regret as a part of that with `delay: ignored`:", result["of_ignored"])
            path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
