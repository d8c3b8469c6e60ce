"""What it costs that a batch of decisions is spread over many campaigns: microseconds a decision, by batch size.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_spread.py > benchmarks/results/spread.txt``.
Every campaign has five segments, six variants, dates, a holdout and budgets of its own, under those of the strategy.
In memory: without the database, as in ``bench_deciding.py``. In a file: with SQLite, until all is written but for the
COMMIT. Times are of the processor. Each round asks both sizes one after the other; a ratio is the median over rounds.
"""

import tempfile
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from time import thread_time

from bench_deciding import CAMPAIGN, COUNTRIES, NOW, STRATEGY, MemoryLedger

from optimizer.deployment import Deployment
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.documents.applying import apply_workspace
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.settings import Settings
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import read_workspace
from optimizer.web.garbage import collect_seldom

CAMPAIGNS = (1, 100)
BUDGET = 'budget: {total: "9000000 USD", daily: "900000 USD"}\n'  # of the strategy


class Street:
    """A deployment with so many campaigns, any of which may be asked."""

    def __init__(self, folder: Path, n: int) -> None:
        self.deployment = Deployment(folder, Settings(database_url=None, secret=None, actor="bench"))
        self.live, self.store = self.deployment.live, self.deployment.store
        self.campaigns = [f"campaign-{i}" for i in range(n)]
        files = {
            f"campaigns/{id_}.yaml": CAMPAIGN.replace("campaign: bench", f"campaign: {id_}") for id_ in self.campaigns
        }
        strategy = STRATEGY.replace("approval: {required: true}", "approval: {required: false}") + BUDGET
        with self.store.writing(alone=True) as ledger:
            apply_workspace(
                ledger, read_workspace({"strategy.yaml": strategy, **files}), actor="bench", note="bench", now=NOW
            )
        for id_ in self.campaigns:
            with self.store.writing(alone=True) as ledger:
                learn_campaign(ledger, self.live, id_, NOW)
        self._chance, self._numbers = Random(n), count()
        for _ in range(4 * n):  # until nearly every kind of contact has been met
            self.in_file(64)

    def requests(self, n: int) -> list[DecisionRequest]:
        choice, number = self._chance.choice, self._chance.randrange
        return [
            DecisionRequest(
                choice(self.campaigns),
                f"person-{number(10_000_000)}",
                f"request-{next(self._numbers)}",
                {"country": choice(COUNTRIES), "days": float(number(2_000)), "vip": number(7) == 0},
                fresh=True,
            )
            for _ in range(n)
        ]

    def in_memory(self, real: Ledger, n: int) -> float:
        """Seconds for deciding on so many."""
        ledger, requests = MemoryLedger(real), self.requests(n)
        began = thread_time()
        decide(ledger, self.live, requests, NOW)  # type: ignore[arg-type]
        return (thread_time() - began) / n

    def in_file(self, n: int) -> float:
        """The same until all is written, but for the COMMIT."""
        requests = self.requests(n)
        began = thread_time()
        transaction = self.store.begin()
        with transaction.working() as ledger:
            decide(ledger, self.live, requests, NOW)
        transaction.flush()
        taken = thread_time() - began
        transaction.commit()
        return taken / n


def measure(folder: Path) -> None:
    """Print what batches cost that are spread over one campaign, and over many."""
    streets = [Street(folder / str(n), n) for n in CAMPAIGNS]
    collect_seldom()
    print(f"{'':<16}{'campaigns':>10}{'in memory':>12}{'x':>6}{'in a file':>12}{'x':>6}")
    for n in (1, 16, 64):
        in_memory, in_file = [], []
        for _ in range(6_400 // (n + 16)):
            in_file.append([street.in_file(n) for street in streets])
            found = []
            for street in streets:
                with street.store.reading() as real:
                    found.append(street.in_memory(real, n))
            in_memory.append(found)
        for place, campaigns in enumerate(CAMPAIGNS):
            line = f"batches of {n:<5,}{campaigns:>10,}"
            for rounds in (in_memory, in_file):
                growth = median(costs[place] / costs[0] for costs in rounds)
                line += f"{median(costs[place] for costs in rounds) * 1e6:>12.1f}{growth:>6.2f}"
            print(line, flush=True)
    for street in streets:
        street.deployment.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))
