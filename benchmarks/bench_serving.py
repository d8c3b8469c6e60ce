"""The service at full speed, durable, over HTTP, against limits measured in the same run.

Run: ``python benchmarks/bench_serving.py > benchmarks/results/serving.txt``; ``--quick`` takes about a minute, and
``--only decisions --database sqlite`` measures one part. `optimizer serve` runs on one core, as a user would run it;
the load (and PostgreSQL) on another. Rounds alternate between all that is compared, and figures are medians of rounds;
ratios are medians of each round's own ratio. The limits: an empty FastAPI endpoint for single decisions, beside which
a bare prototype shows what durable rows alone leave of its speed (`serving_parts/bare_app.py`); for batches the very
rows that the service has just written, written again into an empty database of the same tables and indexes by a bare
`executemany` (`COPY` on PostgreSQL). Every answer must say 200, the ledger must hold exactly what was acknowledged, and
`optimizer ledger verify` must find nothing. Ends with status 1 if a target is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

from load import Load, drive
from serving_parts import asking
from serving_parts.databases import KINDS, POSTGRESQL, Databases, databases, rows_of
from serving_parts.limits import Rows, bare, in_parts
from serving_parts.machine import CORES, cpu_seconds, leave_nothing_behind, machine, on_cores, two_cores
from serving_parts.shops import Served, Shop, documents, empty_endpoint, opened, prototype, served

BATCH, REPORT = 10_000, 1_000  # decisions, and outcomes, in one request
BATCHES_AT_ONCE = 2  # so that the server never waits for the client
MOST_A_SECOND = 15_000  # requests made beforehand for a second of load; more than any server here answers
CONNECTIONS = (16, 64)
DECISION, CAPPED, EMPTY = "decision", "decision, contact cap", "empty FastAPI endpoint"
PROTOTYPES = {"bare, one row": ("one-row", "log"), "bare, our rows": ("ledger-rows", "decisions")}  # and their table


@dataclass(frozen=True)
class Pace:
    """How long the run takes."""

    rounds: int  # of single decisions
    seconds: float
    rounds_of_batches: int
    batches: int  # a round
    reports: int  # a round


FULL, QUICK = Pace(7, 2.0, 5, 4, 20), Pace(2, 1.0, 2, 2, 6)


@dataclass
class Bench:
    """What every part needs, and what has been found so far."""

    pace: Pace
    databases: Databases
    folder: Path
    misses: list[str] = field(default_factory=list)

    def shop(self, *, contact_cap: bool = False) -> Shop:
        folder = Path(tempfile.mkdtemp(prefix="shop-", dir=self.folder))
        return opened(folder, self.databases.new(), documents(contact_cap=contact_cap))

    def must(self, what: str, found: float, target: float, *, at_least: bool = True) -> str:
        """The verdict, remembered if it is a miss."""
        met = found >= target if at_least else found <= target
        if not met:
            self.misses.append(f"{self.databases.kind}, {what}: {found:.2f}, target {target:.2f}")
        return f"{'>=' if at_least else '<='} {target:.2f}: {'met' if met else 'MISSED'}"

    def must_agree(self, shop: Shop, acknowledged: Mapping[str, int]) -> None:
        """The ledger holds what was acknowledged, no more and no less, and adds up."""
        stored = {table: shop.count(table) for table in acknowledged}
        found = shop.verify()
        said = ", ".join(f"{n:,} {table}" for table, n in stored.items())
        print(f"acknowledged and in the ledger: {said}; ledger verify: {'clean' if found['ok'] else 'NOT CLEAN'}")
        if stored != acknowledged or not found["ok"]:
            sys.exit(f"the ledger: found {stored}, verify {found}; allowed {dict(acknowledged)} and clean")


def single_decisions(bench: Bench) -> None:
    """POST /v1/decisions, with and without a contact cap, against the empty endpoint; beside it the bare prototype.

    The prototype has no targets: it shows what durable rows alone leave of the empty endpoint's speed.
    """
    server_core, load_core = two_cores()
    shops = {DECISION: bench.shop(), CAPPED: bench.shop(contact_cap=True)}
    urls = {name: bench.databases.new() for name in PROTOTYPES}
    acknowledged = dict.fromkeys((EMPTY, *PROTOTYPES, *shops), 0)
    with all_served(shops, urls, server_core) as services:

        def loaded(name: str, connections: int, seconds: float) -> Load:
            key, path = shops[name].key if name in shops else "", "/empty" if name == EMPTY else asking.DECIDE
            requests = asking.decisions(int(seconds * MOST_A_SECOND), key, path)
            port, pid = services[name]
            before = cpu_seconds(pid)
            with on_cores(load_core):
                load = drive(port, requests, connections=connections, seconds=seconds, counted=asking.DECIDED)
            load.must_be(200).cpu_seconds = cpu_seconds(pid) - before
            acknowledged[name] += load.counted
            if load.counted != load.answers:
                sys.exit(f"{name}: found {load.counted} decisions in {load.answers} answers; allowed one in each")
            return load

        for name in services:
            loaded(name, max(CONNECTIONS), 1.0)  # what is compiled and cached on first use
        found: dict[tuple[str, int], list[Load]] = {}
        for _ in range(bench.pace.rounds):
            for connections in CONNECTIONS:
                for name in services:
                    found.setdefault((name, connections), []).append(loaded(name, connections, bench.pace.seconds))
        for name, (_, table) in PROTOTYPES.items():
            must_hold(urls[name], table, acknowledged[name])
    show_decisions(bench, found)
    for name, shop in shops.items():
        bench.must_agree(shop, {"decisions": acknowledged[name]})


@contextmanager
def all_served(shops: Mapping[str, Shop], urls: Mapping[str, str], core: int) -> Iterator[dict[str, Served]]:
    """The empty endpoint, the prototypes on databases of their own, and the shops, by name."""
    with ExitStack() as leaving:
        services = {EMPTY: leaving.enter_context(empty_endpoint([core]))}
        for name, (rows, _) in PROTOTYPES.items():
            services[name] = leaving.enter_context(prototype(urls[name], rows, [core]))
        for name, shop in shops.items():
            services[name] = leaving.enter_context(served(shop, [core]))
        yield services


def must_hold(url: str, table: str, n: int) -> None:
    """A prototype has written what it acknowledged."""
    if (stored := rows_of(url, f"SELECT count(*) FROM {table}")[0][0]) != n:
        sys.exit(f"{table} of the prototype: found {stored} rows; allowed {n}, which were acknowledged")


def show_decisions(bench: Bench, found: Mapping[tuple[str, int], Sequence[Load]]) -> None:
    heads = f"{'':<24}{'connections':>12}{'a second':>10}{'x empty':>9}{'p50 ms':>9}{'p99 ms':>9}{'x empty':>9}"
    print(f"\n{heads}{'CPU us':>9}{'x empty':>9}")
    for (name, connections), loads in found.items():
        peers = found[EMPTY, connections]
        pairs = [*zip(loads, peers, strict=True)]
        rate, faster = median(load.rate for load in loads), median(load.rate / peer.rate for load, peer in pairs)
        p50, p99 = (median(load.millis(share) for load in loads) for share in (0.5, 0.99))
        slower = median(load.millis(0.99) / peer.millis(0.99) for load, peer in pairs)
        cpu, dearer = median(map(cost, loads)), median(cost(load) / cost(peer) for load, peer in pairs)
        verdict = ""
        if name in {DECISION, CAPPED} and connections == max(CONNECTIONS):
            verdict = "  " + bench.must(f"{name}, requests/s", faster, 1.5 if name == DECISION else 1.0)
            if name == DECISION:
                verdict += "; p99 " + bench.must(f"{name}, p99", slower, 1.0, at_least=False)
        figures = f"{rate:>10,.0f}{faster:>9.2f}{p50:>9.1f}{p99:>9.1f}{slower:>9.2f}{cpu:>9.0f}{dearer:>9.2f}"
        print(f"{name:<24}{connections:>12}{figures}{verdict}")


def cost(load: Load) -> float:
    """Microseconds of processor that the server used for an answer."""
    return 1e6 * load.cpu_seconds / load.answers


def decisions_in_batches(bench: Bench) -> None:
    """Batches of 10,000 over HTTP, against the same rows written bare."""
    print(heading(f"decisions in batches of {BATCH:,}, {BATCHES_AT_ONCE} under way"))
    for cap, target in ((False, 1 / 2), (True, 1 / 3)):
        shop = bench.shop(contact_cap=cap)
        name = "with a contact cap" if cap else "no contact cap"
        n, acknowledged = bench.pace.batches, 0

        def written(since: int, shop: Shop = shop) -> Rows:
            return decision_rows(shop.url, since)

        def answered(port: int, shop: Shop = shop, n: int = n) -> Load:
            requests = asking.batches(n, BATCH, shop.key)
            return drive(port, requests, connections=BATCHES_AT_ONCE, counted=asking.DECIDED)

        acknowledged = against_bare(bench, shop, Side(name, target, n, ("decisions", "commitments"), answered, written))
        bench.must_agree(shop, {"decisions": acknowledged})


def outcomes_in_batches(bench: Bench) -> None:
    """Outcomes in batches of 1,000 over HTTP, against the same rows written bare."""
    print(heading(f"outcomes in batches of {REPORT:,}, {BATCHES_AT_ONCE} under way"))
    shop, n, rng = bench.shop(), bench.pace.reports, Random(2026)
    with served(shop, [two_cores()[0]]) as service:
        filled = drive(service.port, asking.batches(4, BATCH, shop.key), connections=1, counted=asking.DECIDED).must_be(
            200
        )
    ids = [row[0] for row in rows_of(shop.url, "SELECT decision_id FROM decisions WHERE variant_id IS NOT NULL")]

    def answered(port: int) -> Load:
        at = datetime.now(UTC).isoformat()
        requests = list(asking.outcomes(rng.choices(ids, k=n * REPORT), REPORT, shop.key, at))
        return drive(port, requests, connections=BATCHES_AT_ONCE, counted=asking.RECORDED)

    def written(since: int) -> Rows:
        return {"outcomes": rows_of(shop.url, f"SELECT * FROM outcomes WHERE received_at > {since}")}

    acknowledged = against_bare(bench, shop, Side("exact reward deltas", 1 / 4, n, ("outcomes",), answered, written))
    bench.must_agree(shop, {"decisions": filled.counted, "outcomes": acknowledged})


def heading(title: str) -> str:
    return f"\n{title:<64}{'a second':>10}{'bare':>10}{'x bare':>8}"


@dataclass(frozen=True)
class Side:
    """What is compared with bare writing.

    Attributes:
        transactions: into how many the bare rows of a round are divided.
        tables: what is written bare.
        answered: one round of requests to a port.
        written: the rows that the service has written since an instant.
    """

    name: str
    target: float
    transactions: int
    tables: tuple[str, ...]
    answered: Callable[[int], Load]
    written: Callable[[int], Rows]


def against_bare(bench: Bench, shop: Shop, side: Side) -> int:
    """Rounds of the service and of the same rows written bare; how many items were acknowledged in all."""
    server_core, load_core = two_cores()
    rates: list[tuple[float, float]] = []
    acknowledged = 0
    limit_url = bench.databases.new()
    with served(shop, [server_core]) as service, bare(limit_url, side.tables) as limit:
        for number in range(bench.pace.rounds_of_batches + 1):
            since = newest(shop.url)
            with on_cores(load_core):
                load = side.answered(service.port).must_be(200)
            acknowledged += load.counted
            parts = in_parts(side.written(since), side.transactions)
            if (rows := sum(len(part[side.tables[0]]) for part in parts)) != load.counted:
                sys.exit(f"{side.name}: found {rows} new rows; allowed {load.counted}, which were acknowledged")
            with on_cores(server_core):
                taken = sum(limit.seconds(part) for part in parts)
            if number:  # the first round warms both up
                rates.append((load.counted / load.seconds, rows / taken))
        way = f"{side.name}; {limit.way} into {' and '.join(side.tables)}"
    ratio = median(mine / other for mine, other in rates)
    mine, other = (median(column) for column in zip(*rates, strict=True))
    print(f"{way:<64}{mine:>10,.0f}{other:>10,.0f}{ratio:>8.2f}  {bench.must(way, ratio, side.target)}")
    bench.databases.drop(limit_url)
    return acknowledged


def newest(url: str) -> int:
    """The instant of the newest decision or outcome."""
    query = "SELECT (SELECT max(decided_at) FROM decisions), (SELECT max(received_at) FROM outcomes)"
    return max(at or 0 for at in rows_of(url, query)[0])


def decision_rows(url: str, since: int) -> Rows:
    """Decisions made since, and their commitments, in the order in which they were made."""
    decisions = rows_of(url, f"SELECT * FROM decisions WHERE decided_at > {since}")
    commitments = rows_of(
        url,
        f"SELECT c.decision_id, c.* FROM commitments c JOIN decisions USING (decision_id) WHERE decided_at > {since}",
    )
    by_id = {row[0]: row[1:] for row in commitments}
    ids = [row[0] for row in rows_of(url, f"SELECT decision_id FROM decisions WHERE decided_at > {since}")]
    return {"decisions": decisions, "commitments": [by_id[id_] for id_ in ids if id_ in by_id]}


def workers(bench: Bench) -> None:
    """One worker and two on one PostgreSQL, all of them and the load on the same cores; for information."""
    if bench.databases.kind != POSTGRESQL:
        return
    shop = bench.shop()
    acknowledged = 0
    rates: dict[int, list[float]] = {}
    with ExitStack() as leaving:
        ports = {1: leaving.enter_context(served(shop, CORES)).port}
        ports[2] = leaving.enter_context(served(shop, CORES, "--workers", "2")).port
        for _ in range(bench.pace.rounds + 1):
            for n, port in ports.items():
                requests = asking.decisions(int(bench.pace.seconds * MOST_A_SECOND), shop.key)
                load = drive(port, requests, connections=64, seconds=bench.pace.seconds, counted=asking.DECIDED)
                acknowledged += load.must_be(200).counted
                rates.setdefault(n, []).append(load.rate)
    one, two = (median(rates[n][1:]) for n in ports)
    print(f"\nworkers, {len(CORES)} cores for all: 1: {one:,.0f} a second, 2: {two:,.0f}; {two / one:.2f} x")
    bench.must_agree(shop, {"decisions": acknowledged})


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "decisions": single_decisions,
    "batches": decisions_in_batches,
    "outcomes": outcomes_in_batches,
    "workers": workers,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the service over HTTP.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, about a minute; judges nothing")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--database", choices=KINDS, help="one database")
    parser.add_argument("--folder", type=Path, help="where the databases go; by default a temporary folder")
    asked = parser.parse_args()
    leave_nothing_behind()
    misses: list[str] = []
    with tempfile.TemporaryDirectory(prefix="optimizer-bench-", dir=asked.folder) as name:
        print(machine(Path(name)))
        for kind in [asked.database] if asked.database else KINDS:
            with databases(kind, Path(name), two_cores()[1]) as made:
                print(f"\n== {made.settings()}", flush=True)
                bench = Bench(QUICK if asked.quick else FULL, made, Path(name))
                for part in [asked.only] if asked.only else PARTS:
                    PARTS[part](bench)
                    sys.stdout.flush()
                misses += bench.misses
    print("\nevery target met" if not misses else "\nmissed:\n" + "\n".join(misses))
    return 0 if asked.quick else int(bool(misses))


if __name__ == "__main__":
    sys.exit(main())
