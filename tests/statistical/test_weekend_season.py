"""The study of simulations/weekend_season in short: fixed seeds, so a failure here is a bug, not bad luck."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

STUDY = Path(__file__).parents[2] / "simulations" / "weekend_season" / "run.py"
REPLICATIONS = range(100, 116)
WORLDS = ("no-season", "same-season", "worse-at-weekends", "better-at-weekends")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return loaded_script(STUDY, "weekend_season")


def _found(study: ModuleType, policy: str, world: str) -> list[Any]:
    case = next(one for one in study.cases() if (one.policy, one.guardrails) == (policy, world))
    return [study.one_run((case, replication)) for replication in REPLICATIONS]


def _lowest(differences: list[float]) -> float:
    """Three standard errors below the mean."""
    return float(np.mean(differences) - 3 * np.std(differences, ddof=1) / len(differences) ** 0.5)


def test_the_first_variant_is_truly_best_over_a_week_in_every_world(study: ModuleType) -> None:
    cases = {one.guardrails: one for one in study.cases()}
    assert tuple(cases) == WORLDS
    for case in cases.values():
        rates = study.rates(case).mean(axis=0)
        assert rates.argmax() == study.BEST
        assert np.sort(rates)[-2] < 0.9 * rates.max()
    friday, saturday = study.rates(cases["worse-at-weekends"])[4:6]
    assert (friday.argmax() == study.BEST, saturday.argmax() == study.BEST) == (True, False)
    friday, saturday = study.rates(cases["better-at-weekends"])[4:6]
    assert (friday.argmax() == study.BEST, saturday.argmax() == study.BEST) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_a_policy_that_never_forgets_has_less_regret_than_an_equal_split_in_every_season(
    study: ModuleType, world: str
) -> None:
    learned, split = _found(study, "never-forgets", world), _found(study, "equal-split", world)
    assert _lowest([other.regret - one.regret for one, other in zip(learned, split, strict=True)]) > 0.0
    assert sum(one.sure >= study.SURE and not one.right for one in learned) <= 2


@pytest.mark.slow
def test_a_half_life_of_two_days_takes_the_variant_of_the_last_days_for_the_best(study: ModuleType) -> None:
    never = _found(study, "never-forgets", "worse-at-weekends")
    forgets = _found(study, "half-life-2-days", "worse-at-weekends")
    assert _lowest([float(one.right) - float(other.right) for one, other in zip(never, forgets, strict=True)]) > 0.0
    assert _lowest([float(one.right_on_friday) - float(one.right) for one in forgets]) > 0.0
    other_way_round = _found(study, "half-life-2-days", "better-at-weekends")
    assert _lowest([float(one.right) - float(one.right_on_friday) for one in other_way_round]) > 0.0
