"""What a decision and an outcome cost without the database: microseconds of our own work, by batch size and by part.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_deciding.py > benchmarks/results/deciding.txt``.
The ledger is one in memory that answers at once. Every guardrail is on: five segments, six variants, dates, approval,
two holdouts, a budget with costs, and in the second table a contact cap. The limit is what nobody can do without: the
five hashes of a request, each with a key of its own, and one decision and one commitment made of them. Times are of the
processor, each the least of many rounds. Ends with status 1 if a batch of 64 or 1,000 costs more than so many limits.
"""

import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from time import thread_time
from types import SimpleNamespace
from typing import Any

from optimizer.deployment import Deployment
from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Brief, Decision
from optimizer.domain.instants import SECOND
from optimizer.domain.meters import UNUSED
from optimizer.domain.statistics import Tally
from optimizer.engine.histories import Changes
from optimizer.services.decisions import deciding
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.documents.applying import apply_workspace, approve
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.outcomes import recording
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.settings import Settings
from optimizer.storage.store import Ledger
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
approval: {required: true}
holdout: {share: 0.05}
channels: {email: {cost: "0.001 USD", sends_per_day: 900000000}}
"""
CAP = "contact_policy: [{at_most: 100, per: P30D}]\n"
MESSAGES = ("one", "two", "three", "four", "five", "six")
CAMPAIGN = """\
campaign: bench
serves: buy
channel: email
starts: 2020-02-01
ends: 2098-01-01
control: {message: six}
segments:
  - {id: vips, when: {vip: true}}
  - {id: lapsed, when: {days: {at_least: 900}, country: {in: [US, GB]}}}
  - {id: american, when: {country: US}}
  - {id: german, when: {country: DE}}
everyone_else: include
policy: {floor: 0.02}
holdout: {share: 0.05}
budget: {total: "900000 USD", monthly: "500000 USD", daily: "90000 USD"}
messages:
""" + "".join(f"  - {{id: {name}, subject: {name.title()}}}\n" for name in MESSAGES)
COUNTRIES = ("US", "GB", "DE", "FR")
NOW = 1_790_000_000 * SECOND
ROUNDS = {1: 400, 16: 200, 64: 100, 1_000: 12}
MOST = {64: 4.0, 1_000: 3.0}  # times the limit
PARTS: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "hash": (deciding, ("hashed", "places_of")),
    "check": (deciding, ("_problems_of",)),
    "meet": (deciding, ("met_by",)),
    "know": (deciding, ("_later_known",)),
    "choose": (deciding, ("choose_in_turn",)),
    "decide": (deciding, ("decisions_of",)),
    "count": (Tally, ("add",)),
    "commit": (deciding, ("commit_to",)),
    "judge": (recording, ("_judged",)),
    "assess": (Changes, ("add",)),
    "settle": (recording, ("settle",)),
}


class MemoryLedger(SimpleNamespace):
    """A ledger that keeps what is written in dictionaries; its documents are those of a real one."""

    def __init__(self, real: Ledger) -> None:
        revisions = dict(real.revisions.all())
        made: dict[str, Decision] = {}
        committed: dict[str, Commitment] = {}

        def insert(decisions: list[Decision]) -> set[str]:
            made.update((decision.decision_id, decision) for decision in decisions)
            return {decision.decision_id for decision in decisions}

        super().__init__(
            alone=True,
            versions=real.versions,
            statistics=SimpleNamespace(pending=Tally()),
            revisions=SimpleNamespace(all=lambda: revisions, bumped=False),
            decisions=SimpleNamespace(
                later_by_id=lambda ids: lambda: {id_: made[id_] for id_ in ids if id_ in made},
                briefs=lambda ids: {id_: _brief(made[id_]) for id_ in ids if id_ in made},
                insert=insert,
            ),
            recipients=SimpleNamespace(later_of=lambda _: dict),
            suppressions=SimpleNamespace(later_of=lambda _: dict),
            meters=SimpleNamespace(
                later_of=lambda keys: lambda: dict.fromkeys(keys, UNUSED),
                claim=lambda *_: None,
                give_back=lambda *_: None,
            ),
            commitments=SimpleNamespace(
                later_matured=lambda *_: list,
                change=lambda _: None,
                later_last_ordinals=lambda _: dict,
                later_contacts=lambda *_: dict,
                insert=lambda some: committed.update((one.decision_id, one) for one in some),
                of=lambda some: {one.decision_id: committed[one.decision_id] for one in some},
            ),
            outcomes=SimpleNamespace(
                known=lambda *_, **__: set(), of=lambda _: {}, insert=lambda some: {one.event_id for one in some}
            ),
            quarantine=SimpleNamespace(release=lambda _: None),
        )


def _brief(decision: Decision) -> Brief:
    return Brief(*(getattr(decision, name) for name in Brief._fields))


class Clockwork:
    """Times the parts of what is going on, each without the parts inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            began = thread_time()
            self._inside.append(0.0)
            result = function(*arguments, **named)
            taken = thread_time() - began
            self.seconds[part] += taken - self._inside.pop()
            self._inside[-1] += taken
            return result

        return run

    @contextmanager
    def running(self) -> Iterator[None]:
        found = [(place, name, getattr(place, name), part) for part, (place, names) in PARTS.items() for name in names]
        for place, name, function, part in found:
            setattr(place, name, self.timed(part, function))
        try:
            yield
        finally:
            for place, name, function, _ in found:
                setattr(place, name, function)


