"""A budget for a third of the traffic: priced against throttled, in a closed loop of policy code.

``python run.py [REPLICATIONS]`` prints a table and writes result.json beside this file; the same number of replications
gives the same file.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.policy.allocation import allocation, priced_allocation
from optimizer.policy.beta_bernoulli import BetaPosterior, beta_posterior
from optimizer.policy.demand import highest_price, spend_per_decision
from optimizer.policy.pacing import BudgetPeriod, Pace, Pacing, next_pace

REPLICATIONS = 20
RESULT = Path(__file__).parent / "result.json"
SETTLED = 0.03  # share of the period after which spend should be on its course
FLOOR, CAP = 0.02, 1.0
SHARING = partial(priced_allocation, floor=FLOOR, cap=CAP)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A campaign and the truth it meets: `rates` [S, A], `costs` [A] in USD, `daily` decisions of each segment."""

    name: str
    rates: Floats
    costs: Floats
    daily: Floats
    days: int = 14
    refresh: int = HOUR
    bursts: int = 0  # hours, drawn at random, in which ten times the traffic comes
    surge: float = 1.0  # factor by which traffic changes for good on the sixth day
    pacing: Pacing = "even"
    affordable: float = 1 / 3  # share of the traffic the budget is enough for, at the cost of a plain choice

    @property
    def limit(self) -> float:
        """The budget in USD: what plain Thompson sampling would come to pay for the affordable share of the traffic."""
        best = self.costs[self.rates.argmax(axis=1)]
        return float(round(self.affordable * self.days * float(self.daily @ best), 2))

    def traffic(self, rng: np.random.Generator) -> Floats:
        """Decisions of each interval and segment, [T, S]: Poisson around a curve that peaks at six in the evening."""
        starts = np.arange(0, self.days * DAY, self.refresh)
        curve = 1 - 0.8 * np.cos(2 * np.pi * (starts / HOUR - 6) / 24)
        for hour in rng.choice(self.days * 24, self.bursts, replace=False):
            curve[(starts >= hour * HOUR) & (starts < (hour + 1) * HOUR)] *= 10
        curve[starts >= 5 * DAY] *= self.surge
        return rng.poisson(curve[:, None] * self.daily * self.refresh / DAY).astype(np.float64)

    def best_possible(self) -> float:
        """Expected reward of the best stationary policy that knows rates and `daily`: a linear programme."""
        n_segments, n_arms = self.rates.shape
        volume = np.repeat(self.daily * self.days, n_arms)
        once = np.repeat(np.eye(n_segments), n_arms, axis=1)
        found = linprog(
            -volume * self.rates.ravel(),
            A_ub=np.vstack([once, volume * np.tile(self.costs, n_segments)]),
            b_ub=np.append(np.ones(n_segments), self.limit),
        )
        return float(-found.fun)


@dataclass(frozen=True)
class Run:
    """What one policy did in one replication; `spent` is [T + 1], in USD at the interval's ends."""

    reward: float
    spent: Floats
    limit: float
    deviation: float


class Policy:
    """Plain Thompson sampling of variants; who is sent nothing is for subclasses to say."""

    def __init__(self, world: World, period: BudgetPeriod) -> None:
        self.world, self.period = world, period
        self.pace: Pace | None = None
        self.everyone = np.ones(world.rates.shape, np.bool_)

    def shares(self, posterior: BetaPosterior, now: int, spent: float, decisions: Floats) -> Floats:  # noqa: ARG002
        """Probability of each arm in each segment, [S, A]; what rows miss of one is withheld."""
        return self.plain(posterior)

    def plain(self, posterior: BetaPosterior) -> Floats:
        """Thompson sampling without a price."""
        best = [posterior.prob_best(s, self.everyone[s]) for s in range(len(self.everyone))]
        return allocation(np.array(best), self.everyone, FLOOR, CAP)

    def ceiling(self, now: int) -> float:  # noqa: ARG002
        """Up to which total may be spent before the next refresh: by default, all of the budget."""
        return self.period.limit


class Priced(Policy):
    """Withhold is an arm, and costs have a price."""

    def shares(self, posterior: BetaPosterior, now: int, spent: float, decisions: Floats) -> Floats:
        """Shares under the price of this refresh."""
        costs = self.world.costs

        def spend_at(price: float) -> Floats:
            return spend_per_decision(posterior, price, costs, self.everyone, SHARING)

        self.pace = next_pace(self.pace, now, spent, decisions, self.period, spend_at, highest_price(costs, 1.0))
        rows = [
            posterior.prob_best_priced(s, self.everyone[s], self.pace.price, costs) for s in range(len(self.everyone))
        ]
        best, withheld = np.array([p for p, _ in rows]), np.array([w for _, w in rows])
        return priced_allocation(best, withheld, self.everyone, FLOOR, CAP)[:, :-1]


class Throttled(Policy):
    """Sends are dropped at random; the share dropped holds the course, by the very controller that sets the price."""

    def shares(self, posterior: BetaPosterior, now: int, spent: float, decisions: Floats) -> Floats:
        """Plain shares, thinned."""
        shares = self.plain(posterior)
        cost = shares @ self.world.costs
        self.pace = next_pace(
            self.pace, now, spent, decisions, self.period, lambda dropped: (1 - min(dropped, 1.0)) * cost, 1.0
        )
        return (1 - self.pace.price) * shares


class FirstCome(Policy):
    """Everyone is sent something until the day's budget is gone."""

    def ceiling(self, now: int) -> float:
        """The budget up to the end of this day."""
        return self.period.target(now - now % DAY + DAY)


