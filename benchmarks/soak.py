"""Mixed load on two workers and a PostgreSQL of its own, while workers are killed and the database crashes.

Run: ``python benchmarks/soak.py --minutes 30 > benchmarks/results/soak.txt``. Callers ask for single decisions and for
batches, repeat them, report outcomes early, late, twice and in any order, take some back, unsubscribe, and update
profiles; campaigns are paused and resumed and learn on; every minute a worker gets ``kill -9``, every ten the database
crashes. The driver remembers everything that was acknowledged, and then looks for it: it must be in the ledger, be the
same when it is asked for again, add up, and have stayed within budgets, contact policy and suppressions. Memory must
be flat. Prints what was found and ends with status 1 if any promise was broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import linear_regression, mean

import psycopg
import uvloop
from serving_parts.callers import Caller, Line
from serving_parts.checks import WATCH, Cap, Checks, Limit, learned
from serving_parts.databases import POSTGRESQL, Databases, databases, libpq
from serving_parts.faults import Faults, Weights, workers_of
from serving_parts.machine import CORES, leave_nothing_behind, machine
from serving_parts.shops import Served, Shop, opened, served
from serving_parts.told import MICROS, Told

CALLERS = 16
DECISIONS_A_REQUEST = 2.5  # of the mix that callers make, on average
WINDOW_SECONDS = 300  # of the contact policy
MOST_ASKED_AGAIN = 50_000
# A worker is weighed once its caches and the pools of its allocator are full, if it then lives this long.
WARM_SECONDS, WEIGHED_SECONDS = 180.0, 120.0
MOST_GROWTH = 1.0  # MiB a minute

STRATEGY = """\
strategy: soak
currency: USD
time_zone: UTC
objectives:
  - {{id: buy, reward: {{outcome: purchase, value: first}}, attribution_window: PT2M}}
  - {{id: clicks, reward: {{outcome: clicked, value: count}}, attribution_window: PT1M, counts_from: delivered}}
attributes:
  country: {{type: category, values: [US, GB]}}
  days: {{type: number, minimum: 0, maximum: 5000}}
  vip: {{type: boolean}}
channels:
  email: {{cost: "0.001 USD"}}
  push: {{sends_per_day: {push_a_day}}}
contact_policy:
  - {{at_most: 3, per: PT5M}}
  - {{at_most: 2, per: PT1M, channels: [push]}}
budget: {{daily: "{daily} USD"}}
approval: {{required: false}}
holdout: {{share: 0.02}}
policy_defaults: {{refresh: PT5S}}
"""
WINBACK = """\
campaign: winback
serves: buy
channel: email
messages:
  - {{id: ten-percent, subject: Ten percent for you, cost: "0.55 USD per purchase"}}
  - {{id: quiz, subject: A quiz, cost: "0.05 USD per click"}}
  - {{id: hello, subject: How are you}}
control: {{message: hello}}
segments:
  - {{id: lapsed, when: {{days: {{at_least: 2500}}}}}}
  - {{id: vips, when: {{vip: true}}}}
everyone_else: include
policy: {{floor: 0.1}}
budget: {{total: "{total} USD"}}
holdout: {{share: 0.05}}
"""
NEWSLETTER = """\
campaign: newsletter
serves: clicks
channel: push
messages:
  - {{id: short, subject: Short}}
  - {{id: long, subject: Long}}
