"""The day a budget ends and the day of a useful answer, forecast and then played on: does it come when it should?

``python days.py [CAMPAIGNS]`` prints a table and writes result_days.json beside this file; the same number of campaigns
of each kind gives the same file.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from run import COST, WINDOW, decisions_of, delays_of

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.insights.forecasting.answers import FEWEST_TRIALS, Beliefs, answered
from optimizer.insights.forecasting.daily import Daily, as_date
from optimizer.insights.forecasting.fans import N_PATHS, when
from optimizer.insights.forecasting.spending import Ceiling, Costs, spent
from optimizer.insights.forecasting.traffic import traffic
from optimizer.insights.learning_time import PROB_BEST
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import BetaPosterior, beta_posterior
from optimizer.policy.delay import DelayCurve, delay_curve
from optimizer.policy.effective import effective_evidence
from optimizer.policy.exploration import Exploration
from optimizer.services.forecasts.answers import N_ANSWERS, _coming, _shown

CAMPAIGNS = 300
RESULT = Path(__file__).parent / "result_days.json"
AHEAD = 28  # days to come, as many as the product looks ahead where a campaign has no end
ORIGINS = (0, 7, 14)  # days after the history at which a forecast is made
BUDGETS = ("seasonal", "trending", "bursty", "released")
ANSWERS = ("apart", "close", "alike", "late")
WIDE = ("even", "spread", "winner", "range")  # answers too, with other numbers of variants, rates and histories
KINDS = BUDGETS + ANSWERS + WIDE
FLOOR = 0.02
LASTS = WINDOW // DAY
BINS = (0.0, 0.25, 0.5, 0.75, 1.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Foretold:
    """One forecast of a day and what came of it; days are places after the forecast, `AHEAD` for none within it.

    Attributes:
        campaign: whose it is: those of one campaign are alike.
        probability: that it comes within the days.
        early, median, late: of the forecast.
        inside: share of the forecast's own paths from early to late; days are whole, so it is .8 or more.
        came: the day.
        peer: the day by extrapolation.
        said: whether an interval was said at all: the day comes within the forecast in one of ten paths.
    """

    campaign: int
    probability: float
    early: int
    median: int
    late: int
    inside: float
    came: int
    peer: int
    said: bool


def foretold(campaign: int, first: int, places: NDArray[np.int64], came: int, peer: float) -> Foretold:
    """A forecast as the product says it, from the places of its paths."""
    days = tuple(as_date(first + place) for place in range(AHEAD))
    found = when(days, places)
    early, median, late = (AHEAD if day is None else days.index(day) for day in (found.early, found.median, found.late))
    inside = float(((places >= early) & (places <= late)).mean())
    nearest = int(min(max(peer, 0.0), AHEAD))
    return Foretold(campaign, found.probability, early, median, late, inside, came, nearest, found.early is not None)


def budgets(kind: str, seed: int) -> list[Foretold]:
    """When a budget ends: the forecasts of one campaign.

    What is left of the budget is 5 to 40 days' worth of the last two weeks of history: nothing of the days to come is
    in it. A message of a `released` campaign reserves its price, which becomes due for part of them a week later.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 10 + BUDGETS.index(kind)]))
    history, first = int(rng.integers(14, 57)), int(rng.integers(738_000, 738_007))
    wanted = decisions_of(kind, first, history + ORIGINS[-1] + AHEAD, rng)
    due = rng.uniform(0.3, 0.9) if kind == "released" else 1.0
    usual = wanted[history - 14 : history].mean() * COST * due
    left = rng.uniform(5.0, 40.0) * max(usual, COST)
    n = len(wanted)
    sends, settled = np.zeros(n), np.zeros(n)
    used, ended, budget = np.zeros(n + 1), n, np.inf
    for day in range(n):
        reserved_then = sends[day - LASTS] * COST if day >= LASTS else 0.0
        freed = reserved_then - settled[day - LASTS] if day >= LASTS else 0.0
        now = used[day] - freed
        if day == history:
            budget = used[day] + left
        sends[day] = min(wanted[day], np.floor(max(budget - now, 0.0) / COST + 1e-9))
        if sends[day] < wanted[day] and ended == n:
            ended = day
        settled[day] = COST * (sends[day] if due == 1.0 else rng.binomial(int(sends[day]), due))
        used[day + 1] = now + COST * sends[day]
    found = []
    for origin in (history + later for later in ORIGINS):
        if ended < origin:
            continue
        known = traffic(Daily(first, wanted[:origin], np.ones(origin)))
        assert known is not None
        # As the ledger would say it: what is over is settled, the last days' messages are reserved.
        over = slice(max(origin - AHEAD, 0), origin - LASTS)
        rate = settled[over].sum() / max(COST * sends[over].sum(), COST)
        reserved = COST * sends[origin - LASTS : origin].sum()
        rate, reserved = (1.0, 0.0) if due == 1.0 else (rate, reserved)
        costs = Costs(COST, COST * rate, LASTS, reserved, reserved * (1.0 - rate) / LASTS)
        ceiling = Ceiling(budget, in_sends=False, used=used[origin], renews=np.zeros(AHEAD, bool))
        places = spent(known.paths(AHEAD, N_PATHS, rng), costs, [ceiling]).exhausted[0]
        week = used[origin] - used[origin - 7]
        peer = (budget - used[origin]) / max(week / 7.0, 1e-9)
        found.append(foretold(seed, first + origin, places, min(ended - origin, AHEAD), peer))
    return found


