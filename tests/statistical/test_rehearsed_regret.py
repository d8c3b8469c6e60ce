"""Does the closed loop, with all its guardrails in place and nothing to guard, learn as well as Thompson sampling?"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.simulation.small_worlds import SmallWorld, people

from optimizer.domain.instants import HOUR, Instant
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.strategy.workspace import read_workspace

RATES = np.arange(0.02, 0.111, 0.01)
EXACT, EXACT_ERROR = 113.3, 0.7  # regret of exact one-at-a-time Thompson sampling at T = 10,000, 2,000 seeds
REPLICATIONS = 80
STRATEGY = {
    "strategy": "acme",
    "currency": "USD",
    "time_zone": "UTC",
    "objectives": [{"id": "visits", "reward": {"outcome": "visit", "value": "first"}, "attribution_window": "P2D"}],
    "attributes": {"newbie": {"type": "boolean"}},
    "approval": {"required": False},
}
CAMPAIGN = {
    "campaign": "ten",
    "serves": "visits",
    "channel": "email",
    "messages": [{"id": f"m{n}", "subject": f"Number {n}"} for n in range(10)],
    "control": "nothing",
    "policy": {"floor": 0.0, "refresh": "PT1H"},
}


@dataclass(frozen=True)
class AHundredAnHour(SmallWorld):
    """As many every hour."""

    def arrivals(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002
        return rng.integers(0, len(self.people), 100)


@pytest.mark.slow
def test_a_rehearsal_regrets_what_thompson_sampling_regrets() -> None:
    """Within 4 % of the exact sampler, allowing 3 standard errors of both means; learning waits for a hundred each."""
    workspace = read_workspace({"strategy.yaml": json.dumps(STRATEGY), "campaigns/ten.yaml": json.dumps(CAMPAIGN)})
    world = AHundredAnHour({"visit": np.append(RATES, 0.0)[None, :]}, people(1000), per_hour=100)
    runs = [
        rehearse(workspace.strategy, workspace.campaigns["ten"], world, Plan(0, 100 * HOUR), replication=n)
        for n in range(REPLICATIONS)
    ]
    assert {run.decisions for run in runs} == {10_000}
    regrets = np.array([run.regret for run in runs])
    error = np.hypot(regrets.std(ddof=1) / REPLICATIONS**0.5, EXACT_ERROR)
    assert abs(regrets.mean() - EXACT) <= 0.04 * EXACT + 3 * error
    assert error < 0.05 * EXACT
