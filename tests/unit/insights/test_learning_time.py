import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.insights import learning_time
from optimizer.insights.learning_time import ASSURANCE, PROB_BEST, detectable_lift, trials_per_arm, trials_to_best
from optimizer.policy.prob_best import prob_best
from optimizer.strategy.documents import MAX_VARIANTS


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


@given(base=st.floats(0.001, 0.4), lift=st.floats(0.02, 1.0))
def test_the_detectable_lift_is_the_smallest_that_so_many_trials_show(base: float, lift: float) -> None:
    trials, error = trials_per_arm(base, lift), 2e-6  # of the lift that is found
    assert trials is not None
    found = detectable_lift(base, trials)
    assert found is not None
    assert found <= lift + error
    more, fewer = trials_per_arm(base, found - error), trials_per_arm(base, found + error)
    assert more is not None
    assert fewer is not None
    assert fewer <= trials < more


def test_no_lift_is_detectable_in_a_handful_of_trials() -> None:
    assert detectable_lift(0.5, 3) is None
    assert detectable_lift(0.0, 1_000) is None


def test_two_arms_need_the_trials_of_a_textbook() -> None:
    # P(best) = .9 in 4 of 5 cases: a one-sided test at .1 with power .8, n = 2 p (1 - p) (1.2816 + .8416)^2 / gap^2.
    expected = 2 * 0.11 * 0.89 * (1.2816 + 0.8416) ** 2 / 0.02**2
    found = trials_to_best(2, 0.1, 0.2)
    assert found is not None
    # The gap is read from 4,000 imagined logs: one standard error of their .2 quantile is .022 of about 3.0.
    assert found == pytest.approx(expected, rel=4 * 2 * 0.022 / 3.0)


@pytest.mark.parametrize(("n_arms", "base"), [(2, 0.1), (5, 0.05)])
def test_posteriors_are_that_sure_in_that_many_cases(n_arms: int, base: float) -> None:
    n, runs = trials_to_best(n_arms, base), 1_000
    assert n is not None
    rates = np.full(n_arms, base)
    rates[0] *= 1.2
    won = np.random.default_rng(11).binomial(n, rates, (runs, n_arms))
    sure = float(np.mean(prob_best(1.0 + won, 1.0 + n - won)[:, 0] >= 0.9))
    # Two sources of chance: these runs, and the imagined logs the gap was read from.
    assert sure == pytest.approx(0.8, abs=4 * (0.8 * 0.2 * (1 / runs + 1 / 4_000)) ** 0.5)


def test_more_arms_need_more_trials_each() -> None:
    found = [trials_to_best(n, 0.05) for n in range(2, 12)]
    assert None not in found
    assert sorted(found) == found  # type: ignore[type-var]


@pytest.mark.parametrize("impossible", [(1, 0.1), (3, 0.0), (3, 0.9)])
def test_there_is_no_number_where_nothing_can_be_told_apart(impossible: tuple[int, float]) -> None:
    assert trials_to_best(*impossible) is None


@pytest.mark.parametrize("n_arms", [2, 3, 7, 16])
def test_the_gaps_that_are_written_down_are_those_that_are_found(n_arms: int) -> None:
    written = learning_time._standardised_gap(n_arms, PROB_BEST, ASSURANCE)
    assert written == pytest.approx(learning_time._gap_found(n_arms, PROB_BEST, ASSURANCE), rel=1e-12)


def test_nothing_is_searched_for_whatever_number_of_variants_a_campaign_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(*_: object, **__: object) -> float:
        raise AssertionError("a page of forty variants waits seconds for this")

    monkeypatch.setattr(learning_time, "brentq", searched)
    found = [trials_to_best(n, 0.05) for n in range(2, MAX_VARIANTS + 1)]
    assert None not in found
    with pytest.raises(AssertionError):
        trials_to_best(MAX_VARIANTS + 1, 0.05)
