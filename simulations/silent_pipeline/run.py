"""A reward pipeline that dies: how soon is it noticed, how often wrongly, and what does freezing the learning save?

``python run.py [CAMPAIGNS] [RUNS] [--to FILE]`` simulates so many steady campaigns of each kind, rehearses so many runs
of one whose outcomes are withheld for two days, prints tables and writes result.json beside this file. The same numbers
give the same file.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.engine.assessment import RewardRule
from optimizer.policy.silence import Traffic, is_silence, missing, remembered
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.simulation.world import Events, Population
from optimizer.strategy.workspace import read_workspace

SEED = 20_26
START: Instant = 20_500 * DAY  # any midnight
RATES = (0.05, 0.06, 0.07, 0.10)
PER_HOUR, LENGTH = 50, 14 * DAY
WITHHELD_FROM, WITHHELD_TO = START + 3 * DAY, START + 5 * DAY
NEVER = 1e18
WORTH_ASKING = 3.0  # outcomes; a gap that misses fewer by the truth cannot look like thirty
RESULT = Path(__file__).parent / "result.json"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A kind of campaign: what it sends an hour, ``[B]``, and what comes of it.

    Attributes:
        median, spread: of log-normal delays: the median in hours, and the deviation of the logarithm.
        moods: deviation of the logarithm of each day's rate.
        fading: the logarithm of the first rate over the last.
        reported_every: hours between batches of reports; 0: each at once.
    """

    sends: Floats
    rate: float
    median: float = 4.0
    spread: float = 1.0
    moods: float = 0.0
    fading: float = 0.0
    reported_every: int = 0
    horizon: int = 60


