"""What a decision costs as everything grows around it: campaigns, segments, and the past in the ledger.

Run: ``python benchmarks/bench_growth.py > benchmarks/results/growth.txt``; ``--largest 10000000`` goes on to ten
million past decisions (tens of gigabytes on disk and the better part of an hour), ``--only past --database sqlite``
measures one part. Each size is a ledger and a server of its own; every round asks all sizes one after the other, so
that what else the machine does falls on all of them alike. In process: 64 decisions in one durable transaction. Over
HTTP: single decisions at 64 connections, the server on one core, the load (and PostgreSQL) on another. A ratio is the
median over rounds of the cost of a decision relative to the smallest size in the same round; the first transaction of
a campaign, which reads its budgets from the ledger, is not in it. Ends with status 1 if a ratio is above 1.2.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import psycopg
from ledger_filling import Past, fill
from load import drive, request
from serving_parts import asking
from serving_parts.databases import KINDS, Databases, databases, libpq
from serving_parts.machine import leave_nothing_behind, machine, on_cores, two_cores
from serving_parts.shops import CAMPAIGN, SECRET, STRATEGY, WINBACK, Shop, deployed, documents, opened, served

from optimizer.deployment import Deployment, now
from optimizer.services.decisions.deciding import Answer, DecisionRequest, decide
from optimizer.storage.store import Store

MOST = 1.2
SIZES = (1, 10, 100)
SMALLEST_PAST = 10_000
TRANSACTION, CONNECTIONS = 64, 64
ROUNDS, TRANSACTIONS_A_ROUND, SECONDS_A_ROUND = 9, 10, 1.0
QUICK_ROUNDS = 3
MOST_A_SECOND = 15_000
PEOPLE = 2_000_000  # where nobody has a past

_numbers = count(1)
_rng = Random(2026)


@dataclass(frozen=True)
class Asked:
    """Who asks what of a shop.

    Attributes:
        campaigns: of which a transaction, or a request over HTTP, asks one at random.
        mixed: whether every decision of a transaction may be of another campaign.
        people: how many recipients there are.
    """

    campaigns: Sequence[str] = (CAMPAIGN,)
    mixed: bool = False
    people: int = PEOPLE

    def requests(self, n: int) -> list[DecisionRequest]:
        one = _rng.choice(self.campaigns)
        return [
            DecisionRequest(
                _rng.choice(self.campaigns) if self.mixed else one,
                f"p{_rng.randrange(self.people)}",
                f"g{next(_numbers)}",
                {"country": "FR", "days": float(_rng.randrange(5_000)), "vip": False},
            )
            for _ in range(n)
        ]

    def bodies(self, n: int, key: str) -> list[bytes]:
        campaigns = self.campaigns if self.mixed else self.campaigns[:1]
        return [
            request(
                "POST",
                asking.DECIDE,
                f'{{"campaign":"{_rng.choice(campaigns)}","recipient":"p{_rng.randrange(self.people)}","request_id":'
                f'"h{next(_numbers)}","attributes":{{"country":"FR","days":{_rng.randrange(5_000)},"vip":false}}}}'.encode(),
                key,
            )
            for _ in range(n)
        ]


@dataclass
class Size:
    """One size, ready to be asked."""

    size: int
    shop: Shop
    asked: Asked
    deployment: Deployment
    port: int

    def warm_up(self) -> None:
        """Ask every campaign once: its budgets are read from the ledger then."""
        for campaign in self.asked.campaigns:
            requests = [DecisionRequest(campaign, "nobody", f"w{next(_numbers)}", {}) for _ in range(2)]
            with self.deployment.store.writing(alone=True) as ledger:
                decide(ledger, self.deployment.live, requests, now())

    def in_process(self) -> float:
        """Seconds a decision costs, durable, without HTTP."""
        taken = 0.0
        for _ in range(TRANSACTIONS_A_ROUND):
            requests = self.asked.requests(TRANSACTION)
            start = perf_counter()
            with self.deployment.store.writing() as ledger:
                answers = decide(ledger, self.deployment.live, requests, now())
            taken += perf_counter() - start
            if bad := [answer for answer in answers if not isinstance(answer, Answer)]:
                sys.exit(f"decisions: found {bad[0]}; allowed answers")
        return taken / (TRANSACTIONS_A_ROUND * TRANSACTION)

    def over_http(self) -> float:
        """Seconds a decision costs at the server's top speed."""
        bodies = self.asked.bodies(int(SECONDS_A_ROUND * MOST_A_SECOND), self.shop.key)
        load = drive(self.port, bodies, connections=CONNECTIONS, seconds=SECONDS_A_ROUND, counted=asking.DECIDED)
        if load.must_be(200).counted != load.answers:
            sys.exit(f"decisions: found {load.counted} in {load.answers} answers; allowed one in each")
        return 1 / load.rate


