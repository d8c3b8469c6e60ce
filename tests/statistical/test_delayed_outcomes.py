"""The study of simulations/delayed_outcomes in short: fixed seeds, so a failure here is a bug, not bad luck."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

STUDY = Path(__file__).parents[2] / "simulations" / "delayed_outcomes" / "run.py"
REPLICATIONS = range(100, 108)
FEWER = range(100, 106)  # of the longer rehearsals
AFTER_A_WEEK = 1  # place among the days that are looked at


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return loaded_script(STUDY, "delayed_outcomes")


def _found(study: ModuleType, file: str, policy: str, outcomes: str, replications: range = REPLICATIONS) -> list[Any]:
    case = next(one for one in study.cases(file) if (one.policy, one.guardrails) == (policy, outcomes))
    return [study.one_run((case, replication)) for replication in replications]


def _lowest(differences: list[float]) -> float:
    """Three standard errors below the mean."""
    return float(np.mean(differences) - 3 * np.std(differences, ddof=1) / len(differences) ** 0.5)


@pytest.mark.slow
def test_outcomes_three_days_late_cost_regret_and_the_arm_that_grows_looks_worse_than_others(study: ModuleType) -> None:
    at_once = _found(study, "scenario.yaml", "as-written", "as_written")
    late = _found(study, "scenario.yaml", "as-written", "three-days-late")
    assert _lowest([one.regret - other.regret for one, other in zip(late, at_once, strict=True)]) > 0.0
    heard = [float(one.heard_others[AFTER_A_WEEK] - one.heard_best[AFTER_A_WEEK]) for one in late]
    assert _lowest(heard) > 0.0
    assert all((one.heard_best == 1.0).all() for one in at_once)


@pytest.mark.slow
def test_counting_from_the_opening_takes_regret_away_where_the_opening_is_what_is_late(study: ModuleType) -> None:
    from_decision = _found(study, "opened.yaml", "as-written", "from-decision")
    from_opening = _found(study, "opened.yaml", "as-written", "from-opening")
    assert _lowest([one.regret - other.regret for one, other in zip(from_decision, from_opening, strict=True)]) > 0.0


@pytest.mark.slow
def test_an_estimated_delay_takes_thirty_percent_of_the_regret_away(study: ModuleType) -> None:
    ignored = _found(study, "corrected.yaml", "ignored", "three-days-late", FEWER)
    estimated = _found(study, "corrected.yaml", "estimated", "three-days-late", FEWER)
    assert _lowest([0.7 * one.regret - other.regret for one, other in zip(ignored, estimated, strict=True)]) > 0.0


@pytest.mark.slow
def test_an_estimated_delay_changes_nothing_where_outcomes_come_at_once(study: ModuleType) -> None:
    ignored, estimated = (
        _found(study, "corrected.yaml", policy, "as_written", FEWER[:1])[0] for policy in ("ignored", "estimated")
    )
    assert estimated.regret == ignored.regret
    np.testing.assert_array_equal(estimated.best_share, ignored.best_share)
