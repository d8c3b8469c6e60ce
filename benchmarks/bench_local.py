"""Deciding in process: how many decisions a second one process makes by a bundle, beside the service it is a copy of.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_local.py > benchmarks/results/local.txt``.
A server runs in a process of its own, with a ledger on disk; the client decides, keeps every decision in a spool on
disk, and uploads it meanwhile: all of that is within the times. Both holdouts are on, there are five segments and six
variants, and every recipient has three attributes. The limit is what nobody can do without: the four hashes of a
decision, and one value and one line of JSON made of them. Times of `decide_many` are those of the clock; the column
"of the processor" leaves out what others used it for, and waiting for the disk. Ends with status 1 below 100,000.
"""

import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from statistics import median, quantiles

import httpx
from msgspec.json import encode

from optimizer.client import Client, Decision, LocalClient, Recipient, Source
from optimizer.deployment import Deployment
from optimizer.services.documents.applying import apply_workspace
from optimizer.services.keys.api_keys import Scope
from optimizer.settings import Settings
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: bench
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB, DE, FR]}
  days: {type: number, minimum: 0, maximum: 5000}
  vip: {type: boolean}
approval: {required: false}
holdout: {share: 0.05}
"""
MESSAGES = ("one", "two", "three", "four", "five", "six")
CAMPAIGN = """\
campaign: bench
serves: buy
channel: email
control: {message: six}
segments:
  - {id: vips, when: {vip: true}}
  - {id: lapsed, when: {days: {at_least: 900}, country: {in: [US, GB]}}}
  - {id: american, when: {country: US}}
  - {id: german, when: {country: DE}}
everyone_else: include
policy: {floor: 0.02}
holdout: {share: 0.05}
messages:
""" + "".join(f"  - {{id: {name}, subject: {name.title()}}}\n" for name in MESSAGES)
FILES = {"strategy.yaml": STRATEGY, "campaigns/bench.yaml": CAMPAIGN}
COUNTRIES = ("US", "GB", "DE", "FR")
MANY, ROUNDS, SINGLES, BY_SERVICE = 100_000, 5, 3_000, 6_000
LEAST = 100_000


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """URL and key of a server in a process of its own."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    deployment = Deployment(folder, Settings(actor="bench"))
    with deployment.store.writing(alone=True) as ledger:
        apply_workspace(ledger, read_workspace(FILES), actor="bench", note="", now=time.time_ns() // 1_000)
    key = deployment.create_key("bench", list(Scope))
    deployment.close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "optimizer", "serve", "-w", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url, key
    finally:
        process.terminate()
        process.wait(60)


def people(n: int, prefix: str) -> list[Recipient]:
    return [
        Recipient(f"{prefix}-{i}", {"country": COUNTRIES[i % 4], "days": i * 7 % 2_000, "vip": i % 11 == 0})
        for i in range(n)
    ]


def least_work(n: int) -> float:
    """Seconds for what nobody can do without, for ``n`` decisions."""
    began = time.thread_time()
    keyed = [blake2b(digest_size=size, key=b"k" * 32, person=b"bench") for size in (16, 24, 8, 8)]
    for i in range(n):
        person = b"customer-%d" % i
        for key in keyed:
            state = key.copy()
            state.update(person)
            state.digest()
        encode(Decision("9f3c0b5a2f7d4e1896d2c7a4b1e0f355", "bench", "one", reason="exploit", source=Source.LOCAL))
    return time.thread_time() - began


def seconds_of_each(function: Callable[[int], object], n: int) -> list[float]:
    found = []
    for i in range(n):
        began = time.perf_counter()
        function(i)
        found.append(time.perf_counter() - began)
    return found


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "workspace") as (url, key),
        LocalClient(["bench"], url, key, spool=Path(folder) / "spool", most_waiting_bytes=1 << 30) as client,
    ):
        assert client.reasons() == {"bench": None}, client.reasons()
        some = people(MANY, "customer")
        client.decide_many("bench", some[:5_000])
        rates, limits, worked = [], [], []
        for n in range(ROUNDS):
            limits.append(MANY / least_work(MANY))
            began, busy = time.perf_counter(), time.thread_time()
            batch = client.decide_many("bench", some, request_id=f"blast-{n}")
            rates.append(MANY / (time.perf_counter() - began))
            worked.append(MANY / (time.thread_time() - busy))
            assert all(isinstance(one, Decision) and one.source is Source.LOCAL for one in batch.decisions)
        singles = seconds_of_each(
            lambda i: client.decide("bench", f"single-{i}", attributes={"country": "US", "days": i % 900}), SINGLES
        )
        with Client(url, key) as plain:
            began = time.perf_counter()
            plain.decide_many("bench", people(BY_SERVICE, "remote"), chunk=2_000)
            by_service = BY_SERVICE / (time.perf_counter() - began)
            asked = seconds_of_each(lambda i: plain.decide("bench", f"asked-{i}", attributes={"days": 1}), 200)
        uploading = client.delivery
    print(f"Python {platform.python_version()}; {ROUNDS} rounds of {MANY:,} decisions, all of them kept on disk\n")
    print("                                      a second   of the limit   x the service")
    best, limit = max(rates), max(limits)
    rounds = (("best round", best), ("median round", median(rates)), ("of the processor", median(worked)))
    for name, rate in ((f"decide_many, {which}", rate) for which, rate in rounds):
        print(f"{name:36}{rate:10,.0f}   {rate / limit:12.2f}   {rate / by_service:13.1f}")
    print(f"{'what nobody can do without':36}{limit:10,.0f}   {1:12.2f}   {limit / by_service:13.1f}")
    print(f"{'the service, batches of 2,000':36}{by_service:10,.0f}   {by_service / limit:12.2f}   {1:13.1f}\n")
    print("one decision                            median us      99th us   median: x faster")
    for name, times in (("decide, here", singles), ("decide, asking the service", asked)):
        us = [1e6 * seconds for seconds in times]
        print(f"{name:36}{median(us):13,.0f}{quantiles(us, n=100)[98]:13,.0f}   {median(asked) / median(times):16.1f}")
    print(f"\nuploaded meanwhile: {uploading.delivered or 'nothing yet'}; troubles: {list(uploading.troubles)}")
    print(f"at least {LEAST:,} decisions a second in one process: {'yes' if best >= LEAST else 'NO'}")
    return 0 if best >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