def kinds() -> dict[str, Kind]:
    """The kinds, by name."""
    hours = np.arange(60 * 24)
    office = (hours % 24 >= 8) & (hours % 24 < 20) & (hours // 24 % 7 < 5)
    blasts = np.isin(hours, (9, 7 * 24 + 9, 30 * 24 + 9)) * 10_000.0
    once = (hours == 9) * 10_000.0
    steady = np.full(len(hours), 40.0)
    return {
        "weekdays by day, rate .05": Kind(office * 42.0, 0.05),
        "weekdays by day, rate .002": Kind(office * 167.0, 0.002, 24.0),
        "three days late, rate .03": Kind(steady, 0.03, 72.0),
        "moody days, rate .03": Kind(steady, 0.03, 6.0, moods=0.4),
        "fading to a seventh": Kind(steady, 0.03, 6.0, fading=2.0),
        "one blast of 10,000, then nothing": Kind(once, 0.02, 6.0, 1.5),
        "three blasts of 10,000": Kind(blasts, 0.02, 6.0, 1.5, horizon=90),
        "over after 20 days, three days late": Kind(steady * (hours < 20 * 24), 0.03, 72.0, horizon=90),
        "reported once a day": Kind(steady, 0.05, 6.0, reported_every=24),
    }


@dataclass(frozen=True, eq=False)
class Lived:
    """What happened in one campaign: of each rewarded decision its hour, the delay, and when it was heard of."""

    sends: Floats
    hours: NDArray[np.int64]
    delays: Floats
    heard: Floats

    @classmethod
    def of(cls, kind: Kind, rng: np.random.Generator) -> Lived:
        """One campaign of a kind."""
        sends = rng.poisson(kind.sends).astype(np.float64)
        days = np.arange(len(sends)) // 24
        moods = np.exp(kind.moods * rng.standard_normal(days[-1] + 1) - kind.moods**2 / 2)[days]
        rates = kind.rate * moods * np.exp(-kind.fading * np.arange(len(sends)) / len(sends))
        rewarded = rng.binomial(sends.astype(np.int64), np.minimum(rates, 1.0))
        hours = np.repeat(np.arange(len(sends)), rewarded)
        delays = kind.median * HOUR * np.exp(kind.spread * rng.standard_normal(len(hours)))
        heard = (hours + rng.random(len(hours))) * HOUR + delays
        if kind.reported_every:
            every = kind.reported_every * HOUR
            heard = (heard // every + 1) * every
        within = delays < 30 * DAY
        return cls(sends, hours[within], delays[within], heard[within])

    def traffic(self, at: float, known_at: float) -> Traffic:
        """What statistics say at an instant, if nothing was heard of after another."""
        n = min(int(at // HOUR) + 1, len(self.sends))
        known = self.heard <= known_at
        rewarded = np.bincount(self.hours[known], minlength=n)[:n].astype(np.float64)
        places = delay_bins(self.delays[known].astype(np.int64)) * n + self.hours[known]
        delays = np.bincount(places, minlength=N_DELAYS * n).reshape(N_DELAYS, n).astype(np.float64)
        return Traffic(np.arange(n, dtype=np.int64) * HOUR, self.sends[:n], rewarded[None], rewarded, delays)


def silences(lived: Lived, until: float, end: float) -> Iterator[tuple[float, float, float]]:
    """Begin and end of every silence long enough to be asked about, and what was usual until then."""
    every = np.sort(lived.heard[lived.heard < until])
    heard, usual, last = np.unique(every), 0.0, HOUR
    for begin, over in zip(np.append(last, heard), np.append(heard, end), strict=True):
        first, after = np.searchsorted(every, (begin - 3 * DAY, over + 3 * DAY))
        around = (after - first) / (over - begin + 6 * DAY)
        usual = remembered(usual, int(over - begin))
        if over - begin > 2 * HOUR and (around * (over - begin) > WORTH_ASKING or begin == last):
            if begin > last:
                yield begin, over, usual
            usual = max(usual, missing(lived.traffic(over, over), int(begin), int(over), int(over)).expected)


def false_alarms(kind: Kind, n: int, seed: int) -> int:
    """How many of so many campaigns whose pipeline works have an alarm."""
    found = 0
    for run in range(n):
        lived = Lived.of(kind, chance(seed, run))
        end = float(kind.horizon * DAY)
        found += any(
            is_silence(missing(lived.traffic(over, begin), int(begin), int(over) - 1, int(begin)), usual)
            for begin, over, usual in silences(lived, end, end)
        )
    return found


def detections(kind: Kind, n: int, seed: int) -> list[tuple[float, int]]:
    """Days until the alarm, and outcomes missed by then, of pipelines that die on the 31st day."""
    found = []
    for run in range(n):
        lived, died_at = Lived.of(kind, chance(seed, run)), 30.4 * DAY
        usual = [usual for _, _, usual in silences(lived, died_at, died_at)]
        begin = float(lived.heard[lived.heard < died_at].max())
        for hours in range(1, 29 * 24):
            over = begin + hours * HOUR
            asked = missing(lived.traffic(over, begin), int(begin), int(over), int(begin))
            if is_silence(asked, usual[-1] if usual else 0.0):
                missed = int(((lived.heard > died_at) & (lived.heard <= over)).sum())
                found.append(((over - died_at) / DAY, missed))
                break
    return found


@dataclass(frozen=True, eq=False)
class Shoppers:
    """A world of four variants; what happens while the pipeline is dead is heard of when it is repaired."""

    population: Population
    kinds: tuple[str, ...] = ("visit",)
    dies: bool = True

    def world(self, rng: np.random.Generator) -> Shoppers:  # noqa: ARG002
        """Always the same."""
        return self

    def arrivals(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        """Whoever comes by, once or more."""
        return rng.integers(0, len(self.population), rng.poisson(PER_HOUR * (end - start) / HOUR))

    def events(
        self,
        recipients: NDArray[np.int64],  # noqa: ARG002
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],  # noqa: ARG002
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        """Visits, half of them within two hours."""
        visits = np.flatnonzero(rng.random(len(arms)) < np.append(RATES, 0.0)[arms])
        when = at + (2 * HOUR * np.exp(rng.standard_normal(len(arms)))).astype(np.int64)[visits]
        if self.dies:
            when = np.where((when >= WITHHELD_FROM) & (when < WITHHELD_TO), WITHHELD_TO, when)
        nothing = np.zeros(len(visits), np.int64)
        return Events(visits, nothing, when, nothing)

    def expected_rewards(self, rule: RewardRule, at: Instant) -> Floats:  # noqa: ARG002
        """The rates; the last is of nothing sent."""
        return np.append(RATES, 0.0)[None]


def rehearsed(n: int) -> list[dict[str, Any]]:
    """Regret of policies with and without the alarm, with and without a pipeline that dies."""
    people = Population([{}] * 2_000, np.zeros(2_000, np.int64), [None] * 2_000, [None] * 2_000)
    rows = []
    for delay in ("ignored", "estimated"):
        for dies, alarms in ((False, ["silence"]), (True, []), (True, ["silence"])):
            policy = {"refresh": "PT1H", "delay": delay, "alarms": alarms, "half_life": "P3D"}
            strategy, campaign = documents(policy)
            plan, model = Plan(START, START + LENGTH, HOUR), Shoppers(people, dies=dies)
            runs = [rehearse(strategy, campaign, model, plan, seed=SEED, replication=place) for place in range(n)]
            frozen = [sum(event.action == "freeze" for event in run.events) for run in runs]
            regrets = np.array([run.regret for run in runs])
            rows.append(
                {
                    "delay": delay,
                    "pipeline": "dead for two days" if dies else "works",
                    "alarms": alarms,
                    "regret": round(float(regrets.mean()), 1),
                    "standard_error": round(float(regrets.std(ddof=1) / len(regrets) ** 0.5), 1),
                    "frozen": round(float(np.mean(frozen)), 2),
                }
            )
            print(rows[-1], flush=True)
    return rows


def documents(policy: dict[str, Any]) -> tuple[Any, Any]:
    """A strategy and its campaign."""
    objective = {"id": "visits", "reward": {"outcome": "visit", "value": "first"}, "attribution_window": "P7D"}
    strategy = {"strategy": "shop", "currency": "EUR", "time_zone": "UTC", "objectives": [objective]}
    campaign = {
        "campaign": "mail",
        "serves": "visits",
        "channel": "email",
        "messages": [{"id": name, "subject": name} for name in ("one", "two", "three", "four")],
        "control": "nothing",
        "policy": policy,
    }
    files = {"strategy.yaml": strategy | {"approval": {"required": False}}, "campaigns/mail.yaml": campaign}
    read = read_workspace({path: json.dumps(written) for path, written in files.items()})
    return read.strategy, read.campaigns["mail"]


def chance(seed: int, run: int) -> np.random.Generator:
    """Chance of one campaign."""
    return np.random.Generator(np.random.PCG64([SEED, seed, run]))


def main() -> None:
    """Simulate, print and write the result."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", type=int, nargs="?", default=120)
    parser.add_argument("runs", type=int, nargs="?", default=12)
    parser.add_argument("--to", type=Path, default=RESULT)
    asked = parser.parse_args()
    watched = []
    for seed, (name, kind) in enumerate(kinds().items()):
        row: dict[str, Any] = {"campaigns": name, "false_alarms": false_alarms(kind, asked.campaigns, seed)}
        row["of"] = asked.campaigns
        if kind.sends[31 * 24 :].sum() > 0 and "blast" not in name:
            found = detections(kind, max(asked.campaigns // 6, 2), 100 + seed)
            row["detected"] = f"{len(found)} of {max(asked.campaigns // 6, 2)}"
            row["median_days"] = round(float(np.median([days for days, _ in found])), 2)
            row["median_outcomes_missed"] = float(np.median([missed for _, missed in found]))
        watched.append(row)
        print(row, flush=True)
    result = {"what": "a reward pipeline that dies", "watched": watched, "rehearsed": rehearsed(asked.runs)}
    asked.to.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