@dataclass
class Growing:
    """Measures sizes against each other.

    Attributes:
        misses: growth beyond what is allowed.
    """

    databases: Databases
    folder: Path
    rounds: int
    misses: list[str]

    def compare(self, what: str, subjects: Mapping[int, tuple[Shop, Asked]], *, judged: bool = True) -> None:
        """Rounds over all sizes; prints the cost of a decision at each."""
        server_core, load_core = two_cores()
        with ExitStack() as leaving:
            sizes = [leaving.enter_context(self._ready(size, *subject)) for size, subject in subjects.items()]
            ways: Mapping[str, tuple[int, Callable[[Size], float]]] = {
                "in process": (server_core, Size.in_process),
                "over HTTP": (load_core, Size.over_http),
            }
            found: dict[str, list[list[float]]] = {way: [] for way in ways}
            for size in sizes:
                size.warm_up()
            for number in range(self.rounds + 1):
                for way, (core, cost) in ways.items():
                    with on_cores(core):
                        costs = [cost(size) for size in sizes]
                    if number:  # the first round warms up
                        found[way].append(costs)
        print(f"\n{what:<44}{'in process, us':>16}{'x':>6}{'over HTTP, us':>16}{'x':>6}")
        for place, size in enumerate(sizes):
            line = f"{size.size:>44,}"
            for way, rounds in found.items():
                growth = median(costs[place] / costs[0] for costs in rounds)
                line += f"{1e6 * median(costs[place] for costs in rounds):>16.1f}{growth:>6.2f}"
                if judged and growth > MOST:
                    self.misses.append(f"{self.databases.kind}, {what}, {size.size:,}, {way}: {growth:.2f} x")
            print(line, flush=True)

    def shop(self, files: Mapping[str, str]) -> Shop:
        return opened(Path(tempfile.mkdtemp(prefix="shop-", dir=self.folder)), self.databases.new(), files)

    @contextmanager
    def _ready(self, size: int, shop: Shop, asked: Asked) -> Iterator[Size]:
        with served(shop, [two_cores()[0]]) as service:
            deployment = deployed(shop.folder, shop.url)
            try:
                yield Size(size, shop, asked, deployment, service.port)
            finally:
                deployment.close()


def campaigns(growing: Growing, _largest: int) -> None:
    """From one campaign to many: one of them asked, then all of them at random."""
    shops = {}
    for n in SIZES:
        names = [CAMPAIGN, *(f"campaign-{number}" for number in range(1, n))]
        texts = {name: WINBACK.replace(f"campaign: {CAMPAIGN}", f"campaign: {name}") for name in names}
        files = {f"campaigns/{name}.yaml": text for name, text in texts.items()}
        strategy = STRATEGY.replace("approval: {required: true}", "approval: {required: false}")  # of 600 messages
        shops[n] = growing.shop({"strategy.yaml": strategy, **files}), names
    growing.compare("campaigns, one asked at a time", {n: (shop, Asked(names)) for n, (shop, names) in shops.items()})
    growing.compare(
        "campaigns, all asked at once (information)",
        {n: (shop, Asked(names, mixed=True)) for n, (shop, names) in shops.items()},
        judged=False,
    )


def segments(growing: Growing, _largest: int) -> None:
    """From one segment to many, all of them met equally often."""
    subjects = {}
    begin, end = WINBACK.index("segments:"), WINBACK.index("everyone_else:")
    for n in SIZES:
        width = 5_000 // n
        rules = "".join(
            f"  - {{id: s{i}, when: {{days: {{at_least: {i * width}, below: {(i + 1) * width}}}}}}}\n" for i in range(n)
        )
        campaign = f"{WINBACK[:begin]}segments:\n{rules}{WINBACK[end:]}"
        subjects[n] = growing.shop({"strategy.yaml": STRATEGY, f"campaigns/{CAMPAIGN}.yaml": campaign}), Asked()
    growing.compare("segments of the campaign", subjects)


def past(growing: Growing, largest: int) -> None:
    """From a young ledger to an old one, under a contact policy, for recipients who have a past there."""
    subjects = {}
    size = SMALLEST_PAST
    while size <= largest:
        shop = growing.shop(documents(contact_cap=True))
        start = perf_counter()
        store = Store(shop.url)
        fill(store, Past(size, SECRET.encode(), now(), CAMPAIGN, contacts_count=True))
        store.close()
        settle(growing.databases, shop.url)
        print(f"{size:>12,} past decisions filled in, {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        subjects[size] = shop, Asked(people=largest // 3)
        size *= 10
    growing.compare("past decisions", subjects)


def settle(made: Databases, url: str) -> None:
    """What autovacuum and a checkpoint would do by and by, so that it falls into no round."""
    if made.server is not None:
        with psycopg.connect(libpq(url), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


PARTS: Mapping[str, Callable[[Growing, int], None]] = {"campaigns": campaigns, "segments": segments, "past": past}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a decision costs as everything grows.")
    parser.add_argument("--largest", type=int, default=1_000_000, help="past decisions of the largest ledger")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--database", choices=KINDS, help="one database")
    parser.add_argument("--folder", type=Path, help="where the ledgers go; by default a temporary folder")
    asked = parser.parse_args()
    leave_nothing_behind()
    misses: list[str] = []
    with tempfile.TemporaryDirectory(prefix="optimizer-growth-", dir=asked.folder) as name:
        print(machine(Path(name)))
        for kind in [asked.database] if asked.database else KINDS:
            for part in [asked.only] if asked.only else PARTS:
                folder = Path(tempfile.mkdtemp(dir=name))  # deleted with the others; each part begins on a free disk
                with databases(kind, folder, two_cores()[1]) as made:
                    print(f"\n== {part}: {made.settings()}", flush=True)
                    PARTS[part](Growing(made, folder, QUICK_ROUNDS if asked.quick else ROUNDS, misses), asked.largest)
    print(f"\nno decision costs more than {MOST} x" if not misses else "\nmore than allowed:\n" + "\n".join(misses))
    return int(bool(misses))


if __name__ == "__main__":
    sys.exit(main())
