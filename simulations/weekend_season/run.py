"""A weekly season: how often is a policy fooled that pools weekdays and weekends while its shares change?

``python run.py [REPLICATIONS] [JOBS]`` rehearses scenario.yaml, prints a table and writes result.json beside this file.
The same number of replications gives the same file.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY
from optimizer.scenarios.choosers import chooser_of
from optimizer.scenarios.measuring import measured
from optimizer.scenarios.names import variants_of
from optimizer.scenarios.reading import read_scenario
from optimizer.scenarios.rehearsals import Case
from optimizer.scenarios.spreading import Workers
from optimizer.scenarios.world_models import synthetic_world
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.simulation.synthetic import SyntheticWorld
from optimizer.strategy.documents import period

FOLDER = Path(__file__).parent
BEST = 0  # the variant whose rate over the whole week is the highest, in each world
SURE = 0.95
SATURDAY = 5  # place of the day in a week that begins on Monday
WORLDS = {"as_written": "no-season"}  # the others are named in the scenario

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What is kept of one run; the end is a Sunday's.

    Attributes:
        right: whether the variant most probably best in the end is truly the best.
        sure: its probability of being the best.
        right_on_friday: the same, by the shares of the last Saturday; None for an equal split.
        regret: against the best fixed variant for the whole run, in visits; below 0 where a policy follows the season.
        regret_of_the_day: against what is best on each day.
    """

    policy: str
    world: str
    right: bool
    sure: float
    right_on_friday: bool | None
    regret: float
    regret_of_the_day: float


def cases() -> list[Case]:
    """What the scenario compares: every policy in every world."""
    read = read_scenario(FOLDER / "scenario.yaml")
    said, world = read.document.rehearse, read.document.world
    assert read.written is not None
    assert world is not None
    assert world.synthetic is not None
    starts, _ = period(said.starts, None, read.written.strategy.time_zone)
    assert starts is not None
    assert said.for_ is not None
    model = synthetic_world(world.synthetic, variants_of(read.written.campaign), starts)
    plan = Plan(starts, starts + said.for_, said.step, said.reaction)
    found = []
    for guardrails in read.guardrails:
        for policy in read.document.policies:
            chosen = chooser_of(policy, guardrails.campaign)
            assert chosen is not None
            names = policy.name, WORLDS.get(guardrails.name, guardrails.name)
            found.append(Case(*names, guardrails.strategy, *chosen, model, plan, read.document.seed))
    return found


def rates(case: Case) -> Floats:
    """True rate of each variant on each day, [days, A]."""
    assert isinstance(case.model, SyntheticWorld)
    objective = next(one for one in case.strategy.objectives if one.id == case.campaign.serves)
    place = [kind.name for kind in case.model.kinds].index(objective.reward.outcome)
    world = case.model.world(np.random.Generator(np.random.PCG64(0)))
    return np.array([world.rates(at)[place, 0, :-1] for at in range(case.plan.start, case.plan.end, DAY)])


def one_run(unit: tuple[Case, int]) -> Found:
    """One replication of one case."""
    case, replication = unit
    run = rehearse(
        case.strategy, case.campaign, case.model, case.plan, case.chooser, seed=case.seed, replication=replication
    )
    days = (run.allocation.at - case.plan.start) // DAY
    last_saturday = np.flatnonzero(days % 7 == SATURDAY)[-1]
    believed = run.prob_best[0]
    of_best = float(run.curves.decisions @ rates(case)[:, BEST])
    learns = case.chooser == "learning"
    return Found(
        policy=case.policy,
        world=case.guardrails,
        right=bool(believed.argmax() == BEST),
        sure=float(believed.max()),
        right_on_friday=bool(run.allocation.shares[last_saturday, 0].argmax() == BEST) if learns else None,
        regret=of_best - run.expected_reward,
        regret_of_the_day=run.regret,
    )


def table(found: Sequence[Found]) -> list[dict[str, object]]:
    """Shares of replications, and mean regrets, each with its standard error."""
    rows = []
    for world, policy in dict.fromkeys((one.world, one.policy) for one in found):
        some = [one for one in found if (one.world, one.policy) == (world, policy)]
        on_friday = [one.right_on_friday for one in some if one.right_on_friday is not None]
        rows.append(
            {
                "world": world,
                "policy": policy,
                "right": _share([one.right for one in some]),
                "sure_and_wrong": _share([one.sure >= SURE and not one.right for one in some]),
                "sure": _share([one.sure >= SURE for one in some]),
                "right_on_friday": _share(on_friday) if on_friday else None,
                "regret": _mean([one.regret for one in some]),
                "regret_of_the_day": _mean([one.regret_of_the_day for one in some]),
            }
        )
    return rows


def _share(happened: Sequence[bool]) -> list[float]:
    """How often it happened, with a standard error by Agresti and Coull (1998), which is above 0 even at 0."""
    n, k = len(happened), sum(happened)
    adjusted = (k + 2) / (n + 4)
    return [round(k / n, 4), round(float((adjusted * (1 - adjusted) / (n + 4)) ** 0.5), 4)]


def _mean(values: Sequence[float]) -> list[float | None]:
    found = measured(values)
    return [round(found.mean, 2), None if found.standard_error is None else round(found.standard_error, 2)]


def _said(pair: object, digits: int) -> str:
    return "" if not isinstance(pair, list) else " ± ".join("" if one is None else f"{one:.{digits}f}" for one in pair)


def main() -> None:
    """Rehearse all, and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=80, help="of each case (%(default)s)")
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="processes (%(default)s)")
    said = parser.parse_args()
    units = [(case, number) for case in cases() for number in range(said.replications)]
    rows = table(list(Workers(said.jobs).results("season", one_run, units, len(units))))
    shares, regrets = ("right", "right_on_friday", "sure", "sure_and_wrong"), ("regret", "regret_of_the_day")
    print(f"{'world':20}{'policy':18}" + "".join(f"{name:>20}" for name in (*shares, *regrets)))
    for row in rows:
        columns = [_said(row[name], 2) for name in shares] + [_said(row[name], 1) for name in regrets]
        print(f"{row['world']:20}{row['policy']:18}" + "".join(f"{column:>20}" for column in columns))
    result = {
        "what": "how often pooling weekdays and weekends finds the truly best variant, and what it costs",
        "replications": said.replications,
        "rates_on_friday_and_saturday": {
            case.guardrails: [[round(float(r), 5) for r in day] for day in rates(case)[4:6]] for case in cases()
        },
        "rows": rows,
    }
    (FOLDER / "result.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