control: nothing
budget: {{sends: {{total: {sends}}}}}
holdout: {{share: 0.05}}
"""


class Plan:
    """How much is to be expected of a run, and limits tight enough to be reached in it.

    Args:
        seconds: how long it goes on.
        pace: requests a second.
    """

    def __init__(self, seconds: float, pace: float) -> None:
        each = DECISIONS_A_REQUEST * pace * seconds / 2  # decisions of each of the two campaigns
        self.population = max(200, int(DECISIONS_A_REQUEST * pace * min(seconds, WINDOW_SECONDS) / 2.2))
        self.total, self.daily = max(5, int(each * 0.04)), max(5, int(each * 0.05))
        self.sends, self.push_a_day = max(50, int(each * 0.4)), max(50, int(each * 0.45))

    @property
    def files(self) -> Mapping[str, str]:
        return {
            "strategy.yaml": STRATEGY.format(push_a_day=self.push_a_day, daily=self.daily),
            "campaigns/winback.yaml": WINBACK.format(total=self.total),
            "campaigns/newsletter.yaml": NEWSLETTER.format(sends=self.sends),
        }

    @property
    def limits(self) -> Sequence[Limit]:
        return (
            Limit("strategy", daily=True, money=self.daily * MICROS),
            Limit("campaign:winback", daily=False, campaign="winback", money=self.total * MICROS),
            Limit("campaign:newsletter", daily=False, campaign="newsletter", sends=self.sends),
            Limit("channel:push", daily=True, channel="push", sends=self.push_a_day),
        )

    @property
    def caps(self) -> Sequence[Cap]:
        return Cap(3, WINDOW_SECONDS, ("email", "push")), Cap(2, 60, ("push",))


class Soak:
    """One run."""

    def __init__(self, asked: argparse.Namespace, made: Databases, folder: Path) -> None:
        self.asked, self.databases = asked, made
        self.seconds = asked.minutes * 60
        self.plan, self.told, self.rng = Plan(self.seconds, asked.pace), Told(), Random(asked.seed)
        url = made.new()
        self.shop: Shop = opened(folder / "shop", url, self.plan.files)
        with psycopg.connect(libpq(url)) as connection:
            connection.execute(WATCH)

    def run(self) -> None:
        """Load and faults, then everything is looked for."""
        with served(self.shop, CORES, "--workers", "2") as service:
            weights = Weights(service.pid)
            faults = Faults(self.told, weights, self.databases, self._line(service), self.shop.key, self.rng)
            uvloop.run(self._under_load(service, faults))
            gap = self.told.longest_gap
        print("\n".join(["", *faults.log, "", "drained on SIGTERM and ended with status 0"]))
        checks = Checks(self.shop, self.told)  # before anything is asked again, which would bring back what was lost
        print(f"{checks.decisions()}\n{checks.outcomes()}", flush=True)
        with served(self.shop, CORES) as service:
            uvloop.run(self._asked_again(service))
        self._show(faults, gap)

    async def _under_load(self, service: Served, faults: Faults) -> None:
        until = time.time() + self.seconds
        pace, n = self.asked.pace / CALLERS, self.plan.population
        callers = [
            Caller(self._line(service), self.told, self.shop.key, Random(self.rng.random()), pace, n)
            for _ in range(CALLERS)
        ]
        await asyncio.gather(
            *(caller.call(until) for caller in callers),
            faults.kill_workers(self.asked.kill_every, until),
            faults.crash_database(self.asked.crash_every, until),
            faults.pause_campaigns(until),
            faults.weigh(until),
            self._tell(service, until),
        )

    async def _tell(self, service: Served, until: float) -> None:
        """A line now and then."""
        print(f"\n{'minute':>6}{'decisions':>12}{'outcomes':>12}{'no answer':>11}{'breaches':>10}  MiB of each worker")
        begun, every = until - self.seconds, max(self.seconds / 30, 15.0)
        while time.time() + every < until + 1:
            await asyncio.sleep(every)
            weights = Weights(service.pid)
            weights.weigh()
            mib = [f"{weights.samples[pid][-1][1]:.0f}" for pid in workers_of(service.pid) if pid in weights.samples]
            lost = sum(n for what, n in self.told.counts.items() if what.startswith("no answer"))
            recorded = len(self.told.events) - self.told.events.recorded.count(0)
            print(
                f"{(time.time() - begun) / 60:>6.1f}{self.told.decisions.acknowledged:>12,}{recorded:>12,}{lost:>11,}"
                f"{self.told.counts['breaches']:>10,}  {', '.join(mib)}",
                flush=True,
            )

    async def _asked_again(self, service: Served) -> None:
        known = self.told.decisions
        numbers = [number for number in range(len(known)) if known.id_of(number) is not None]
        if len(numbers) > MOST_ASKED_AGAIN:
            numbers = self.rng.sample(numbers, MOST_ASKED_AGAIN)
        before = self.told.counts["repeated, same answer"]
        await Caller(self._line(service), self.told, self.shop.key, self.rng, 1, 1).ask_again(numbers)
        same = self.told.counts["repeated, same answer"] - before
        if same != len(numbers):
            self.told.breach(f"I3: of {len(numbers)} decisions asked for again {same} were the same")
        print(f"asked again at the end: {same:,} of {len(numbers):,} got the same answer")

    def _line(self, service: Served) -> Line:
        return Line(service.port, self.told)

    def _show(self, faults: Faults, gap: tuple[float, float]) -> None:
        print(f"{faults.kills} workers killed, {faults.crashes} crashes of the database; learned: {learned(self.shop)}")
        since = time.strftime("%H:%M:%S", time.localtime(gap[1]))
        print(f"longest time without an acknowledgement under load: {gap[0]:.1f} s, from {since}")
        for line in Checks(self.shop, self.told).sums(self.plan.limits, self.plan.caps):
            print(line, flush=True)
        for line in memory(faults.weights, self.told):
            print(line)
        print("\nwhat was done, and what came of it:")
        for what, n in sorted(self.told.counts.items()):
            print(f"  {n:>10,}  {what}")


def memory(weights: Weights, told: Told) -> list[str]:
    """How much the processes grew: each while it lived, and those that came later over those before."""
    found: list[str] = []
    growths: list[float] = []
    starts: list[tuple[float, float]] = []
    for pid, samples in weights.samples.items():
        name = "the supervisor" if pid == weights.supervisor else f"worker {pid}"
        warm = [(at, mib) for at, mib in samples if at >= samples[0][0] + WARM_SECONDS]
        if not warm or warm[-1][0] - warm[0][0] < WEIGHED_SECONDS:
            continue
        growth = 60 * linear_regression(*zip(*warm, strict=True)).slope
        found.append(f"{name}: {warm[0][1]:.0f} to {warm[-1][1]:.0f} MiB in {(warm[-1][0] - warm[0][0]) / 60:.1f} min")
        found[-1] += f", {growth:+.2f} MiB a minute"
        if pid != weights.supervisor:  # which does nothing but wait, and would only make the mean look better
            growths.append(growth)
            starts.append(warm[0])
    if len(starts) > 2:
        growths.append(60 * linear_regression(*zip(*starts, strict=True)).slope)
        found.append(f"workers of the same age, later against earlier: {growths[-1]:+.2f} MiB a minute")
    if not growths:
        return ["memory: no worker lived long enough to be weighed"]
    if mean(growths) > MOST_GROWTH:
        told.breach(f"memory: found {mean(growths):.2f} MiB a minute; allowed {MOST_GROWTH}")
    return [*found, f"memory: {mean(growths):+.2f} MiB a minute on average; allowed {MOST_GROWTH:.2f}"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Load the service for long while things break.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pace", type=float, default=200.0, help="requests a second of all callers together")
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds between two kills of a worker")
    parser.add_argument("--crash-every", type=float, default=600.0, help="seconds between two crashes of the database")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the database goes; by default a temporary folder")
    asked = parser.parse_args()
    leave_nothing_behind()
    with tempfile.TemporaryDirectory(prefix="optimizer-soak-", dir=asked.folder) as name:
        folder = Path(name)
        print(f"{machine(folder)}\n{asked.minutes:g} minutes at about {asked.pace:g} requests/s", flush=True)
        with databases(POSTGRESQL, folder, *CORES) as made:
            print(made.settings())
            soak = Soak(asked, made, folder)
            soak.run()
    if soak.told.breaches:
        print("\nBROKEN:\n" + "\n".join(soak.told.breaches))
        return 1
    print("\nnothing acknowledged was lost and every promise held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
