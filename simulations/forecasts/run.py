"""Forecasts against what then came: coverage of their intervals, and scores beside two naive peers.

``python run.py [CAMPAIGNS]`` prints a table and writes result.json beside this file; the same number of campaigns of
each kind gives the same file.
"""

import json
from argparse import ArgumentParser
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.insights.forecasting.daily import Daily
from optimizer.insights.forecasting.fans import expected
from optimizer.insights.forecasting.rewards import Yield, earned, lump_of, mean_rewards, still_to_come
from optimizer.insights.forecasting.scoring import crps, interval_score
from optimizer.insights.forecasting.spending import Ceiling, Costs, spent
from optimizer.insights.forecasting.traffic import traffic
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.delay import delay_curve
from optimizer.policy.effective import effective_evidence

CAMPAIGNS = 300
RESULT = Path(__file__).parent / "result.json"
PATHS = 1_000
CENT = 0.01  # a budget that is used up is known to the cent
COST = 0.25  # USD a message
WINDOW = 7 * DAY
WEEK = np.array([1.2, 1.1, 1.1, 1.0, 1.0, 0.6, 0.5])
KINDS = ("seasonal", "trending", "bursty", "budget-bound", "delayed")
NUMBERS = ("decisions", "reward", "spend")
PEERS = ("last week", "all days")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Campaign:
    """One simulated campaign and its truth: days of decisions, [D + H], and rewards of each day by their delay."""

    first: int
    days: int  # of history
    ahead: int  # days to come
    decisions: Floats
    trials: Floats  # of each arm, [2, D + H]
    successes: Floats  # of each arm in the end, [2, D + H]
    delays: list[list[NDArray[np.int64]]]  # microseconds after the decision, of each success, by arm and day
    budget: float | None  # USD ever

    @classmethod
    def drawn(cls, kind: str, seed: int) -> "Campaign":
        """A campaign of a kind; what differs between campaigns is drawn too."""
        rng = np.random.Generator(np.random.PCG64([seed, KINDS.index(kind)]))
        days, ahead, first = int(rng.integers(14, 57)), int(rng.integers(3, 22)), int(rng.integers(738_000, 738_007))
        decisions = decisions_of(kind, first, days + ahead, rng)
        rates = rng.uniform(0.03, 0.15, 2)
        budget = None
        sent = decisions
        if kind == "budget-bound":
            messages = np.floor(decisions[:days].sum() + rng.uniform(0.3, 0.9) * decisions[days:].sum())
            budget = COST * float(messages)
            sent = np.minimum(decisions, np.maximum(messages - np.append(0.0, np.cumsum(decisions)[:-1]), 0.0))
        first_arm = rng.binomial(sent.astype(np.int64), 0.5).astype(np.float64)
        trials = np.array([first_arm, sent - first_arm])
        successes = rng.binomial(trials.astype(np.int64), rates[:, np.newaxis]).astype(np.float64)
        late = rng.uniform(1.0, 2.5) * DAY if kind == "delayed" else 0.5 * HOUR
        delays = [[delays_of(rng, int(k), late) for k in arm] for arm in successes]
        return cls(first, days, ahead, decisions, trials, successes, delays, budget)

    def truth(self) -> dict[str, float]:
        """What came of the days to come; rewards are those of everything decided by their end, in the end."""
        return {
            "decisions": float(self.decisions[self.days :].sum()),
            "reward": float(self.successes.sum()),
            "spend": float(COST * self.trials.sum()),
        }

    def evidence(self) -> Evidence:
        """What is known on the last evening: each day's trials stand in its hour before noon."""
        days, now = self.days, self.days * DAY
        buckets = np.arange(days, dtype=np.int64) * DAY + 11 * HOUR
        positives, delays = np.zeros((1, 2, days)), np.zeros((N_DELAYS, days))
        for arm in range(2):
            for day in range(days):
                come = self.delays[arm][day]
                come = come[buckets[day] + HOUR // 2 + come <= now]
                positives[0, arm, day] = len(come)
                np.add.at(delays, (delay_bins(come), day), 1.0)
        trials = self.trials[np.newaxis, :, :days]
        return Evidence(buckets, trials, positives, positives, positives, delays=delays)


def decisions_of(kind: str, first: int, n: int, rng: np.random.Generator) -> Floats:
    """Decisions of so many days, ``[n]``: a level that wanders, a weekday pattern, and days that differ."""
    pattern = WEEK ** rng.uniform(0.0, 2.0)
    pattern /= pattern.mean()
    drift = rng.choice([-1.0, 1.0]) * rng.uniform(0.002, 0.008) if kind == "trending" else 0.0
    level = np.exp(rng.uniform(np.log(30.0), np.log(3_000.0)) + np.cumsum(rng.normal(drift, 0.01, n)))
    size = rng.uniform(1.0, 4.0) if kind == "bursty" else rng.uniform(20.0, 200.0)
    mean = level * pattern[(np.arange(first, first + n) - 1) % 7]
    return rng.poisson(mean * rng.gamma(size, 1.0 / size, n)).astype(np.float64)


def delays_of(rng: np.random.Generator, n: int, mean: float) -> NDArray[np.int64]:
    """Delays of so many rewards: exponential, but within the window."""
    share = rng.random(n) * -np.expm1(-WINDOW / mean)
    return np.asarray(-mean * np.log1p(-share), np.int64)


def forecast(campaign: Campaign, rng: np.random.Generator) -> dict[str, Floats]:
    """Paths of each number, from what was known on the last evening alone."""
    days = campaign.days
    known = traffic(Daily(campaign.first, campaign.decisions[:days], np.ones(days)))
    assert known is not None
    decisions = known.paths(campaign.ahead, PATHS, rng)
    in_use = float(COST * campaign.trials[:, :days].sum())
    never = np.zeros(campaign.ahead, bool)
    ceilings = [] if campaign.budget is None else [Ceiling(campaign.budget, in_sends=False, used=in_use, renews=never)]
    found = spent(decisions, Costs(COST, COST, 7), ceilings)
    evidence, now = campaign.evidence(), days * DAY
    curve = delay_curve(evidence.delays, evidence.buckets, now, WINDOW, None)
    posterior = beta_posterior(effective_evidence(evidence, curve, now), now, None)
    each = mean_rewards(posterior.mean, *posterior.interval(), PATHS, rng)[:, 0].mean(axis=1)
    rewards = float(evidence.rewards.sum())
    lump = lump_of(float(evidence.trials.sum()), rewards, rewards)
    coming = still_to_come(evidence, curve, now, (), lump, PATHS, rng)
    return {
        "decisions": decisions.sum(axis=1),
        "reward": rewards + coming + earned(found.sends, Yield(each, lump), rng).sum(axis=1),
        "spend": in_use + found.money[:, -1],
    }


def naive(campaign: Campaign, peer: str, rng: np.random.Generator) -> dict[str, Floats]:
    """Days to come drawn from the last week, or from all days so far, as they were reported."""
    days = campaign.days
    some = rng.integers(days - 7 if peer == "last week" else 0, days, (PATHS, campaign.ahead))
    sends = campaign.trials[:, :days].sum(axis=0)
    rewards = campaign.evidence().positives.sum(axis=(0, 1))
    so_far = {"decisions": 0.0, "reward": rewards.sum(), "spend": COST * sends.sum()}
    by_day = {"decisions": campaign.decisions[:days], "reward": rewards, "spend": COST * sends}
    return {name: so_far[name] + by_day[name][some].sum(axis=1) for name in NUMBERS}


def one_campaign(kind: str, seed: int) -> dict[str, dict[str, float]]:
    """For each number: whether the intervals held, and the scores as shares of what was to come."""
    campaign = Campaign.drawn(kind, seed)
    rng = np.random.Generator(np.random.PCG64([seed, 99]))
    paths, truth = forecast(campaign, rng), campaign.truth()
    peers = {peer: naive(campaign, peer, rng) for peer in PEERS}
    scores = {}
    for name in NUMBERS:
        came, one = truth[name], expected(paths[name])
        scale = max(came, 1.0)
        scores[name] = {
            "held80": float(one.low80 - CENT <= came <= one.high80 + CENT),
            "held95": float(one.low95 - CENT <= came <= one.high95 + CENT),
            "score": interval_score(one.low95, one.high95, came, 0.95) / scale,
            "crps": crps(paths[name], came) / scale,
        }
        for peer in PEERS:
            theirs = peers[peer][name]
            low, high = (float(each) for each in np.quantile(theirs, (0.025, 0.975)))
            scores[name][f"score, {peer}"] = interval_score(low, high, came, 0.95) / scale
            scores[name][f"crps, {peer}"] = crps(theirs, came) / scale
    return scores


def study(kind: str, n: int, first: int = 0) -> dict[str, dict[str, float]]:
    """Means over campaigns of one kind."""
    runs = [one_campaign(kind, seed) for seed in range(first, first + n)]
    return {name: {key: float(np.mean([run[name][key] for run in runs])) for key in runs[0][name]} for name in NUMBERS}


def main() -> None:
    """Print the table and write the file."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="?", type=int, default=CAMPAIGNS, help="of each kind")
    n = parser.parse_args().campaigns
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(KINDS, pool.map(partial(study, n=n), KINDS), strict=True))
    print(f"{'':24}   80 %   95 %   CRPS, last week, all days   interval score, last week, all days")
    for kind, numbers in found.items():
        for name, row in numbers.items():
            crps_of = "  ".join(f"{row[key]:.4f}" for key in ("crps", "crps, last week", "crps, all days"))
            scores = "  ".join(f"{row[key]:.3f}" for key in ("score", "score, last week", "score, all days"))
            print(f"{kind + ', ' + name:24}  {row['held80']:.3f}  {row['held95']:.3f}   {crps_of}      {scores}")
    RESULT.write_text(json.dumps({"campaigns of each kind": n, "found": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
