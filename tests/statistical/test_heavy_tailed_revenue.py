"""The study of heavy-tailed revenue with other seeds: one giant order, and what learning amounts earns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

RUN = Path(__file__).parents[2] / "simulations" / "heavy_tailed_revenue" / "run.py"


@pytest.fixture(scope="module")
def study() -> Any:
    return loaded_script(RUN, "heavy_tailed_revenue")


@pytest.mark.slow
@pytest.mark.parametrize("orders", [30, 50])
def test_a_giant_order_moves_the_best_arm_by_less_than_a_tenth(study: Any, orders: int) -> None:
    found = [study.giant(5, orders, 720, 1_000 + seed) for seed in range(10)]
    assert max(max(one["hurdle"]) for one in found) < 0.1
    assert np.median([max(one["gaussian"]) for one in found]) > 0.2  # what it would do to a mean


@pytest.mark.slow
def test_where_all_orders_came_in_one_hour_it_does_so_rarely(study: Any) -> None:
    moved = np.array([max(study.giant(5, 50, 1, 2_000 + seed)["hurdle"]) for seed in range(20)])
    assert np.median(moved) < 0.06
    assert (moved > 0.1).mean() <= 0.2  # 4 % in the study; two giants of one hour are not told apart


@pytest.mark.slow
def test_where_amounts_decide_hurdle_loses_less_than_conversion(study: Any) -> None:
    world = next(world for world in study.WORLDS if world.name.startswith("amounts decide"))
    lost = {
        model: np.array([study.regret(world, model, 3_000 + seed, days=20)["regret"] for seed in range(6)])
        for model in ("hurdle", "conversion")
    }
    difference = lost["conversion"] - lost["hurdle"]
    assert difference.mean() > 2 * difference.std(ddof=1) / len(difference) ** 0.5
