import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import expon, kstest, lognorm

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.simulation.delays import Delay, EmpiricalDelay, ExponentialDelay, LogNormalDelay, NoDelay

DELAYS: dict[str, Delay] = {
    "none": NoDelay(),
    "exponential": ExponentialDelay(3 * HOUR),
    "log-normal": LogNormalDelay(HOUR, 1.5),
    "observed": EmpiricalDelay.observed(np.array([MINUTE, HOUR, 5 * HOUR, DAY])),
    "observed, with ties": EmpiricalDelay(np.array([0.0, 0.0, 10.0, 10.0, 10.0, 40.0]) * MINUTE),
}
every_delay = pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS.keys())


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@every_delay
def test_delays_are_drawn_from_the_distribution_they_tell(delay: Delay) -> None:
    n = 40_000
    drawn = delay.draw(n, generator(3))
    assert drawn.dtype == np.int64
    for age in (-SECOND, 0, 30 * SECOND, 10 * MINUTE, HOUR, 4 * HOUR, DAY, 300 * DAY):
        # The delays are floored to whole microseconds, which moves the share by far less than a standard error.
        expected = float(delay.cdf(np.array(age)))
        share = float((drawn <= age).mean())
        assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / n) + 1e-9


@every_delay
@given(level=st.floats(0.0, 0.999))
def test_the_quantile_is_where_the_distribution_reaches_its_level(delay: Delay, level: float) -> None:
    at = float(delay.quantile(np.array(level)))
    assert delay.cdf(np.array(at * (1 + 1e-9) + 1e-6)) >= level - 1e-9
    if at > 1.0:
        assert delay.cdf(np.array(at * (1 - 1e-9) - 1e-6)) <= level + 1e-9


@every_delay
def test_no_delay_is_below_zero_and_all_end(delay: Delay) -> None:
    assert delay.cdf(np.array([-1.0, -DAY])).tolist() == [0.0, 0.0]
    assert delay.cdf(np.array([2.0**62]))[0] > 1 - 1e-9
    assert delay.draw(5_000, generator(5)).min() >= 0


def test_the_named_distributions_are_scipys() -> None:
    ages = np.array([1.0, MINUTE, HOUR, 5 * HOUR, 10 * DAY])
    assert DELAYS["exponential"].cdf(ages) == pytest.approx(expon(scale=3 * HOUR).cdf(ages))
    assert DELAYS["log-normal"].cdf(ages) == pytest.approx(lognorm(1.5, scale=HOUR).cdf(ages))


def test_equal_quantiles_are_a_jump_to_the_last_of_them() -> None:
    delay = DELAYS["observed, with ties"]
    ages = np.array([-1.0, 0.0, 5.0, 10.0 - 1e-9, 10.0, 25.0, 40.0, 41.0]) * MINUTE
    assert delay.cdf(ages) == pytest.approx([0.0, 0.2, 0.3, 0.4, 0.8, 0.9, 1.0, 1.0])


def test_one_delay_seen_for_everyone_is_everyones() -> None:
    delay = EmpiricalDelay.observed(np.array([HOUR]))
    assert set(delay.draw(100, generator(6)).tolist()) == {HOUR}
    assert delay.cdf(np.array([HOUR - 1, HOUR])).tolist() == [0.0, 1.0]


def test_an_observed_curve_keeps_the_distribution_it_was_observed_from() -> None:
    seen = LogNormalDelay(2 * HOUR, 1.0).draw(20_000, generator(7))
    drawn = EmpiricalDelay.observed(seen).draw(20_000, generator(8))
    assert kstest(drawn, lognorm(1.0, scale=2 * HOUR).cdf).pvalue > 0.001


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ExponentialDelay(0), "delay: found a mean of 0 microseconds; allowed above 0"),
        (
            lambda: LogNormalDelay(5, 0.0),
            "delay: found a median of 5 microseconds and a sigma of 0; allowed both above 0",
        ),
        (lambda: EmpiricalDelay(np.array([2.0, 1.0])), "delay: found quantiles out of order"),
        (lambda: EmpiricalDelay.observed(np.array([5, -3])), "delay: found one of -3 microseconds"),
        (lambda: EmpiricalDelay.observed(np.zeros(0, np.int64)), "delay: found none"),
    ],
)
def test_a_delay_that_cannot_be_is_refused(make: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()  # type: ignore[operator]
