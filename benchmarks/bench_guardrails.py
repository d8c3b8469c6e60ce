"""What each guardrail costs: durable decisions a second, against the same campaign without any, in the same run.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_guardrails.py > benchmarks/results/guardrails.txt``.
SQLite with full durability, batches of 64 and of 1,000 different recipients in one transaction each, no HTTP. Every
round asks all the configurations one after the other, so that what else the machine does falls on all of them alike.
A paced budget withholds some and then writes less, so it can look faster than none; "all of them" is paced by nothing.
"""

import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

from optimizer.deployment import Deployment, now
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.documents.applying import apply_workspace
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.settings import Settings
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: bench
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  name: {type: text}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: bench
serves: buy
channel: email
messages:
  - {id: one, subject: "One for {{name|you}}"}
  - {id: two, subject: Two}
  - {id: three, subject: Three}
"""
BUDGET = 'budget: {total: "900000 USD", daily: "90000 USD"}\n'
PACED = 'starts: 2020-01-01\nends: 2099-01-01\nbudget: {total: "900000 USD", pacing: even}\n'
CHANNEL = 'channels: {email: {cost: "0.001 USD"}}\n'
HOURS = 'channels: {email: {quiet_hours: "03:00-03:01", unknown_time_zone: use_strategy_zone}}\n'
CONTACTS = "contact_policy: [{at_most: 100, per: P30D}]\n"
BRAND = "brand: {banned_phrases: [guaranteed, risk-free], limits: {capitals: 0.5}}\n"
CONSENT = "channels: {email: {}}\ndata: {consent_required: [email]}\n"
ALL = (
    'channels: {email: {cost: "0.001 USD", sends_per_day: 90000000, quiet_hours: "03:00-03:01", '
    "unknown_time_zone: use_strategy_zone}}\ndata: {consent_required: [email]}\n"
)
KINDS: Mapping[str, tuple[str, str]] = {
    "none": ("", ""),
    "consent": (CONSENT, ""),
    "quiet hours": (HOURS, ""),
    "brand, personal data": (BRAND, ""),
    "contact policy": (CONTACTS, ""),
    "budget, total and daily": (CHANNEL, BUDGET),
    "budget, paced": (CHANNEL, PACED),
    "all of them": (ALL + BRAND + CONTACTS, BUDGET + "rollout: [{share: 0.5}, {share: 1}]\ncontrol: {message: two}\n"),
}
ROUNDS = {64: 30, 1_000: 8}


class Shop:
    """A deployment with one configuration in force."""

    def __init__(self, folder: Path, more: tuple[str, str]) -> None:
        self.deployment = Deployment(folder, Settings(database_url=None, secret=None, actor="bench"))
        files = {"strategy.yaml": STRATEGY + more[0], "campaigns/bench.yaml": CAMPAIGN + more[1]}
        with self.deployment.store.writing(alone=True) as ledger:
            apply_workspace(ledger, read_workspace(files), actor="bench", note="bench", now=now())
        self.asked = 0

    def seconds(self, n: int) -> float:
        """Seconds for one durable batch."""
        requests = [
            DecisionRequest("bench", f"p{self.asked + i}", "r", {"name": "Ann"}, consent={"email": True})
            for i in range(n)
        ]
        self.asked += n
        start = perf_counter()
        with self.deployment.store.writing(alone=True) as ledger:
            answers = decide(ledger, self.deployment.live, requests, now())
        taken = perf_counter() - start
        assert not any(isinstance(answer, Exception) for answer in answers)
        return taken

    def learn(self) -> None:
        """One refresh, so that a paced budget has a price."""
        with self.deployment.store.writing(alone=True) as ledger:
            learn_campaign(ledger, self.deployment.live, "bench", now())


def main() -> None:
    print(f"Python {platform.python_version()}; SQLite, synchronous FULL; medians of rounds\n")
    print(f"{'guardrail':<26}{'64: a second':>14}{'x none':>8}{'1,000: a second':>18}{'x none':>8}")
    with tempfile.TemporaryDirectory() as folder:
        shops = {name: Shop(Path(folder) / str(i), more) for i, (name, more) in enumerate(KINDS.items())}
        rates: dict[str, list[float]] = {name: [] for name in shops}
        for size, rounds in ROUNDS.items():
            taken: dict[str, list[float]] = {name: [] for name in shops}
            for shop in shops.values():
                shop.seconds(size)
                shop.learn()
            for _ in range(rounds):
                for name, shop in shops.items():
                    taken[name].append(shop.seconds(size))
            for name in shops:
                rates[name].append(size / median(taken[name]))
        for name, (small, large) in rates.items():
            ratios = small / rates["none"][0], large / rates["none"][1]
            print(f"{name:<26}{small:>14,.0f}{ratios[0]:>8.2f}{large:>18,.0f}{ratios[1]:>8.2f}")
        for shop in shops.values():
            shop.deployment.close()


if __name__ == "__main__":
    main()
