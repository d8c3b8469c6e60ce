"""Six messages with five targetings each: how much traffic until the policy earns nine tenths of the best?

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
N_MESSAGES, N_TARGETINGS = 6, 5
N_ARMS = N_MESSAGES * N_TARGETINGS
DAYS, PER_DAY = 60, 400
ENOUGH = 0.9  # of the best arm's rate
SEGMENT, EVERYONE = np.zeros(1, np.int64), np.ones((1, N_ARMS), np.bool_)
DESIGN = Design(np.repeat(np.arange(N_MESSAGES), N_TARGETINGS), np.tile(np.arange(N_TARGETINGS), N_MESSAGES))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Log-odds of success: `base`, plus normal effects with these standard deviations."""

    name: str
    message: float
    targeting: float
    pair: float
    base: float = -3.0

    def rates(self, rng: np.random.Generator) -> Floats:
        """True success rates, [A]."""
        message, targeting = rng.normal(size=N_MESSAGES), rng.normal(size=N_TARGETINGS)
        odds = self.base + self.message * message[DESIGN.messages] + self.targeting * targeting[DESIGN.targetings]
        return np.asarray(expit(odds + self.pair * rng.normal(size=N_ARMS)), np.float64)


WORLDS = (
    World("additive", message=0.3, targeting=0.3, pair=0.0),
    World("mostly additive", message=0.3, targeting=0.3, pair=0.1),
    World("pairs matter as much", message=0.25, targeting=0.25, pair=0.25),
    World("only pairs matter", message=0.0, targeting=0.0, pair=0.4),
)


def independent(evidence: Evidence, now: int, before: Belief | None) -> Posterior:  # noqa: ARG001
    """Every variant for itself."""
    return beta_posterior(evidence, now, None)


def hierarchical(evidence: Evidence, now: int, before: Belief | None) -> Posterior:
    """Variants learn from those with the same message, and from those with the same targeting."""
    return hierarchical_posterior(evidence, now, None, DESIGN, before=before, seed=(now // DAY,))


Model = Callable[[Evidence, int, Belief | None], Posterior]
MODELS: dict[str, Model] = {"independent": independent, "hierarchical": hierarchical}


def one_run(world: World, model: Model, seed: int) -> Floats:
    """Expected reward of each day's allocation, as a share of the best variant's, [DAYS]; equal seeds, equal worlds."""
    rates = world.rates(np.random.Generator(np.random.PCG64([seed, 1])))
    chance = np.random.Generator(np.random.PCG64([seed, 2]))
    trials, wins = np.zeros((2, 1, N_ARMS, DAYS))
    before: Belief | None = None
    earned = np.zeros(DAYS)
    for day in range(DAYS):
        evidence = Evidence(np.arange(day) * DAY, *(sums[:, :, :day] for sums in (trials, wins, wins, wins)))
        posterior = model(evidence, day * DAY, before)
        before = posterior.belief
        shares = allocation(posterior.prob_best_of(SEGMENT, EVERYONE), EVERYONE, 0.0, 1.0)[0]
        earned[day] = shares @ rates / rates.max()
        trials[0, :, day] = chance.multinomial(PER_DAY, shares / shares.sum())
        wins[0, :, day] = chance.binomial(trials[0, :, day].astype(np.int64), rates)
    return earned


def comparison(world: World, seeds: range, each: Callable[..., Iterable[Floats]] = map) -> dict[str, object]:
    """Both models in one world: traffic until the mean over replications earns enough, and what was missed by then."""
    earned = {
        name: np.array(list(each(one_run, repeat(world), repeat(model), seeds))) for name, model in MODELS.items()
    }
    chance = np.random.Generator(np.random.PCG64(0))
    samples = chance.integers(len(seeds), size=(200, len(seeds)))
    result: dict[str, object] = {"world": world.name}
    traffic, spread = {}, {}
    for name, curves in earned.items():
        traffic[name] = traffic_until(curves.mean(axis=0))
        spread[name] = np.array([traffic_until(curves[some].mean(axis=0)) for some in samples])
        missed = (1.0 - curves).mean(axis=1)
        result[name] = {
            "traffic_until_enough": [round(traffic[name]), round(float(spread[name].std(ddof=1)))],
            "missed": [round(float(missed.mean()), 4), round(float(missed.std(ddof=1) / len(seeds) ** 0.5), 4)],
            "share_of_best_by_day": {day: round(float(curves.mean(axis=0)[day]), 4) for day in (0, 5, 10, 20, 40, 59)},
        }
    ratio = traffic["hierarchical"] / traffic["independent"]
    error = (spread["hierarchical"] / spread["independent"]).std(ddof=1)
    result["traffic_ratio"] = [round(ratio, 4), round(float(error), 4)]
    return result


def traffic_until(curve: Floats) -> float:
    """Decisions made before the first day whose allocation earns enough; all of them where none does."""
    enough = curve >= ENOUGH
    return float(PER_DAY * (enough.argmax() if enough.any() else DAYS))


def main() -> None:
    """Run every world and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=REPLICATIONS, help="of each world (%(default)s)")
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="processes (%(default)s)")
    said = parser.parse_args()
    print(f"{'world':26}{'independent':>18}{'hierarchical':>18}{'ratio':>18}   decisions until nine tenths of the best")
    results = []
    for world in WORLDS:
        with ProcessPoolExecutor(said.jobs) as pool:
            found = comparison(world, range(said.replications), pool.map)
        results.append(found)
        ratio = found["traffic_ratio"]
        assert isinstance(ratio, list)
        columns = [_of(found, name) for name in MODELS] + ["{:.3f} ± {:.3f}".format(*ratio)]
        print(f"{world.name:26}" + "".join(f"{column:>18}" for column in columns), flush=True)
    result = {
        "what": "decisions until an allocation among 6 messages x 5 targetings earns nine tenths of the best variant",
        "replications": said.replications,
        "decisions_a_day": PER_DAY,
        "worlds": results,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _of(found: dict[str, object], name: str) -> str:
    row = found[name]
    assert isinstance(row, dict)
    return "{:,} ± {:,}".format(*row["traffic_until_enough"])


if __name__ == "__main__":
    main()