POLICIES: dict[str, type[Policy]] = {"priced": Priced, "throttled": Throttled, "first come": FirstCome}


def one_run(world: World, policy_of: Callable[[World, BudgetPeriod], Policy], seed: int) -> Run:
    """One policy in one replication; every policy meets the same traffic."""
    period = BudgetPeriod(0, world.days * DAY, world.limit, world.pacing)
    policy = policy_of(world, period)
    traffic = world.traffic(np.random.Generator(np.random.PCG64([seed, 1])))
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    trials, wins = np.zeros((*world.rates.shape, 1)), np.zeros((*world.rates.shape, 1))
    decisions, spent, curve = np.zeros(len(world.daily)), 0.0, [0.0]
    for interval, came in enumerate(traffic):
        now = interval * world.refresh
        posterior = beta_posterior(Evidence(np.zeros(1, np.int64), trials, wins, wins, wins), now, None)
        shares = policy.shares(posterior, now, spent, decisions)
        sent = np.array(
            [rng.multinomial(int(n), np.append(q, 1 - q.sum()))[:-1] for n, q in zip(came, shares, strict=True)]
        )
        allowance = policy.ceiling(now) - spent
        while sent @ world.costs @ np.ones(len(came)) > allowance + 1e-9:  # reservations refuse what is too much
            cost = float((sent @ world.costs).sum())
            sent = rng.binomial(sent, max(allowance, 0.0) / cost)
        won = rng.binomial(sent, world.rates)
        trials[:, :, 0] += sent
        wins[:, :, 0] += won
        spent += float((sent @ world.costs).sum())
        decisions += came
        curve.append(spent)
    ends = np.arange(len(curve)) * world.refresh
    target = np.array([period.target(int(at)) for at in ends])
    settled = ends >= SETTLED * period.length
    deviation = float(np.abs(np.array(curve) - target)[settled].max() / period.limit)
    return Run(float(wins.sum()), np.array(curve), period.limit, deviation)


_RATES = np.array([[0.008, 0.010, 0.012, 0.006], [0.020, 0.030, 0.024, 0.016], [0.100, 0.070, 0.080, 0.050]])
_EQUAL = World("equal costs", _RATES, np.full(4, 0.01), np.array([1500.0, 900.0, 600.0]))
WORLDS = (
    _EQUAL,
    replace(_EQUAL, name="unequal costs", costs=np.array([0.02, 0.01, 0.012, 0.004])),
    replace(_EQUAL, name="bursts of ten times the traffic", bursts=20, refresh=15 * MINUTE),
    replace(_EQUAL, name="traffic triples on the sixth day", surge=3.0),
    replace(_EQUAL, name="traffic falls to a half on the sixth day", surge=0.5),
    replace(_EQUAL, name="ten times the traffic and USD 5 a send", daily=10 * _EQUAL.daily, costs=np.full(4, 5.0)),
    replace(_EQUAL, name="budget for nearly all", affordable=0.9),
    replace(_EQUAL, name="rates near one another", rates=0.03 * _RATES**0.2 / np.mean(_RATES**0.2)),
    replace(_EQUAL, name="front-loaded", pacing="front"),
)


def comparison(world: World, seeds: range, each: Callable[..., Iterable[Run]] = map) -> dict[str, object]:
    """All policies in one world: means, standard errors over seeds, and the worst departure from the course.

    `each` maps one_run over the seeds; a pool of processes may do it.
    """
    runs = {name: list(each(one_run, repeat(world), repeat(policy), seeds)) for name, policy in POLICIES.items()}
    rewards = {name: np.array([run.reward for run in found]) for name, found in runs.items()}
    root = len(seeds) ** 0.5
    result: dict[str, object] = {
        "world": world.name,
        "budget": world.limit,
        "best_possible": round(world.best_possible(), 1),
    }
    for name, found in runs.items():
        gain = rewards["priced"] / rewards[name] - 1
        result[name] = {
            "reward": round(float(rewards[name].mean()), 2),
            "reward_standard_error": round(float(rewards[name].std(ddof=1) / root), 2),
            "priced_earns_more": round(float(gain.mean()), 4),
            "priced_earns_more_standard_error": round(float(gain.std(ddof=1) / root), 4),
            "mean_spent_share": round(float(np.mean([run.spent[-1] / run.limit for run in found])), 4),
            "largest_spent_share": round(max(float(run.spent[-1] / run.limit) for run in found), 4),
            "largest_deviation": round(max(run.deviation for run in found), 4),
        }
    return result


def main() -> None:
    """Run every world and write the result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=REPLICATIONS, help="of each world (%(default)s)")
    seeds = range(parser.parse_args().replications)
    print(f"{'world':42}{'policy':12}{'reward':>9}{'±':>7}{'priced +%':>11}{'±':>6}{'spent':>8}{'off course':>12}")
    results = []
    for world in WORLDS:
        with ProcessPoolExecutor(2) as pool:
            found = comparison(world, seeds, pool.map)
        results.append(found)
        for name in POLICIES:
            row = found[name]
            assert isinstance(row, dict)
            print(
                f"{world.name:42}{name:12}{row['reward']:9.1f}{row['reward_standard_error']:7.1f}"
                f"{100 * row['priced_earns_more']:11.1f}{100 * row['priced_earns_more_standard_error']:6.1f}"
                f"{row['mean_spent_share']:8.3f}{row['largest_deviation']:12.4f}",
                flush=True,
            )
    result = {
        "what": "a budget for a third of the traffic: rewards and spend of priced and of throttled Thompson sampling",
        "replications": len(seeds),
        "worlds": results,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