@dataclass(frozen=True)
class Evening:
    """What is known when a day is over: of one segment, ``A`` variants."""

    evidence: Evidence
    curve: DelayCurve
    posterior: BetaPosterior
    p_best: Floats


def _evening(trials: Floats, rewards: NDArray[np.int64]) -> Evening:
    """From trials ``[A, D]`` and rewards: rows of variant, day and delay, ``[3, R]``."""
    n_arms, days = trials.shape
    now, buckets = days * DAY, np.arange(days, dtype=np.int64) * DAY + 11 * HOUR
    arm, day, delay = rewards[:, buckets[rewards[1]] + HOUR // 2 + rewards[2] <= now]
    positives, counts = np.zeros((1, n_arms, days)), np.zeros((N_DELAYS, days))
    np.add.at(positives, (0, arm, day), 1.0)
    np.add.at(counts, (delay_bins(delay), day), 1.0)
    evidence = Evidence(buckets, trials[np.newaxis], positives, positives, positives, delays=counts)
    curve = delay_curve(counts, buckets, now, WINDOW, None)
    posterior = beta_posterior(effective_evidence(evidence, curve, now), now, None)
    return Evening(evidence, curve, posterior, posterior.prob_best(0, np.ones(n_arms, bool)))


def _beliefs(evening: Evening, days: int) -> Beliefs:
    """As `services.forecast_answers` has them, after so many days."""
    trials, rewards = (each[0].sum(axis=-1) for each in (evening.evidence.trials, evening.evidence.rewards))
    rate = rewards.sum() / max(trials.sum(), 1.0)
    own = rewards / np.maximum(trials, 1.0)
    own = own - own**2
    low, high = evening.posterior.interval()
    return Beliefs(
        mean=evening.posterior.mean[0],
        spread=(high - low)[0] / 3.92,
        variance=np.where((trials >= FEWEST_TRIALS) & (own > 0.0), own, max(rate - rate**2, 1e-9)),
        p_best=evening.p_best,
        trials=trials,
        coming=_coming(evening.curve, evening.evidence, days * DAY, AHEAD)[0],
        bounds=Exploration(floor=FLOOR),
    )


def _rates(kind: str, n_arms: int, rng: np.random.Generator) -> Floats:
    """True rates of the variants of one campaign, ``[A]``."""
    if kind in ANSWERS:
        base = rng.uniform(0.03, 0.15)
        if kind in ("apart", "late"):
            return rng.uniform(0.03, 0.15, n_arms)
        return np.full(n_arms, base) * np.exp((0.1 if kind == "close" else 0.0) * rng.standard_normal(n_arms))
    base = np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
    if kind == "winner":
        return np.asarray(np.where(np.arange(n_arms) == 0, base * rng.uniform(1.0, 1.6), base))
    if kind == "range":
        return np.asarray(base * rng.uniform(0.5, 1.5, n_arms))
    differ = np.exp(rng.uniform(np.log(0.02), np.log(0.6))) if kind == "spread" else 0.0
    return np.asarray(np.minimum(base * np.exp(differ * rng.standard_normal(n_arms)), 0.9))


def answers(kind: str, seed: int) -> list[Foretold]:
    """When P(best) reaches .9: the forecasts of one campaign under Thompson sampling."""
    rng = np.random.Generator(np.random.PCG64([seed, 20 + (ANSWERS + WIDE).index(kind)]))
    days, arms = ((3, 43), (2, 9)) if kind in WIDE else ((7, 22), (2, 5))
    history, first, n_arms = int(rng.integers(*days)), int(rng.integers(738_000, 738_007)), int(rng.integers(*arms))
    wanted = decisions_of("seasonal", first, history + ORIGINS[-1] + AHEAD, rng)
    rates = _rates(kind, n_arms, rng)
    late = rng.uniform(1.0, 2.5) * DAY
    is_late = kind == "late" or (kind in WIDE and seed % 3 == 0)
    n = len(wanted)
    trials, share = np.zeros((n_arms, n)), np.full(n_arms, 1.0 / n_arms)
    rewards: list[NDArray[np.int64]] = []
    evenings: list[Evening] = []
    for day in range(n):
        trials[:, day] = rng.multinomial(int(wanted[day]), share)
        for arm in range(n_arms):
            came = int(rng.binomial(int(trials[arm, day]), rates[arm]))
            delays = delays_of(rng, came, late) if is_late else np.zeros(came, np.int64)
            rewards.append(np.array([np.full(came, arm), np.full(came, day), delays]))
        evenings.append(_evening(trials[:, : day + 1], np.concatenate(rewards, axis=1)))
        share = allocation(evenings[-1].p_best, np.ones(n_arms, bool), FLOOR, 1.0)
    sure = np.array([evening.p_best.max() >= PROB_BEST for evening in evenings])
    found = []
    for origin in (history + later for later in ORIGINS):
        evening = evenings[origin - 1]
        if sure[origin - 1] or trials[:, :origin].sum() < FEWEST_TRIALS:
            continue
        known = traffic(Daily(first, wanted[:origin], np.ones(origin)))
        assert known is not None
        shown = known.paths(AHEAD, N_PATHS, rng)[:N_ANSWERS] @ _shown(evening.curve, AHEAD)
        places = answered(_beliefs(evening, origin), shown, rng)
        came = np.flatnonzero(sure[origin : origin + AHEAD])
        peer = _extrapolated(evening, origin)
        found.append(foretold(seed, first + origin, places, int(came[0]) if len(came) else AHEAD, peer))
    return found


def _extrapolated(evening: Evening, days: int) -> float:
    """Days until the leader's P(best) is .9 if all stays as it is: the distance in standard errors grows by a root."""
    leads = NormalDist().inv_cdf(min(max(float(evening.p_best.max()), 0.5 + 1e-6), 1.0 - 1e-9))
    return days * ((NormalDist().inv_cdf(PROB_BEST) / leads) ** 2 - 1.0)


def mean_of(values: Floats, campaigns: NDArray[np.int64]) -> tuple[float, float]:
    """A mean and its standard error where the forecasts of one campaign go together."""
    mean = float(values.mean())
    sums = np.bincount(np.unique(campaigns, return_inverse=True)[1], values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))


