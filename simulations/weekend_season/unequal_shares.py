"""Variants that get their traffic on different days: which model is fooled?

``python unequal_shares.py [REPLICATIONS] [JOBS]`` prints a table and writes result-unequal-shares.json beside this
file; the same number of replications gives the same file.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.hierarchical import hierarchical_posterior
from optimizer.policy.hierarchical_design import Design
from optimizer.policy.posterior import Posterior

REPLICATIONS = 200
RESULT = Path(__file__).parent / "result-unequal-shares.json"
DAYS, N_ARMS, BEST = 28, 4, 0
PLAIN = np.array([0.036, 0.0288, 0.0288, 0.0288])  # the scenario's "same season"
ODDS = np.where(np.arange(DAYS) % 7 >= 5, 2.5, 1.0)
RATES = PLAIN[:, None] * ODDS / (1.0 - PLAIN[:, None] + PLAIN[:, None] * ODDS)  # [A, DAYS]
EVERYONE = np.ones((1, N_ARMS), np.bool_)
DESIGN = Design(np.arange(N_ARMS), np.zeros(N_ARMS, np.int64))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Who gets how much traffic when.

    Attributes:
        per_day: contacts.
        shares: ``[DAYS, A]`` where people have settled them; None where the policy learns, and shifts them every day.
        joins: the day from which the best variant takes part.
    """

    name: str
    per_day: int
    shares: Floats | None = None
    joins: int = 0


def _by_day(of_weekdays: list[float], of_weekends: list[float]) -> Floats:
    return np.where((ODDS > 1.0)[:, None], of_weekends, of_weekdays)


WORLDS = (
    World("the policy shifts shares, 500 a day", 500),
    World("the policy shifts shares, 2,000 a day", 2_000),
    World("the best joins on the second Monday", 2_000, joins=7),
    World("the second best is sent on weekends", 2_000, _by_day([0.35, 0.15, 0.25, 0.25], [0.15, 0.35, 0.25, 0.25])),
)


def _beta(half_life: int | None) -> "Model":
    return lambda evidence, now, before: beta_posterior(evidence, now, half_life)  # noqa: ARG005


def _hierarchical(half_life: int | None) -> "Model":
    return lambda evidence, now, before: hierarchical_posterior(
        evidence, now, half_life, DESIGN, before=before, seed=(now // DAY,)
    )


Model = Callable[[Evidence, int, Belief | None], Posterior]
MODELS: dict[str, Model] = {
    "independent, never forgets": _beta(None),
    "independent, half-life 7 days": _beta(7 * DAY),
    "independent, half-life 2 days": _beta(2 * DAY),
    "hierarchical, never forgets": _hierarchical(None),
    "hierarchical, half-life 7 days": _hierarchical(7 * DAY),
}


def one_run(world: World, model_name: str, seed: int) -> tuple[bool, float, float]:
    """Whether the variant most probably best in the end is; how probable that one was; and the regret in visits."""
    model = MODELS[model_name]
    chance = np.random.Generator(np.random.PCG64([seed, 1]))
    trials, wins = np.zeros((2, 1, N_ARMS, DAYS))
    before: Belief | None = None
    for day in range(DAYS):
        eligible = EVERYONE & ((np.arange(N_ARMS) != BEST) | (day >= world.joins))
        if world.shares is None:
            posterior = _believed(model, trials, wins, day, before)
            before = posterior.belief
            shares = allocation(posterior.prob_best_of(np.zeros(1, np.int64), eligible), eligible, 0.02, 1.0)[0]
        else:
            shares = world.shares[day]
        trials[0, :, day] = chance.multinomial(world.per_day, shares / shares.sum())
        wins[0, :, day] = chance.binomial(trials[0, :, day].astype(np.int64), RATES[:, day])
    believed = _believed(model, trials, wins, DAYS, before).prob_best(0, EVERYONE[0])
    missed = float((trials[0] * (RATES[BEST] - RATES)).sum())
    return bool(believed.argmax() == BEST), float(believed.max()), missed


def _believed(model: Model, trials: Floats, wins: Floats, day: int, before: Belief | None) -> Posterior:
    evidence = Evidence(np.arange(day) * DAY, *(sums[:, :, :day] for sums in (trials, wins, wins, wins)))
    return model(evidence, day * DAY, before)


def comparison(
    world: World, seeds: range, each: Callable[..., Iterable[tuple[bool, float, float]]] = map
) -> list[dict[str, object]]:
    """Every model in one world: how often it is right, how often sure and wrong, and regrets."""
    rows = []
    for name in MODELS:
        found = np.array(list(each(one_run, repeat(world), repeat(name), seeds)))
        right, sure, missed = found[:, 0] > 0.5, found[:, 1] >= 0.95, found[:, 2]
        rows.append(
            {
                "world": world.name,
                "model": name,
                "right": _share(right),
                "sure_and_wrong": _share(sure & ~right),
                "regret": None
                if world.shares is not None
                else [round(float(missed.mean()), 1), round(float(missed.std(ddof=1) / len(missed) ** 0.5), 1)],
            }
        )
    return rows


def _share(happened: NDArray[np.bool_]) -> list[float]:
    """How often it happened, with a standard error by Agresti and Coull (1998), which is above 0 even at 0."""
    n, k = len(happened), int(happened.sum())
    adjusted = (k + 2) / (n + 4)
    return [round(k / n, 4), round(float((adjusted * (1 - adjusted) / (n + 4)) ** 0.5), 4)]


def main() -> None:
    """Run every world and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=REPLICATIONS, help="of each world (%(default)s)")
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="processes (%(default)s)")
    said = parser.parse_args()
    print(f"{'world':40}{'model':34}{'right':>14}{'sure and wrong':>18}{'regret':>16}")
    rows = []
    for world in WORLDS:
        with ProcessPoolExecutor(said.jobs) as pool:
            found = comparison(world, range(said.replications), pool.map)
        rows += found
        for row in found:
            columns = [
                _said(row[name], digits) for name, digits in (("right", 2), ("sure_and_wrong", 2), ("regret", 1))
            ]
            print("{:40}{:34}{:>14}{:>18}{:>16}".format(world.name, row["model"], *columns), flush=True)
    result = {
        "what": "how often a shared season fools models of variants whose traffic comes on different days",
        "replications": said.replications,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _said(pair: object, digits: int) -> str:
    return "" if not isinstance(pair, list) else " ± ".join(f"{one:.{digits}f}" for one in pair)


if __name__ == "__main__":
    main()
