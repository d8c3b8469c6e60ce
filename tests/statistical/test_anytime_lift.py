"""The study of simulations/anytime_lift: peeking is safe where shares adapt and seasons turn; fixed seeds."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

from optimizer.domain.instants import DAY
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import Cell, Sums, reward_metric
from optimizer.engine.assessment import RewardRule
from optimizer.engine.comparing import compared

STUDY = Path(__file__).parents[2] / "simulations" / "anytime_lift" / "run.py"
CAMPAIGNS, FEWER, LEVEL = 2_000, 160, 0.05
LIFT, MATURED, VARIANT = 0, 1, 2  # places of what is compared
ONCE, ALWAYS, FOUND = 0, 1, 2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study() -> Any:
    return loaded_script(STUDY, "anytime_lift")


def missed(study: Any, name: str, n: int) -> Any:
    """Shares of campaigns, ``[COMPARED, 3]``."""
    (case,) = (one for one in study.CASES if one.name == name)
    parts = [study.missed_in((case, first, min(study.PART, n - first))) for first in range(0, n, study.PART)]
    found = np.concatenate(parts).mean(axis=0)
    for place, compared_with in enumerate(study.COMPARED):
        print(f"{name}, {compared_with}: one look {found[place, ONCE]:.1%}, every look {found[place, ALWAYS]:.1%}")
    return found


def most(n: int) -> float:
    """The largest share that a true 5 % gives by chance: two standard errors above it."""
    return LEVEL + 2.0 * sqrt(LEVEL * (1.0 - LEVEL) / n)


def test_of_2000_campaigns_without_effect_at_most_5_per_cent_ever_show_one(study: Any) -> None:
    found = missed(study, "no effect", CAMPAIGNS)
    assert found[LIFT, ONCE] > 0.15, "else nothing is shown"
    assert found[LIFT, ALWAYS] <= LEVEL
    assert found[VARIANT, ALWAYS] <= LEVEL


@pytest.mark.parametrize(
    "case", ["no effect, rewards late", "no effect, amounts (spread 1)", "no effect, amounts (spread 1.5)"]
)
def test_nor_do_late_rewards_and_amounts(study: Any, case: str) -> None:
    found = missed(study, case, FEWER)
    assert found[:, ALWAYS].max() <= most(FEWER)


@pytest.mark.parametrize("case", ["an effect", "an effect, amounts (spread 1)", "an effect, amounts (spread 1.5)"])
def test_where_there_is_an_effect_intervals_cover_it_at_all_looks(study: Any, case: str) -> None:
    found = missed(study, case, FEWER)
    assert found[[LIFT, VARIANT], ALWAYS].max() <= most(FEWER)
    if case == "an effect":
        assert found[LIFT, FOUND] > 0.4, "effects are found where there is traffic for it: 55 % in the study"


def test_late_rewards_are_covered_by_matured_trials_which_is_why_they_are_the_figure_to_go_by(study: Any) -> None:
    found = missed(study, "an effect, rewards late", FEWER)
    assert found[MATURED, ALWAYS] <= most(FEWER)


def test_recipients_who_come_back_fool_whoever_counts_trials(study: Any) -> None:
    row = study.recurring(FEWER)
    print(row)
    assert row["missed_by_every_look_if_trials_are_the_unit"] > 0.1
    assert row["missed_by_every_look"] <= most(FEWER)


def test_what_the_study_asks_is_what_reports_compare(study: Any) -> None:
    """The same campaign, once as the study's arrays and once as cells of the statistics."""
    (case,) = (one for one in study.CASES if one.name == "no effect")
    rule = RewardRule("buy", "purchase", "first", 7 * DAY, "decision")
    for last in study.campaigns(case, 1, np.random.default_rng(3)):
        seen = last
    sides: list[list[tuple[Cell, Sums]]] = [[], []]
    for day, arm in np.ndindex(seen.trials[0].shape):
        n, won = int(seen.trials[0, day, arm]), int(seen.rewards[0, day, arm])
        held = arm == seen.trials.shape[2] - 1
        group = Group.CAMPAIGN_HOLDOUT if held else Group.LEARNING
        cell = Cell("winback", "all", f"v{arm}", "", group.value, reward_metric("buy"), day * DAY)
        sides[held].append((cell, Sums(n, won, won * 10**6, won * 10**6)))
    found, (expected, _), *_ = compared(rule, *sides), *study.differences(case, seen, 0)
    assert found.value == pytest.approx(expected.value)
    assert found.anytime_interval() == pytest.approx(expected.anytime_interval())
