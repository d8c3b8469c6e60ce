"""Revenue with a heavy tail: what learning it earns, and what one giant order does to the allocation.

``python run.py [--data DIR] [--replications N] [--seeds N] [--jobs N]`` prints tables and writes result.json beside
this file; the same arguments give the same file.
"""

from __future__ import annotations

import csv
import gzip
import json
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import environ
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.hurdle import hurdle_posterior

RESULT = Path(__file__).parent / "result.json"
FLOOR = 0.02
N_DRAWS = 1024
SIGMA = 1.2
TYPICAL = 30.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Arms that convert at `rates` [A] and whose orders are log-normal with `medians` [A] and `sigma`."""

    name: str
    rates: Floats
    medians: Floats
    sigma: float = SIGMA
    giants: float = 0.0  # share of the orders that are a hundred times what they were

    @property
    def revenue(self) -> Floats:
        """Expected revenue of a decision, [A], giants included."""
        return self.rates * self.medians * np.exp(self.sigma**2 / 2) * (1.0 + 99.0 * self.giants)

    def amounts(self, arm: int, n: int, rng: np.random.Generator) -> Floats:
        """Amounts of so many orders."""
        usual = self.medians[arm] * np.exp(self.sigma * rng.standard_normal(n))
        return np.where(rng.random(n) < self.giants, 100.0 * usual, usual)


def _rates(n: int, best: float, step: float) -> Floats:
    return best - step * np.arange(n)


WORLDS = (
    World("rates decide, 5 arms", _rates(5, 0.03, 0.004), np.full(5, TYPICAL)),
    World("amounts decide, 5 arms", np.full(5, 0.02), TYPICAL * np.array([1.5, 1.25, 1.0, 0.9, 0.8])),
    World("the best converter sells cheap, 5 arms", _rates(5, 0.03, 0.003), TYPICAL * (0.6 + 0.2 * np.arange(5))),
    World("rates decide, 10 arms", _rates(10, 0.03, 0.002), np.full(10, TYPICAL)),
    World("rates decide, 5 arms, a giant in 500 orders", _rates(5, 0.03, 0.004), np.full(5, TYPICAL), giants=0.002),
)


def evidence(trials: Floats, sums: Floats) -> Evidence:
    """Evidence of one segment from trials [A, B] and sums [5, A, B] of what `order_sums` adds up."""
    n_buckets = trials.shape[1]
    k, total, squares, logs, log_squares = (array[None] for array in sums)
    return Evidence(np.arange(n_buckets), trials[None], k, total, squares, logs=logs, log_squares=log_squares)


def order_sums(amounts: Floats) -> Floats:
    """Count, amounts, squares, logarithms and their squares, summed, [5]."""
    logs = np.log(amounts)
    return np.array([len(amounts), amounts.sum(), (amounts**2).sum(), logs.sum(), (logs**2).sum()])


def hurdle(seen: Evidence, number: int) -> Floats:
    """P(best) of the hurdle model, [A]."""
    everything = np.ones(seen.trials.shape[1], np.bool_)
    return hurdle_posterior(seen, 0, None, (1.0, 1.0), (), (number,)).prob_best(0, everything)


def conversion(seen: Evidence, number: int) -> Floats:  # noqa: ARG001  # exact
    """P(best) by the share of decisions with an order, [A]."""
    return beta_posterior(seen, 0, None).prob_best(0, np.ones(seen.trials.shape[1], np.bool_))


def gaussian(seen: Evidence, number: int) -> Floats:
    """P(best) by the mean revenue of a decision, normal around it with its standard error, [A]."""
    n, total, squares = (array.sum(axis=-1)[0] for array in (seen.trials, seen.rewards, seen.squares))
    everyone = max(n.sum(), 1.0)
    spread = squares.sum() / everyone - (total.sum() / everyone) ** 2 or 1.0
    # One imagined decision of the average of all: an arm without data is not known for certain.
    mean = (total + total.sum() / everyone) / (n + 1.0)
    variance = (squares + spread) / (n + 1.0) - np.minimum(mean**2, (squares + spread) / (n + 1.0))
    rng = np.random.Generator(np.random.PCG64([number, 9]))
    draws = mean + np.sqrt(variance / (n + 1.0)) * rng.standard_normal((N_DRAWS, len(n)))
    return np.bincount(draws.argmax(axis=1), minlength=len(n)) / N_DRAWS


MODELS: dict[str, Callable[[Evidence, int], Floats]] = {
    "hurdle": hurdle,
    "conversion": conversion,
    "gaussian": gaussian,
}


def regret(world: World, model: str, seed: int, days: int = 40, daily: int = 1_000) -> dict[str, float]:
    """One campaign of 40 days: expected revenue lost, and the expected revenue of a decision in the end."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    n_arms, steps = len(world.rates), days * 6  # a refresh every four hours
    trials, sums = np.zeros((n_arms, steps)), np.zeros((5, n_arms, steps))
    eligible, best, lost, share = np.ones((1, n_arms), np.bool_), world.revenue.max(), 0.0, np.zeros(0)
    for step in range(steps):
        seen = evidence(trials[:, : max(step, 1)], sums[:, :, : max(step, 1)])
        share = allocation(MODELS[model](seen, step)[None], eligible, FLOOR, 1.0)[0]
        sent = rng.multinomial(daily // 6, share)
        lost += float((sent * (best - world.revenue)).sum())
        trials[:, step] = sent
        for arm, n in enumerate(rng.binomial(sent, world.rates)):
            sums[:, arm, step] = order_sums(world.amounts(arm, int(n), rng))
    possible = best * steps * (daily // 6)
    return {"regret": lost / possible, "best_share": float(share[world.revenue.argmax()])}


def giant(n_arms: int, orders: int, n_buckets: int, seed: int) -> dict[str, list[float]]:
    """By how much one order of a hundred times the mean moves the best arm's allocation, in the best arm and in each
    other arm; under each model."""
    rng = np.random.Generator(np.random.PCG64([seed, n_arms, orders, n_buckets]))
    rates = 0.02 * np.exp(0.2 * rng.standard_normal(n_arms))
    world = World("giant", rates, TYPICAL * np.exp(0.1 * rng.standard_normal(n_arms)))
    trials, sums = np.full((n_arms, n_buckets), orders / 0.02 / n_buckets), np.zeros((5, n_arms, n_buckets))
    for arm in range(n_arms):
        amounts = world.amounts(arm, int(rng.binomial(round(orders / 0.02), rates[arm])), rng)
        places = rng.integers(n_buckets, size=len(amounts))
        for place in np.unique(places):
            sums[:, arm, place] = order_sums(amounts[places == place])
    place = int(rng.integers(n_buckets))
    found: dict[str, list[float]] = {}
    for name, model in MODELS.items():
        shares = _shares(model, trials, sums)
        best = shares.argmax()
        moved = []
        for arm in range(n_arms):
            more = sums.copy()
            more[:, arm, place] += order_sums(np.array([100.0 * TYPICAL * np.exp(SIGMA**2 / 2)]))
            moved.append(abs(float(_shares(model, trials, more)[best] - shares[best])))
        found[name] = [moved[best], max(np.delete(moved, best))]
    return found


def _shares(model: Callable[[Evidence, int], Floats], trials: Floats, sums: Floats) -> Floats:
    seen = evidence(np.maximum(trials, sums[0]), sums)
    return allocation(model(seen, 7)[None], np.ones((1, len(trials)), np.bool_), FLOOR, 1.0)[0]


def giants(n_seeds: int, pool: ProcessPoolExecutor) -> list[dict[str, Any]]:
    """The giant order over numbers of arms, orders of each arm and hours they came in."""
    found = []
    for n_arms in (5, 10):
        for orders in (15, 30, 50, 100, 300):
            for n_buckets in (1, 24, 720):
                each = list(pool.map(partial(giant, n_arms, orders, n_buckets), range(n_seeds), chunksize=10))
                row: dict[str, Any] = {"arms": n_arms, "orders_of_each": orders, "hours": n_buckets}
                for name in MODELS:
                    worst = np.array([one[name] for one in each]).max(axis=1)
                    row[name] = {
                        "median": round(float(np.median(worst)), 4),
                        "q95": round(float(np.quantile(worst, 0.95)), 4),
                        "worst": round(float(worst.max()), 4),
                        "within_a_tenth": round(float((worst <= 0.1).mean()), 4),
                    }
                found.append(row)
    return found


def hillstrom(path: Path) -> dict[str, Any]:
    """P(best) of Hillstrom's three arms by spend, with the largest order, without it, and with a giant added."""
    with gzip.open(path, "rt") as lines:
        rows = [(row["segment"], float(row["spend"])) for row in csv.DictReader(lines)]
    names = ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
    n_buckets = 100  # rows in order, as there is no time
    found: dict[str, Any] = {}
    for size in (4_000, 16_000, 64_000):
        trials, orders = np.zeros((3, n_buckets)), []
        order = np.random.Generator(np.random.PCG64(5)).permutation(len(rows))[:size]
        for place, row in enumerate(order.tolist()):
            name, spend = rows[row]
            arm, bucket = names.index(name), place * n_buckets // size
            trials[arm, bucket] += 1
            if spend > 0:
                orders.append((arm, bucket, spend))
        largest = max(orders, key=lambda one: one[2])
        mean = float(np.mean([spend for *_, spend in orders]))
        cases = {
            "all": orders,
            "without_the_largest": [one for one in orders if one is not largest],
            "a_giant_without_mail": [*orders, (0, 50, 100 * mean)],
            "a_giant_in_womens": [*orders, (2, 50, 100 * mean)],
        }
        found[str(size)] = {"orders": len(orders), "largest": largest[2], "mean_order": round(mean, 2)}
        for case, kept in cases.items():
            sums = np.zeros((5, 3, n_buckets))
            for arm, bucket, spend in kept:
                sums[:, arm, bucket] += order_sums(np.array([spend]))
            seen = evidence(np.maximum(trials, sums[0]), sums)
            found[str(size)][case] = {
                "hurdle": _by_name(names, hurdle(seen, 7)),
                "gaussian": _by_name(names, gaussian(seen, 7)),
                "hurdle_mean": _by_name(names, hurdle_posterior(seen, 0, None, (1.0, 1.0), (), (7,)).mean[0]),
                "mean": _by_name(names, seen.rewards.sum(axis=-1)[0] / seen.trials.sum(axis=-1)[0]),
            }
    return found


def _by_name(names: list[str], values: Floats) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}


def main() -> None:
    """Run everything and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=environ.get("OPTIMIZER_DATA"), help="folder of hillstrom.csv.gz")
    parser.add_argument("--replications", type=int, default=12, help="campaigns in each world (%(default)s)")
    parser.add_argument("--seeds", type=int, default=24, help="of each giant order (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    said = parser.parse_args()
    result: dict[str, Any] = {"replications": said.replications, "seeds": said.seeds, "worlds": {}}
    with ProcessPoolExecutor(said.jobs) as pool:
        result["giants"] = giants(said.seeds, pool)
        for row in result["giants"]:
            print(row, flush=True)
        for world in WORLDS:
            found = result["worlds"][world.name] = {}
            for name in MODELS:
                runs = list(pool.map(partial(regret, world, name), range(said.replications), chunksize=5))
                lost = np.array([run["regret"] for run in runs])
                found[name] = {
                    "regret": round(float(lost.mean()), 4),
                    "standard_error": round(float(lost.std(ddof=1) / len(lost) ** 0.5), 4),
                    "best_share": round(float(np.mean([run["best_share"] for run in runs])), 4),
                }
            print(world.name, found, flush=True)
    if said.data is not None:
        result["hillstrom"] = hillstrom(Path(said.data) / "hillstrom.csv.gz")
        print(json.dumps(result["hillstrom"], indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