class Shop:
    """A deployment with the campaign in force, approved and learned."""

    def __init__(self, folder: Path, more: str) -> None:
        self.deployment = Deployment(folder, Settings(database_url=None, secret=None, actor="bench"))
        self.live, store = self.deployment.live, self.deployment.store
        files = {"strategy.yaml": STRATEGY + more, "campaigns/bench.yaml": CAMPAIGN}
        with store.writing(alone=True) as ledger:
            apply_workspace(ledger, read_workspace(files), actor="bench", note="bench", now=NOW)
            for message in MESSAGES:
                approve(ledger, self.live, "bench", message, actor="bench", note="bench", now=NOW)
        with store.writing(alone=True) as ledger:
            learn_campaign(ledger, self.live, "bench", NOW)
        self.asked = 0

    def requests(self, n: int) -> list[DecisionRequest]:
        self.asked += n
        return [
            DecisionRequest(
                "bench",
                f"person-{self.asked - i}",
                f"{i:032x}",
                {"country": COUNTRIES[i % 4], "days": float(i * 37 % 2_000), "vip": i % 7 == 0},
                fresh=True,
            )
            for i in range(n)
        ]

    def round(self, ledger: Ledger, n: int) -> tuple[float, float]:
        """Seconds for deciding on, and for hearing of, so many."""
        requests = self.requests(n)
        began = thread_time()
        answers: list[Any] = decide(ledger, self.live, requests, NOW)
        decided = thread_time() - began
        kinds = ("delivered", "opened", "clicked", "purchase")
        ids = [answer.decision.decision_id for answer in answers]
        reports = [OutcomeReport(f"e{i}", kinds[i % 4], NOW + SECOND, decision_id=id_) for i, id_ in enumerate(ids)]
        began = thread_time()
        recorded = record_outcomes(ledger, self.live, reports, NOW + 2 * SECOND)
        heard = thread_time() - began
        assert {one.status for one in recorded} == {"accepted"}
        return decided, heard


def limit(n: int) -> float:
    """Seconds for the hashes and the rows of so many decisions, and for nothing else."""
    persons = b"optimizer.person", b"optimizer.decide", b"optimizer.unit"
    began = thread_time()
    made = []
    for i in range(n):
        part = i.to_bytes(40, "big")
        ids = [blake2b(part, digest_size=16, key=bytes(32), person=persons[k % 3]).hexdigest() for k in range(5)]
        row: tuple[Any, ...] = (
            ids[0],
            "bench",
            ids[1],
            ids[2],
            1,
            "vips",
            None,
            "one",
            ids[3],
            0.5,
            None,
            ids[4],
            NOW,
            {},
            False,
            {},
            (),
        )
        made.append((Decision(*row), Commitment(ids[0], "bench", ids[1], "email", NOW, 1, 1_000, 1_000, False, NOW)))
    return thread_time() - began


def main() -> int:
    print(f"Python {platform.python_version()}; microseconds a decision, an outcome; the least of many rounds\n")
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, more in (("no contact cap", ""), ("contact cap", CAP)):
            shop = Shop(Path(folder) / name.replace(" ", "-"), more)
            with shop.deployment.store.reading() as real:
                missed |= measured(name, shop, real)
            shop.deployment.close()
    return int(missed)


def measured(name: str, shop: Shop, real: Ledger) -> bool:
    """Print one table; whether a batch costs too much."""
    missed = False
    shop.round(MemoryLedger(real), 64)  # type: ignore[arg-type]
    header = "".join(f"{part:>10}" for part in PARTS)
    print(f"{name:<16}{'decision':>10}{'limit':>8}{'x limit':>9}{'outcome':>10}   of which{header}")
    for n, rounds in ROUNDS.items():
        found = [(limit(n), *shop.round(MemoryLedger(real), n)) for _ in range(rounds)]  # type: ignore[arg-type]
        least, decided, heard = (min(column) / n * 1e6 for column in zip(*found, strict=True))
        clocks = []
        for _ in range(rounds):
            clocks.append(Clockwork())
            with clocks[-1].running():
                shop.round(MemoryLedger(real), n)  # type: ignore[arg-type]
        parts = "".join(f"{min(clock.seconds[part] for clock in clocks) / n * 1e6:>10.2f}" for part in PARTS)
        missed |= decided / least > MOST.get(n, float("inf"))
        print(f"batches of {n:<5,}{decided:>10.1f}{least:>8.1f}{decided / least:>9.2f}{heard:>10.1f}           {parts}")
    print()
    return missed


if __name__ == "__main__":
    sys.exit(main())
