"""A target policy says what it would have done: shares of a segment, of the arms that could be chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.targets import Logged, SegmentShares, always, importance_weights, uniform


def log(segments: list[int], arms: list[int], eligible: list[list[bool]] | None = None) -> LoggedFeedback:
    n = len(arms)
    return LoggedFeedback(
        ("a", "b", "c"),
        ("young", "old"),
        np.array(arms),
        np.array(segments),
        np.full(n, 0.25),
        np.ones(n),
        eligible=None if eligible is None else np.array(eligible),
    )


SHARES = SegmentShares(np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]))


def test_everybody_in_a_segment_gets_its_shares() -> None:
    found = SHARES.probabilities(log([1, 0, 1], [0, 0, 0]))
    assert found.tolist() == [[0, 0, 1], [0.5, 0.3, 0.2], [0, 0, 1]]


def test_shares_go_to_the_arms_that_are_eligible() -> None:
    found = SHARES.probabilities(log([0, 0], [0, 0], [[True, False, True], [True, True, True]]))
    np.testing.assert_allclose(found, [[5 / 7, 0, 2 / 7], [0.5, 0.3, 0.2]], rtol=1e-15)


def test_eligible_arms_that_have_no_share_get_equal_ones() -> None:
    assert SHARES.probabilities(log([1], [0], [[True, True, False]])).tolist() == [[0.5, 0.5, 0]]


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_rows_sum_to_one_and_are_zero_where_an_arm_is_not_eligible(eligible: list[list[bool]]) -> None:
    feedback = log([0] * len(eligible), [0] * len(eligible), eligible)
    for policy in (SHARES, uniform(2, 3), always(1, 2, 3)):
        found = policy.probabilities(feedback)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
        assert not found[~np.array(eligible)].any()


def test_asking_changes_no_shares() -> None:
    before = SHARES.shares.copy()
    SHARES.probabilities(log([0], [0], [[True, False, False]]))
    np.testing.assert_array_equal(SHARES.shares, before)


def test_a_weight_is_the_targets_probability_over_the_propensity() -> None:
    feedback = log([0, 0, 1], [0, 2, 1])
    assert importance_weights(SHARES, feedback, SHARES.probabilities(feedback)).tolist() == [2.0, 0.8, 0.0]


def test_the_policy_of_the_log_has_weights_of_one() -> None:
    feedback = log([0, 1], [2, 1])
    probabilities = Logged().probabilities(feedback)
    assert probabilities.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert importance_weights(Logged(), feedback, probabilities).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ([[0.5, 0.4]], r"shares\[0\]: found a sum of 0.9; allowed 1"),
        ([[0.5, 0.5], [1.5, -0.5]], "shares: found -0.5; allowed 0 or more"),
        ([[1.0, 0.0], [np.nan, 1.0]], r"shares\[1\]: found a sum of nan; allowed 1"),
    ],
)
def test_what_is_no_allocation_is_refused(shares: list[list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SegmentShares(np.array(shares))


def test_shares_for_another_log_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shares: found shape \(1, 3\); allowed 2 segments x 3 arms"):
        uniform(1, 3).probabilities(log([0], [0]))


def test_a_row_without_eligible_arm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"eligible\[1\]: found no arm; allowed one or more"):
        SHARES.probabilities(log([0, 0], [0, 0], [[True] * 3, [False] * 3]))


def test_an_arm_that_is_not_there_cannot_be_the_only_one() -> None:
    with pytest.raises(ValueError, match="arm: found 3; allowed 0 to 2"):
        always(3, 1, 3)