def summary(rows: Sequence[Foretold]) -> dict[str, Any]:
    """How forecasts held: coverage, what they claimed, Brier scores, reliability, and errors in days."""
    probability, came = np.array([row.probability for row in rows]), np.array([row.came for row in rows])
    campaign = np.array([row.campaign for row in rows])
    happened = (came < AHEAD).astype(float)
    said = np.array([row.said for row in rows])
    held = np.array([row.early <= row.came <= row.late for row in rows], float)
    inside = np.array([row.inside for row in rows])
    peer = np.array([row.peer for row in rows])
    median = np.array([row.median for row in rows])
    share, share_se = mean_of(held[said], campaign[said])
    gap, gap_se = mean_of((held - inside)[said], campaign[said])
    reliability = []
    for low, high in pairwise(BINS):
        within = (probability >= low) & ((probability < high) | (high == 1.0))
        if within.any():
            off, off_se = mean_of((happened - probability)[within], campaign[within])
            row = {"forecasts": int(within.sum()), "said": float(probability[within].mean())}
            reliability.append(row | {"came": float(happened[within].mean()), "off": off, "se": off_se})
    return {
        "forecasts": len(rows),
        "with an interval": int(said.sum()),
        "came within": float(happened.mean()),
        "held80": share,
        "held80 se": share_se,
        "claimed": float(inside[said].mean()),
        "gap": gap,
        "gap se": gap_se,
        "before early": float((came < [row.early for row in rows])[said].mean()),
        "after late": float((came > [row.late for row in rows])[said].mean()),
        "brier": float(((probability - happened) ** 2).mean()),
        "brier, base rate": float(((happened.mean() - happened) ** 2).mean()),
        "brier, extrapolated": float((((peer < AHEAD) - happened) ** 2).mean()),
        "error": float(np.abs(median - came).mean()),
        "error, extrapolated": float(np.abs(peer - came).mean()),
        "error, never": float((AHEAD - came).mean()),
        "reliability": reliability,
    }


