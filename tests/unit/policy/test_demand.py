from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.policy.allocation import priced_allocation
from optimizer.policy.beta_bernoulli import BetaPosterior
from optimizer.policy.demand import highest_price, spend_per_decision
from optimizer.policy.exploration import Sharing

POSTERIOR = BetaPosterior(np.array([[12.0, 30, 2], [90, 70, 5]]), np.array([[900.0, 1900, 100], [910, 930, 60]]))
EVERYONE = np.ones((2, 3), np.bool_)


def within(floor: float, cap: float) -> Sharing:
    return partial(priced_allocation, floor=floor, cap=cap)


prices = st.floats(-3, 3).map(lambda power: 10.0**power)


@given(prices, prices, st.lists(st.floats(0, 0.1), min_size=3, max_size=3), st.floats(0, 0.4))
def test_a_higher_price_never_costs_more(one: float, other: float, costs: list[float], floor: float) -> None:
    spend = [
        spend_per_decision(POSTERIOR, p, np.array(costs), EVERYONE, within(floor, 1.0)) for p in sorted((one, other))
    ]
    assert np.all(spend[1] <= spend[0] + 1e-8)


def test_without_a_price_every_decision_costs_what_its_variants_do() -> None:
    assert spend_per_decision(POSTERIOR, 0.0, np.full(3, 0.02), EVERYONE, within(0.1, 0.6)) == pytest.approx(
        [0.02, 0.02]
    )


def test_a_richer_segment_is_sent_more_at_the_same_price() -> None:
    poor, rich = spend_per_decision(POSTERIOR, 1.0, np.full(3, 0.02), EVERYONE, within(0.0, 1.0))
    assert 0 < poor < 0.01 < rich <= 0.02


def test_nobody_eligible_costs_nothing() -> None:
    eligible = np.array([[False] * 3, [True] * 3])
    assert spend_per_decision(POSTERIOR, 0.0, np.full(3, 0.02), eligible, within(0.0, 1.0)) == pytest.approx(
        [0.0, 0.02]
    )


def test_costs_may_differ_between_segments() -> None:
    costs = np.array([[0.01] * 3, [0.03] * 3])
    assert spend_per_decision(POSTERIOR, 0.0, costs, EVERYONE, within(0.0, 1.0)) == pytest.approx([0.01, 0.03])


def test_at_the_highest_price_only_what_is_free_is_sent() -> None:
    costs = np.array([0.004, 0.02, 0.0])
    price = highest_price(costs, POSTERIOR.most)
    assert price == 250.0
    assert spend_per_decision(POSTERIOR, price, costs, EVERYONE, within(0.0, 1.0)) == pytest.approx([0, 0])
    assert highest_price(np.zeros(3), 1.0) == 0.0
