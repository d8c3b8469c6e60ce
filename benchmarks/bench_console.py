"""The console with 20 campaigns and a million decisions: how long pages take, and what they cost those who decide.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_console.py > benchmarks/results/console.txt``; ``--quick`` takes a
tenth of the past, and ``--keep DIR`` keeps the shop for another run. The past is decided, reported and learned by the
use cases that serve live; `optimizer serve` runs as a user would run it. A page is *new* when nobody has looked at it
for longer than readings are kept, and *kept* when somebody just has; a page says so where something is still being
worked out behind it, and takes no longer for that. Decisions are asked for on 8 connections, in turns with nobody and
with somebody at the console who opens a page every second: ratios are medians of turns. Ends with status 1 where a
page takes 300 ms or more, or where somebody at the console makes the 99th percentile of decisions half as long again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread

import httpx
import numpy as np
from load import drive
from pydantic import SecretStr
from serving_parts import asking
from serving_parts.machine import leave_nothing_behind, machine, on_cores, two_cores
from serving_parts.shops import CAMPAIGN, SECRET, STRATEGY, WINBACK, Shop, opened, served

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY, HOUR, MINUTE, Instant
from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.settings import Settings

CAMPAIGNS, DECISIONS, DAYS, STEP, LEARNED_EVERY = 20, 1_000_000, 60, 4 * HOUR, 42
PEOPLE, COUNTRIES = 200_000, ("US", "GB", "DE", "FR")
MOST_SECONDS, MOST_P99 = 0.3, 1.5
KEPT_SECONDS = 5.5  # a reading is no older than that
ROUNDS, TURNS, TURN_SECONDS = 3, 5, 6.0
PAGES = (
    "",
    f"/campaigns/{CAMPAIGN}",
    f"/campaigns/{CAMPAIGN}/decisions",
    f"/campaigns/{CAMPAIGN}/measurement",
    f"/campaigns/{CAMPAIGN}/forecast",
    f"/campaigns/{CAMPAIGN}/segments",
    "/strategy",
    "/strategy/measurement",
    "/proposals",
    "/reviews",
    "/reviews/weekly",
    "/audit",
    "/quarantine",
)


def names() -> list[str]:
    return [CAMPAIGN, *(f"{CAMPAIGN}-{number}" for number in range(2, CAMPAIGNS + 1))]


def documents() -> dict[str, str]:
    """20 campaigns like `serving_parts.shops`'s one, with budgets that nobody reaches, served without approval."""
    strategy = STRATEGY.replace("required: true", "required: false")
    campaigns = {name: WINBACK.replace(f"campaign: {CAMPAIGN}", f"campaign: {name}") for name in names()}
    return {"strategy.yaml": strategy} | {f"campaigns/{name}.yaml": text for name, text in campaigns.items()}