def rows_of(kind: str, n: int, first: int = 0) -> list[Foretold]:
    """The forecasts of so many campaigns of one kind."""
    one = budgets if kind in BUDGETS else answers
    return [row for seed in range(first, first + n) for row in one(kind, seed)]


def main() -> None:
    """Print the tables and write the file."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="?", type=int, default=CAMPAIGNS, help="of each kind")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        found_rows = pool.map(partial(rows_of, n=asked.campaigns), KINDS)
        rows = dict(zip(KINDS, found_rows, strict=True))
    found = {kind: summary(of_kind) for kind, of_kind in rows.items()}
    for name, kinds in (("all budgets", BUDGETS), ("all answers", ANSWERS), ("all wide", WIDE)):
        found[name] = summary([row for kind in kinds for row in rows[kind]])
    print(
        f"{'':12} forecasts, with interval, came;  80 % held, se, claimed;  Brier, base rate, extrapolated;  ", end=""
    )
    print("days off, extrapolated, never")
    for kind, row in found.items():
        held = f"{row['held80']:.3f}  {row['held80 se']:.3f}  {row['claimed']:.3f}"
        brier = "  ".join(f"{row[key]:.3f}" for key in ("brier", "brier, base rate", "brier, extrapolated"))
        off = "  ".join(f"{row[key]:5.2f}" for key in ("error", "error, extrapolated", "error, never"))
        print(f"{kind:12} {row['forecasts']:6} {row['with an interval']:5} {row['came within']:.3f}", end="")
        print(f"  {held}    {brier}    {off}")
        said = "; ".join(
            f"{one['said']:.2f} came {one['came']:.2f} (se {one['se']:.2f}, {one['forecasts']})"
            for one in row["reliability"]
        )
        print(f"{'':14}before early {row['before early']:.3f}, after late {row['after late']:.3f}; {said}")
    RESULT.write_text(json.dumps({"campaigns of each kind": asked.campaigns, "found": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
