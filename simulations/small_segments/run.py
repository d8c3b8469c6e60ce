"""Thirty segments, most of them small: does it pay that they learn from one another, and what where they differ?

``python run.py [REPLICATIONS] [JOBS]`` prints a table and writes result.json beside this file; the same number of
replications gives the same file.
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
from scipy.special import expit

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.hierarchical import hierarchical_posterior
from optimizer.policy.hierarchical_design import Design
from optimizer.policy.posterior import Posterior

REPLICATIONS = 40
RESULT = Path(__file__).parent / "result.json"
N_SEGMENTS, N_ARMS, DAYS = 30, 8, 28
SMALL, LARGE = 18, 12  # segments of fewer than 200 recipients, and of more
FLOOR, CAP = 0.02, 1.0
EVERYONE = np.ones((N_SEGMENTS, N_ARMS), np.bool_)
DESIGN = Design(np.arange(N_ARMS), np.zeros(N_ARMS, np.int64))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Log-odds of success: `base`, plus normal effects with these standard deviations."""

    name: str
    arm: float
    segment: float
    segment_arm: float
    base: float = -3.0

    def rates(self, rng: np.random.Generator) -> Floats:
        """True success rates, [S, A]."""
        odds = self.base + self.arm * rng.normal(size=N_ARMS) + self.segment * rng.normal(size=(N_SEGMENTS, 1))
        return np.asarray(expit(odds + self.segment_arm * rng.normal(size=(N_SEGMENTS, N_ARMS))), np.float64)

    def recipients(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """How many recipients each segment has, in all, [S]."""
        small, large = rng.uniform(40, 200, SMALL), np.exp(rng.uniform(np.log(300), np.log(4_000), LARGE))
        return np.concatenate([small, large]).astype(np.int64)


WORLDS = (
    World("segments nearly alike", arm=0.35, segment=0.4, segment_arm=0.1),
    World("half and half", arm=0.25, segment=0.4, segment_arm=0.25),
    World("segments truly differ", arm=0.0, segment=0.4, segment_arm=0.35),
    World("segments truly differ, much", arm=0.0, segment=0.4, segment_arm=0.8),
)


def independent(evidence: Evidence, now: int, before: Belief | None) -> Posterior:  # noqa: ARG001
    """Every segment and arm for itself."""
    return beta_posterior(evidence, now, None)


def hierarchical(evidence: Evidence, now: int, before: Belief | None) -> Posterior:
    """Segments and arms learn from one another."""
    return hierarchical_posterior(evidence, now, None, DESIGN, before=before, seed=(now // DAY,))


Model = Callable[[Evidence, int, Belief | None], Posterior]
MODELS: dict[str, Model] = {"independent": independent, "hierarchical": hierarchical}


def one_run(world: World, model: Model, seed: int) -> tuple[float, float]:
    """Regret of one policy in one replication, in small and in large segments; equal seeds, equal worlds."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    rates, recipients = world.rates(rng), world.recipients(rng)
    came = np.array([rng.multinomial(n, np.full(DAYS, 1 / DAYS)) for n in recipients]).T
    chance = np.random.Generator(np.random.PCG64([seed, 2]))
    trials, wins = np.zeros((2, N_SEGMENTS, N_ARMS, DAYS))
    before: Belief | None = None
    for day, of_day in enumerate(came):
        evidence = Evidence(np.arange(day) * DAY, *(sums[:, :, :day] for sums in (trials, wins, wins, wins)))
        posterior = model(evidence, day * DAY, before)
        before = posterior.belief
        shares = allocation(posterior.prob_best_of(np.arange(N_SEGMENTS), EVERYONE), EVERYONE, FLOOR, CAP)
        trials[:, :, day] = [chance.multinomial(n, q / q.sum()) for n, q in zip(of_day, shares, strict=True)]
        wins[:, :, day] = chance.binomial(trials[:, :, day].astype(np.int64), rates)
    missed = trials.sum(axis=2) * (rates.max(axis=1, keepdims=True) - rates)
    return float(missed[:SMALL].sum()), float(missed[SMALL:].sum())


def comparison(
    world: World, seeds: range, each: Callable[..., Iterable[tuple[float, float]]] = map
) -> dict[str, object]:
    """Both models in one world: mean regrets with standard errors, and how much less hierarchical has, paired."""
    regrets = {
        name: np.array(list(each(one_run, repeat(world), repeat(model), seeds))) for name, model in MODELS.items()
    }
    result: dict[str, object] = {"world": world.name}
    for name, found in regrets.items():
        result[name] = {
            part: _measured(column)
            for part, column in (("regret", found.sum(axis=1)), ("small", found[:, 0]), ("large", found[:, 1]))
        }
    of_all = {name: found.sum(axis=1) for name, found in regrets.items()}
    ratio = of_all["hierarchical"].mean() / of_all["independent"].mean()
    rest = of_all["hierarchical"] - ratio * of_all["independent"]
    error = rest.std(ddof=1) / len(seeds) ** 0.5 / of_all["independent"].mean()
    result["saved"] = [round(float(1 - ratio), 4), round(float(error), 4)]
    return result


def _measured(values: Floats) -> list[float]:
    """Mean and its standard error."""
    return [round(float(values.mean()), 2), round(float(values.std(ddof=1) / len(values) ** 0.5), 2)]


def main() -> None:
    """Run every world and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=REPLICATIONS, help="of each world (%(default)s)")
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="processes (%(default)s)")
    said = parser.parse_args()
    print(f"{'world':36}{'independent':>20}{'hierarchical':>20}{'regret saved, %':>20}")
    results = []
    for world in WORLDS:
        with ProcessPoolExecutor(said.jobs) as pool:
            found = comparison(world, range(said.replications), pool.map)
        results.append(found)
        saved = found["saved"]
        assert isinstance(saved, list)
        columns = [_of(found, name) for name in MODELS] + [f"{100 * saved[0]:.1f} ± {100 * saved[1]:.1f}"]
        print(f"{world.name:36}" + "".join(f"{column:>20}" for column in columns), flush=True)
    result = {
        "what": "regret of 30 segments, 18 of them below 200 recipients, learning alone and from one another",
        "replications": said.replications,
        "worlds": results,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _of(found: dict[str, object], name: str) -> str:
    row = found[name]
    assert isinstance(row, dict)
    return "{:.1f} ± {:.1f}".format(*row["regret"])


if __name__ == "__main__":
    main()
