import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.insights.learning_time import LearningTime, learning_time, trials_per_arm


@pytest.mark.parametrize(
    ("base", "lift", "power", "expected"),
    [
        (0.50, 0.50, 0.90, 77),  # R, power.prop.test(p1 = .50, p2 = .75, power = .90), of its manual page: 76.7
        (0.10, 0.20, 0.80, 3841),  # R, power.prop.test(p1 = .10, p2 = .12, power = .80): 3840.85
    ],
)
def test_the_number_of_trials_is_that_of_a_textbook(base: float, lift: float, power: float, expected: int) -> None:
    assert trials_per_arm(base, lift, power) == expected


@given(base=st.floats(0.001, 0.4), lift=st.floats(0.05, 0.5))
def test_the_number_of_trials_is_close_to_lehrs_rule_of_thumb(base: float, lift: float) -> None:
    mean = base * (1 + lift / 2)
    lehr = 16 * mean * (1 - mean) / (base * lift) ** 2
    found = trials_per_arm(base, lift)
    assert found is not None
    # 15.7 rather than 16; the variance under the lift is a little smaller than under none; rounded up.
    assert 0.93 * lehr <= found <= lehr + 1


def test_the_test_finds_the_lift_as_often_as_it_promises() -> None:
    n, runs = trials_per_arm(0.1, 0.2), 20_000
    assert n is not None
    rng = np.random.default_rng(7)
    one, other = (rng.binomial(n, p, runs) / n for p in (0.1, 0.12))
    pooled = (one + other) / 2
    z = (other - one) / np.sqrt(2 * pooled * (1 - pooled) / n)
    found = float(np.mean(np.abs(z) > 1.959964))
    assert found == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / runs))


@pytest.mark.parametrize("impossible", [(0.0, 0.2), (1.0, 0.2), (0.9, 0.2), (0.1, 0.0)])
def test_a_comparison_no_test_can_make_has_no_number(impossible: tuple[float, float]) -> None:
    assert trials_per_arm(*impossible) is None


@given(n_arms=st.integers(2, 50), daily=st.floats(1, 1e6), share=st.floats(0.5, 1))
def test_every_variant_has_its_trials_when_the_days_are_over(n_arms: int, daily: float, share: float) -> None:
    found = learning_time(n_arms, 0.02, daily, learning_share=share)
    assert found.trials_per_arm is not None
    assert found.days is not None
    assert found.days * daily * share / n_arms == pytest.approx(found.trials_per_arm)


def test_more_variants_and_a_larger_holdout_take_longer() -> None:
    two, four, held_out = (
        learning_time(n, 0.02, 1_000, learning_share=share).days for n, share in ((2, 1.0), (4, 1.0), (2, 0.5))
    )
    assert two is not None
    assert four == held_out == 2 * two


@pytest.mark.parametrize(
    ("n_arms", "rate", "daily", "said"),
    [
        (1, 0.1, 100.0, "fewer than two variants"),
        (2, None, 100.0, "the success rate is not known"),
        (2, None, None, "the success rate and the traffic are not known"),
        (2, 0.1, None, "the traffic is not known"),
        (2, 0.1, 0.0, "no decision is expected"),
        (2, 0.95, 100.0, "no test tells"),
    ],
)
def test_what_is_not_known_is_said(n_arms: int, rate: float | None, daily: float | None, said: str) -> None:
    found = learning_time(n_arms, rate, daily, learning_share=0.9)
    assert found.days is None
    assert said in found.unknown


def test_the_trials_are_known_without_the_traffic() -> None:
    assert learning_time(2, 0.1, None, learning_share=1.0) == LearningTime(3841, None, "the traffic is not known")
