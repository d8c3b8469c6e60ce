"""Expected amounts: what worlds say a reward is worth is the mean of what they draw."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer.domain.instants import DAY
from optimizer.domain.micros import MICRO
from optimizer.engine.assessment import RewardRule
from optimizer.simulation.amounts import Amount, AmountsByArm, FixedAmount, LogNormalAmount, ResampledAmounts
from optimizer.simulation.arrivals import EachOnce
from optimizer.simulation.delays import ExponentialDelay
from optimizer.simulation.synthetic import OutcomeKind, RecipientType, SyntheticWorld

RULE = RewardRule("o", "purchase", "amount", DAY, "decision", (("unsubscribed", 3 * MICRO),))
AMOUNTS: list[Amount] = [
    FixedAmount(25 * MICRO),
    LogNormalAmount(20.0, 1.2),
    AmountsByArm((LogNormalAmount(20.0, 0.5), LogNormalAmount(60.0, 1.0), FixedAmount(MICRO))),
    ResampledAmounts(
        [np.array([10, 20]) * MICRO, np.zeros(0, np.int64), np.array([7]) * MICRO],
        [np.array([1.0, 3.0]), np.zeros(0), np.array([4.0])],
    ),
]


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda amount: type(amount).__name__)
@pytest.mark.parametrize("at_most", [None, 15 * MICRO])
def test_means_are_those_of_what_is_drawn(amount: Amount, at_most: int | None) -> None:
    n = 200_000
    means = amount.means(2, at_most)
    assert means.shape == (3,)
    for arm in (0, 1, -1):
        drawn = amount.draw(np.full(n, arm), generator(9)) / MICRO
        counted = drawn if at_most is None else np.minimum(drawn, at_most / MICRO)
        error = counted.std() / np.sqrt(n)
        assert abs(counted.mean() - means[arm]) <= 4.5 * error + 1e-6


def test_a_log_normal_mean_is_the_median_times_half_the_variance() -> None:
    assert LogNormalAmount(20.0, 1.2).means(1) == pytest.approx(np.full(2, 20.0 * np.exp(0.72)))


def model(amount: Amount | None) -> SyntheticWorld:
    kinds = [
        OutcomeKind("purchase", [[0.1, 0.2, 0.0]], delay=ExponentialDelay(DAY), amount=amount),
        OutcomeKind("unsubscribed", [[0.05, 0.0, 0.0]]),
    ]
    return SyntheticWorld(100, 2, [RecipientType()], kinds, EachOnce(0, 100, DAY))


def test_expected_rewards_are_amounts_less_penalties_within_the_window() -> None:
    world = model(AMOUNTS[2]).world(generator(1))
    come = 1.0 - np.exp(-1.0)
    each = np.array([20.0 * np.exp(0.125), 60.0 * np.exp(0.5), 1.0])
    expected = np.array([0.1, 0.2, 0.0]) * come * each - np.array([0.05, 0.0, 0.0]) * 3.0
    assert world.expected_rewards(RULE, 0)[0] == pytest.approx(expected)


def test_an_amount_counts_no_more_than_the_rule_says() -> None:
    world = model(FixedAmount(25 * MICRO)).world(generator(1))
    limited = replace(RULE, at_most=10 * MICRO, penalties=())
    assert world.expected_rewards(limited, 0)[0] == pytest.approx(np.array([1.0, 2.0, 0.0]) * (1.0 - np.exp(-1.0)))
    assert world.expected_rewards(replace(limited, value="first"), 0)[0, 0] == pytest.approx(0.1 * (1 - np.exp(-1.0)))


def test_a_reward_that_is_an_amount_needs_one() -> None:
    with pytest.raises(ValueError, match="purchase: found no amount"):
        model(None).world(generator(1)).expected_rewards(RULE, 0)
