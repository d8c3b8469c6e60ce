"""A rehearsed contextual policy learns from its journal whom a message is for, and is fitted when a fit is due."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.engine.allocations import FixedShares
from optimizer.simulation.arrivals import HourlyArrivals
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.simulation.runs import Run
from optimizer.simulation.synthetic import OutcomeKind, RecipientType, SyntheticWorld
from optimizer.strategy.workspace import Workspace, read_workspace

START = 20_000 * DAY
STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB]}
  age: {type: number}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
policy: %s
"""
CONTEXTUAL = "{model: contextual, attributes: [country, age], refit: PT6H, floor: 0.0}"


def documents(policy: str) -> Workspace:
    return read_workspace({"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN % policy})


def world() -> SyntheticWorld:
    """Each country has a message of its own; age does not matter. Of 8 types, half live in each."""
    types = [
        RecipientType(attributes={"country": country, "age": age})
        for country in ("US", "GB")
        for age in (20.0, 30.0, 50.0, 70.0)
    ]
    rates = [[0.3, 0.1, 0.0]] * 4 + [[0.1, 0.3, 0.0]] * 4
    return SyntheticWorld(4_000, 2, types, [OutcomeKind("purchase", rates)], HourlyArrivals(0.1))


def run(policy: str, chooser: Any = "learning") -> Run:
    workspace = documents(policy)
    plan = Plan(START, START + 6 * DAY, HOUR)
    return rehearse(workspace.strategy, workspace.campaigns["winback"], world(), plan, chooser, seed=3)


@pytest.mark.slow
def test_regret_is_a_small_part_of_what_one_message_for_all_costs() -> None:
    contextual, alike = run(CONTEXTUAL), run("{floor: 0.0}")
    # Some 400 contacts a day: one message for all loses .2 on half of them, and nothing can be learned about that.
    assert alike.regret > 0.08 * alike.sends
    assert contextual.regret < 0.35 * alike.regret
    assert contextual.prob_best.shape == (1, 2)
    assert np.isfinite(contextual.mean).all()


@pytest.mark.slow
def test_it_is_fitted_when_a_fit_is_due_and_comes_out_the_same_again() -> None:
    one, two = run(CONTEXTUAL), run(CONTEXTUAL)
    assert one.snapshots == 6 * 24 // 6
    assert (one.reward, one.regret) == (two.reward, two.regret)


def test_shares_that_never_change_are_served_as_they_are() -> None:
    equal = run(CONTEXTUAL, FixedShares.uniform(1, 2))
    assert equal.regret == pytest.approx(0.1 * equal.sends, rel=0.05)
