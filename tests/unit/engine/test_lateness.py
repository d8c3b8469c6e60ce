"""Lateness: what the policy's settings about delay do to evidence, and what stays as it was counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer.domain.delays import N_DELAYS, delay_bin
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.engine.beliefs import posterior_of
from optimizer.engine.lateness import curve_of, effective, hours_matter, maturity_of
from optimizer.engine.learning import learn
from optimizer.engine.tactic import Tactic

MakeTactic = Callable[..., Tactic]
HOURS = 48
NOW = HOURS * HOUR


def with_policy(tactic: Tactic, **changes: Any) -> Tactic:
    return replace(tactic, policy=replace(tactic.policy, **changes))


def late_evidence(n_arms: int = 3) -> Evidence:
    """Ten trials an hour of each arm; of the older half one in ten was rewarded, 20 hours later."""
    trials = np.full((2, n_arms, HOURS), 10.0)
    positives, delays = np.zeros_like(trials), np.zeros((N_DELAYS, HOURS))
    positives[..., : HOURS // 2] = 1.0
    delays[delay_bin(20 * HOUR), : HOURS // 2] = 2.0 * n_arms
    return Evidence(np.arange(HOURS) * HOUR, trials, positives, positives, positives, delays=delays)


def test_the_window_of_the_curve_is_that_of_the_objective(make_tactic: MakeTactic) -> None:
    assert curve_of(make_tactic(), late_evidence(), NOW).window == 7 * DAY


def test_where_people_ignore_the_delay_the_evidence_is_as_it_was_counted(make_tactic: MakeTactic) -> None:
    evidence = late_evidence()
    assert effective(with_policy(make_tactic(), estimates_delay=False), evidence, NOW) is evidence


def test_trials_too_young_for_the_delay_hardly_count_but_are_reported_in_full(make_tactic: MakeTactic) -> None:
    tactic, evidence = make_tactic(), late_evidence()
    found = effective(tactic, evidence, NOW)
    assert found.trials[..., 40:].sum() < 0.1 * evidence.trials[..., 40:].sum()
    snapshot = learn(tactic, evidence, 1, NOW)
    np.testing.assert_array_equal(snapshot.trials, evidence.trials.sum(axis=-1))
    ignored = posterior_of(with_policy(tactic, estimates_delay=False), evidence, NOW, None, 1)
    corrected = posterior_of(tactic, evidence, NOW, None, 1)
    assert (ignored.success < 0.06).all()
    assert (corrected.success > 0.08).all()


def test_a_median_people_name_counts_before_anything_came(make_tactic: MakeTactic) -> None:
    nothing = replace(late_evidence(), delays=np.zeros((N_DELAYS, HOURS)), positives=np.zeros((2, 3, HOURS)))
    assert effective(make_tactic(), nothing, NOW) is nothing
    told = effective(with_policy(make_tactic(), delay_median=2 * DAY), nothing, NOW)
    assert told.trials.sum() < 0.5 * nothing.trials.sum()


@pytest.mark.parametrize(
    ("changes", "late", "matter"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"delay_median": DAY}, False, True),
        ({"estimates_delay": False}, True, False),
        ({"estimates_delay": False, "half_life": DAY}, False, True),
        ({"model": "hierarchical"}, False, True),
        ({"alarms": ("silence", "change")}, False, True),
    ],
)
def test_hours_matter_only_to_who_reads_them(
    make_tactic: MakeTactic, changes: dict[str, Any], late: bool, matter: bool
) -> None:
    evidence = late_evidence() if late else replace(late_evidence(), delays=np.zeros((N_DELAYS, HOURS)))
    assert hours_matter(with_policy(make_tactic(), **changes), evidence) is matter


def test_what_matures_is_told_apart_from_what_is_expected(make_tactic: MakeTactic) -> None:
    evidence = late_evidence()
    found = maturity_of(make_tactic(), evidence, HOUR + 7 * DAY)  # the first hour's window is over
    np.testing.assert_array_equal(found.trials, 10.0)
    np.testing.assert_array_equal(found.positives, 1.0)
    early = maturity_of(make_tactic(), evidence, NOW)
    assert (early.trials == 0.0).all()
    assert (early.expected_positives > 1.4 * evidence.positives.sum(axis=-1)).all()
