"""The prior from the campaign's own variants."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optimizer.policy.pooled_prior import WORTH, pooled_prior

COUNTS = arrays(np.float64, (3, 4), elements=st.integers(0, 500).map(float))


def rate(trials: np.ndarray, successes: np.ndarray) -> np.ndarray:
    good, bad = pooled_prior(trials, successes)
    assert (good == WORTH).all()
    return good / (good + bad)


def test_with_nothing_tried_it_is_even() -> None:
    good, bad = pooled_prior(np.zeros((2, 3)), np.zeros((2, 3)))
    assert (good == 1.0).all()
    assert (bad == 1.0).all()


def test_it_is_the_mean_of_the_arms_and_not_of_their_traffic() -> None:
    trials, successes = np.array([[1e6, 1e6, 1e6, 1e8]]), np.array([[2e4, 4e4, 6e4, 1e7]])
    assert abs(rate(trials, successes)[0, 0] - (0.02 + 0.04 + 0.06 + 0.1) / 4) < 1e-3


def test_an_untried_arm_is_taken_to_be_like_the_others() -> None:
    trials, successes = np.array([[1e5, 1e5, 0.0]]), np.array([[3e3, 5e3, 0.0]])
    assert abs(rate(trials, successes)[0, 0] - 0.04) < 2e-3


def test_an_empty_segment_begins_where_the_campaign_stands() -> None:
    trials = np.array([[1e5, 1e5], [0.0, 0.0]])
    assert abs(rate(trials, trials * 0.03)[1, 0] - 0.03) < 1e-3


def test_segments_keep_rates_of_their_own() -> None:
    trials = np.full((2, 9), 1e5)
    low, high = rate(trials, trials * np.array([[0.01], [0.2]]))[:, 0]
    assert low < 0.025
    assert high > 0.18


def test_leading_axes_know_nothing_of_each_other() -> None:
    trials = np.array([[[50.0, 10.0]], [[7.0, 900.0]]])
    successes = np.array([[[5.0, 1.0]], [[0.0, 3.0]]])
    together = rate(trials, successes)
    for lane in range(2):
        assert (rate(trials[lane], successes[lane]) == together[lane]).all()


@given(COUNTS, arrays(np.float64, (3, 4), elements=st.floats(0.0, 1.0)))
def test_it_is_a_possible_rate_that_never_exceeds_one_half(trials: np.ndarray, share: np.ndarray) -> None:
    found = rate(trials, trials * share)
    assert ((found > 0.0) & (found <= 0.5)).all()


@given(COUNTS, st.integers(0, 2), st.integers(0, 3))
def test_one_more_success_never_lowers_it(trials: np.ndarray, segment: int, arm: int) -> None:
    trials[segment, arm] += 1.0
    successes = np.floor(trials * 0.1)
    before = rate(trials, successes)
    successes[segment, arm] = min(successes[segment, arm] + 1.0, trials[segment, arm])
    assert (rate(trials, successes) >= before - 1e-12).all()
