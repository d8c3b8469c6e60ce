"""Collapse: leaders are doubted for what they rest on, and not for being better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.collapse import Cause, collapses, entropy
from optimizer.policy.prob_best import prob_best

Floats = NDArray[np.float64]


def evidence(trials: Any, positives: Any, **more: Any) -> Evidence:
    """One segment, ``[A, B]`` by the hour."""
    n, k = np.array(trials, np.float64)[None], np.array(positives, np.float64)[None]
    return Evidence(
        np.arange(n.shape[2], dtype=np.int64) * HOUR, n, k, more.pop("rewards", k), more.pop("squares", k), **more
    )


def believed(found: Evidence, alpha: float = 1.0, beta: float = 1.0) -> Floats:
    k, n = found.positives.sum(axis=-1), found.trials.sum(axis=-1)
    return prob_best(alpha + k, beta + n - k)


def causes(found: Evidence, p_best: Floats | None = None, effective: Evidence | None = None) -> list[Cause]:
    p = believed(found) if p_best is None else p_best
    return [one.cause for one in collapses(found, p, np.ones(p.shape, np.bool_), effective or found)]


def steady(hours: int, each: float, *rates: float) -> tuple[Floats, Floats]:
    n = np.full((len(rates), hours), each)
    return n, n * np.array(rates)[:, None]


def test_a_better_variant_is_not_doubted() -> None:
    found = evidence(*steady(48, 50, 0.05, 0.10, 0.06))
    assert believed(found)[0, 1] > 0.99
    assert causes(found) == []


def test_one_hour_of_machines_is_named_with_what_is_left_without_it() -> None:
    n, k = steady(48, 50, 0.05, 0.05, 0.045)
    k[1, 20] = 45
    found = evidence(n, k)
    (one,) = collapses(found, believed(found), np.ones((1, 3), np.bool_), found)
    assert (one.segment, one.leader, one.cause, one.since, one.lasted) == (0, 1, Cause.BURST, 20 * HOUR, HOUR)
    assert one.share == pytest.approx(45 / (45 + 47 * 2.5))
    assert one.without < 0.5
    assert one.p_best == believed(found)[0, 1]


def test_a_burst_on_a_variant_that_is_better_without_it_is_no_reason_for_doubt() -> None:
    n, k = steady(48, 50, 0.05, 0.10, 0.05)
    k[1, 20] = 45
    assert causes(evidence(n, k)) == []


def test_a_burst_over_a_day_is_found_as_well() -> None:
    n, k = steady(10 * 24, 4, 0.05, 0.05)
    k[1, 72:96] = 1.4  # a third of each hour: no hour alone is remarkable
    found = evidence(n, k)
    (one,) = collapses(found, believed(found), np.ones((1, 2), np.bool_), found)
    assert (one.cause, one.since, one.lasted) == (Cause.BURST, 3 * DAY, DAY)


def test_a_good_hour_that_all_variants_share_is_no_burst() -> None:
    n, k = steady(48, 50, 0.05, 0.05)
    k[0, 20], k[1, 20] = 20, 48
    k[1, :20] += 1.2
    k[0, 20] = 40
    assert believed(evidence(n, k))[0, 1] > 0.95
    assert causes(evidence(n, k)) == []


def test_a_better_variant_that_was_sent_in_one_blast_is_no_burst() -> None:
    n, k = np.zeros((2, 30)), np.zeros((2, 30))
    n[:, 3], k[:, 3] = 1_000, (50, 100)
    assert causes(evidence(n, k)) == []
    n[:, 20], k[:, 20] = 1_000, (50, 100)
    assert causes(evidence(n, k)) == []


def amounts(giant: float) -> Evidence:
    rng = np.random.Generator(np.random.PCG64(5))
    n = np.full((1, 2, 48), 20.0)
    k, rewards, squares, logs, log_squares = (np.zeros((1, 2, 48)) for _ in range(5))
    for arm in range(2):
        for hour in range(48):
            orders = np.exp(3.0 + 0.5 * rng.standard_normal(1))
            orders *= 1.0 + 0.4 * (arm == 0)
            if (arm, hour) == (1, 10) and giant:
                orders = np.append(orders, giant)
            k[0, arm, hour], rewards[0, arm, hour] = len(orders), orders.sum()
            squares[0, arm, hour] = (orders**2).sum()
            logs[0, arm, hour], log_squares[0, arm, hour] = np.log(orders).sum(), (np.log(orders) ** 2).sum()
    return Evidence(np.arange(48) * HOUR, n, k, rewards, squares, logs=logs, log_squares=log_squares)


def test_one_giant_amount_is_named_where_the_lead_rests_on_it() -> None:
    sure = np.array([[0.01, 0.99]])
    (one,) = collapses(amounts(3_000.0), sure, np.ones((1, 2), np.bool_), amounts(3_000.0))
    assert one.cause is Cause.GIANT
    assert 0.7 < one.share < 0.8  # of about 1,090 + 3,000
    assert causes(amounts(0.0), sure) == []


def test_what_was_believed_beforehand_is_no_evidence() -> None:
    found = evidence([[40], [2], [2]], [[3], [0], [0]])
    assert causes(found, np.array([[0.97, 0.015, 0.015]])) == [Cause.EXPECTED]
    assert causes(evidence([[0], [0], [0]], [[0], [0], [0]]), np.array([[0.97, 0.015, 0.015]])) == []


def test_a_belief_that_what_was_seen_contradicts_is_doubted() -> None:
    found = evidence(*steady(100, 10, 0.02, 0.05))
    assert causes(found, np.array([[0.97, 0.03]])) == [Cause.CONTRADICTED]


def test_a_variant_that_got_its_traffic_on_good_days_contradicts_nothing() -> None:
    n, k = np.zeros((2, 48)), np.zeros((2, 48))
    n[0, :24], n[1, :24], n[0, 24:], n[1, 24:] = 90, 10, 10, 90
    k[0, :24], k[1, :24], k[0, 24:], k[1, 24:] = 90 * 0.05, 10 * 0.04, 10 * 0.25, 90 * 0.20
    found = evidence(n, k)
    assert k[1].sum() / n[1].sum() > 2 * k[0].sum() / n[0].sum()
    assert causes(found, np.array([[0.97, 0.03]])) == []


def test_variants_that_are_only_younger_are_waited_for() -> None:
    n = np.array([[400.0, 0.0], [400.0, 0.0]])
    n[1] = (0.0, 400.0)
    found = evidence(n, [[24, 0], [0, 2]])
    fair = replace(found, trials=found.trials * np.array([1.0, 0.1]))
    assert causes(found) == []
    assert causes(found, effective=fair) == [Cause.PENDING]


def test_nothing_is_doubted_that_has_not_collapsed_or_has_no_rival() -> None:
    found = evidence([[40], [2]], [[3], [0]])
    assert causes(found, np.array([[0.9, 0.1]])) == []
    alone = collapses(found, np.array([[1.0, 0.0]]), np.array([[True, False]]), found)
    assert alone == []


def test_entropy_is_one_for_an_equal_split_and_none_for_one_for_all() -> None:
    assert entropy(np.full(4, 0.25)) == pytest.approx(1.0)
    assert entropy(np.array([1.0, 0.0])) == 0.0
    assert entropy(np.array([0.95, 0.05])) == pytest.approx(0.2864, abs=1e-4)