def live_through(shop: Shop, decisions: int) -> None:
    """Decide, report and learn through `DAYS` days, ending now."""
    settings = Settings(database_url=SecretStr(shop.url), secret=SecretStr(SECRET), actor="bench")
    deployment = Deployment(shop.folder, settings)
    rng = np.random.Generator(np.random.PCG64(1))
    ends, n_steps = now(), DAYS * DAY // STEP
    each = decisions // n_steps // CAMPAIGNS
    waiting: list[tuple[Instant, OutcomeReport]] = []
    for step in range(n_steps):
        at = ends - DAYS * DAY + step * STEP
        for name in names():
            waiting += _asked(deployment, name, each, rng, at)
        due = [report for when, report in waiting if when <= at]
        waiting = [(when, report) for when, report in waiting if when > at]
        with deployment.store.writing(alone=True) as ledger:
            record_outcomes(ledger, deployment.live, due, at)
        if step % LEARNED_EVERY == LEARNED_EVERY - 1:
            for name in names():
                with deployment.store.writing(alone=True) as ledger:
                    learn_campaign(ledger, deployment.live, name, at)
            print(f"\r{step + 1} of {n_steps} parts of days", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    deployment.close()


def _asked(
    deployment: Deployment, name: str, n: int, rng: np.random.Generator, at: Instant
) -> Iterator[tuple[Instant, OutcomeReport]]:
    people = rng.integers(0, PEOPLE, n).tolist()
    requests = [
        DecisionRequest(
            name,
            f"person-{one}",
            f"{at}-{place}",
            {"country": COUNTRIES[one % 4], "days": float(one % 4_000), "vip": one % 17 == 0},
        )
        for place, one in enumerate(people)
    ]
    with deployment.store.writing(alone=True) as ledger:
        answers = decide(ledger, deployment.live, requests, at)
    for answer, chance in zip(answers, rng.random((n, 3)), strict=True):
        if isinstance(answer, OptimizerError):
            raise answer
        id_ = answer.decision.decision_id
        for kind, share, place in (("opened", 0.2, 0), ("purchase", 0.05, 1), ("unsubscribed", 0.001, 2)):
            if chance[place] < share:
                when = at + int(chance[place] / share * 2 * DAY) + MINUTE
                yield when, OutcomeReport(f"{kind}-{id_}", kind, when, id_)


@contextmanager
def at_the_console(url: str, key: str) -> Iterator[httpx.Client]:
    """A browser that is signed in."""
    with httpx.Client(base_url=f"{url}/console", timeout=60, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        answer = client.post("/sign-in", data={"key": key})
        if answer.status_code != 303:
            sys.exit(f"sign-in: found {answer.status_code}; allowed 303")
        yield client


def seconds_of(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    taken = time.perf_counter() - began
    if answer.status_code != 200:
        sys.exit(f"{path or '/'}: found {answer.status_code}; allowed 200")
    return taken


def pages(client: httpx.Client) -> bool:
    """Shows how long each page takes; whether all take less than they may."""
    for path in PAGES:
        seconds_of(client, path)  # what is compiled and worked out on first use
    new: dict[str, list[float]] = {path: [] for path in PAGES}
    kept: dict[str, list[float]] = {path: [] for path in PAGES}
    for _ in range(ROUNDS):
        time.sleep(KEPT_SECONDS)
        for path in PAGES:
            new[path].append(seconds_of(client, path))
            kept[path] += [seconds_of(client, path) for _ in range(5)]
    print(f"\n{'page':<40}{'new, ms':>12}{'slowest':>12}{'kept, ms':>12}")
    fine = True
    for path in PAGES:
        slowest = max(new[path])
        fine = fine and median(new[path]) < MOST_SECONDS
        figures = (median(new[path]), slowest, median(kept[path]))
        print(f"{'/console' + path:<40}" + "".join(f"{1e3 * one:12.0f}" for one in figures))
    print(f"every page in less than {1e3 * MOST_SECONDS:.0f} ms: {'yes' if fine else 'NO'}")
    return fine


def beside_decisions(client: httpx.Client, port: int, key: str, load_core: int) -> bool:
    """Shows what somebody at the console costs those who decide; whether it is little enough."""
    looking, ended = Event(), Event()

    def look() -> None:
        while not ended.is_set():
            for path in PAGES:
                looking.wait()
                if ended.is_set():
                    return
                seconds_of(client, path)
                time.sleep(1.0)

    def turn(*, looked_at: bool) -> tuple[float, float, float]:
        (looking.set if looked_at else looking.clear)()
        if not looked_at:
            time.sleep(1.5)
        requests = asking.decisions(int(TURN_SECONDS * 15_000), key, asking.DECIDE)
        with on_cores(load_core):
            load = drive(port, requests, connections=8, seconds=TURN_SECONDS, counted=asking.DECIDED).must_be(200)
        cut = quantiles(load.latencies, n=100)
        return load.rate, cut[49], cut[98]

    thread = Thread(target=look, daemon=True)
    thread.start()
    turn(looked_at=False)
    found = [(turn(looked_at=False), turn(looked_at=True)) for _ in range(TURNS)]
    ended.set()
    looking.set()
    thread.join()
    print(f"\n{'decisions, 8 connections':<40}{'a second':>12}{'p50, ms':>12}{'p99, ms':>12}")
    for place, who in enumerate(("nobody at the console", "a page every second")):
        rate, p50, p99 = (median(both[place][figure] for both in found) for figure in range(3))
        print(f"{who:<40}{rate:12,.0f}{1e3 * p50:12.2f}{1e3 * p99:12.2f}")
    ratios = [median(with_[figure] / without[figure] for without, with_ in found) for figure in range(3)]
    print(f"{'ratio, median of turns':<40}" + "".join(f"{one:12.2f}" for one in ratios))
    fine = ratios[2] <= MOST_P99
    print(f"99th percentile at most {MOST_P99} times as long: {'yes' if fine else 'NO'}")
    return fine


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the decisions")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a folder for the shop; used again if it is there")
    options = parser.parse_args(arguments)
    leave_nothing_behind()
    server_core, load_core = two_cores()
    decisions = DECISIONS // 10 if options.quick else DECISIONS
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "shop"
        url, key_file = f"sqlite:///{folder.resolve() / 'ledger.db'}", folder / "key"
        if key_file.exists():
            shop = Shop(folder, url, key_file.read_text())
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shop = opened(folder, url, documents())
            began = time.perf_counter()
            live_through(shop, decisions)
            print(f"lived through in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            key_file.write_text(shop.key)
        tables = ("decisions", "outcomes", "statistics")
        print(machine(folder) + "; " + ", ".join(f"{shop.count(table):,} {table}" for table in tables))
        with (
            served(shop, [server_core, load_core]) as (port, _),
            at_the_console(f"http://127.0.0.1:{port}", shop.key) as client,
        ):
            fine = [pages(client), beside_decisions(client, port, shop.key, load_core)]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
