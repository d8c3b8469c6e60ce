"""The study of simulations/priced_budget in short: fixed seeds, so a failure here is a bug, not bad luck."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.scripts import loaded_script

STUDY = Path(__file__).parents[2] / "simulations" / "priced_budget" / "run.py"
SEEDS = range(100, 103)


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return loaded_script(STUDY, "priced_budget")


@pytest.mark.slow
def test_a_price_earns_more_than_throttling_and_keeps_to_the_course(study: ModuleType) -> None:
    """At least 15 % more, by three standard errors; within 5 % of even spend after the first 3 % of the period."""
    world = study.WORLDS[0]
    priced = [study.one_run(world, study.Priced, seed) for seed in SEEDS]
    throttled = [study.one_run(world, study.Throttled, seed) for seed in SEEDS]
    gain = np.array([p.reward / t.reward - 1 for p, t in zip(priced, throttled, strict=True)])
    assert gain.mean() - 3 * gain.std(ddof=1) / len(gain) ** 0.5 >= 0.15
    assert np.mean([run.reward for run in priced]) >= 0.8 * world.best_possible()
    for run in (*priced, *throttled):
        assert run.deviation <= 0.05
        assert run.spent[-1] <= run.limit + 1e-9
        assert run.spent[-1] >= 0.98 * run.limit


@pytest.mark.slow
def test_bursts_of_ten_times_the_traffic_do_not_throw_spend_off_its_course(study: ModuleType) -> None:
    """Refreshed every thirty minutes, bursts an hour long: no more than 5 % off, and never over the limit."""
    world = replace(study.WORLDS[2], refresh=study.HOUR // 2)
    for seed in SEEDS[:1]:
        run = study.one_run(world, study.Priced, seed)
        assert run.deviation <= 0.05
        assert all(before <= after for before, after in pairwise(run.spent))
        assert run.spent[-1] <= run.limit + 1e-9
