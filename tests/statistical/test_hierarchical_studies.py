"""The studies of the hierarchical model in short: fixed seeds, so a failure here is a bug, not bad luck."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.scripts import loaded_script

SIMULATIONS = Path(__file__).parents[2] / "simulations"
K = 3.0  # standard errors allowed


def study(name: str, file: str = "run.py") -> ModuleType:
    module_name = f"{name}_{file.removesuffix('.py')}"
    return loaded_script(SIMULATIONS / name / file, module_name)


def ratio(of: NDArray[np.float64], to: NDArray[np.float64]) -> tuple[float, float]:
    """Of two paired means, with its standard error."""
    found = of.mean() / to.mean()
    return float(found), float((of - found * to).std(ddof=1) / len(of) ** 0.5 / to.mean())


@pytest.mark.slow
def test_traffic_on_other_days_fools_independent_arms_and_not_the_hierarchical_model() -> None:
    weekend = study("weekend_season", "unequal_shares.py")
    world = next(one for one in weekend.WORLDS if one.shares is not None)
    seeds = range(500, 540)
    right = {
        name: np.mean([weekend.one_run(world, name, seed)[0] for seed in seeds])
        for name in ("independent, half-life 7 days", "hierarchical, never forgets")
    }
    assert right["hierarchical, never forgets"] >= 0.95
    assert right["independent, half-life 7 days"] <= right["hierarchical, never forgets"] - 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("world", "most"), [("segments nearly alike", 0.7), ("segments truly differ", 1.05)])
def test_small_segments_gain_where_they_are_alike_and_lose_little_where_they_differ(world: str, most: float) -> None:
    segments = study("small_segments")
    of_world = next(one for one in segments.WORLDS if one.name == world)
    regrets = {
        name: np.array([sum(segments.one_run(of_world, model, seed)) for seed in range(500, 508)])
        for name, model in segments.MODELS.items()
    }
    found, error = ratio(regrets["hierarchical"], regrets["independent"])
    assert found < most + K * error
    assert error < 0.15


@pytest.mark.slow
def test_variants_that_share_messages_and_targetings_need_half_the_traffic() -> None:
    """By the twentieth of sixty days, what independent arms miss is at least twice what the hierarchical model does."""
    pairs = study("message_by_targeting")
    of_world = next(one for one in pairs.WORLDS if one.name == "mostly additive")
    curves = {
        name: np.array([pairs.one_run(of_world, model, seed) for seed in range(500, 508)])
        for name, model in pairs.MODELS.items()
    }
    reached = {name: pairs.traffic_until(found.mean(axis=0)) for name, found in curves.items()}
    assert reached["hierarchical"] <= 0.6 * reached["independent"]
    missed = {name: (1.0 - found[:, :20]).mean(axis=1) for name, found in curves.items()}
    found, error = ratio(missed["hierarchical"], missed["independent"])
    assert found + K * error < 0.9
