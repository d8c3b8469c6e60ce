from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_law

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.drawn import N_DRAWS, DrawnPosterior
from optimizer.policy.hurdle import hurdle_of, hurdle_posterior

FLAT = (1.0, 1.0)
Orders = Sequence[Sequence[float]]  # amounts of each arm


def evidence(orders: Orders, trials: Sequence[float], n_buckets: int = 1, n_segments: int = 1) -> Evidence:
    """Each arm's amounts dealt over buckets, a day apart, the same in every segment."""
    sums = np.zeros((6, n_segments, len(orders), n_buckets))
    for arm, amounts in enumerate(orders):
        sums[0, :, arm] = trials[arm] / n_buckets
        for place, amount in enumerate(amounts):
            log = np.log(amount)
            sums[1:, :, arm, place % n_buckets] += np.array([1.0, amount, amount**2, log, log**2])[:, None]
    n, k, total, squares, logs, log_squares = sums
    return Evidence(np.arange(n_buckets) * DAY, np.maximum(n, k), k, total, squares, logs=logs, log_squares=log_squares)


def posterior(seen: Evidence, seed: tuple[int, ...] = (3,)) -> DrawnPosterior:
    return hurdle_posterior(seen, 0, None, FLAT, (), seed)


def lognormal(n: int, median: float, sigma: float, seed: int) -> list[float]:
    return (median * np.exp(sigma * np.random.default_rng(seed).standard_normal(n))).tolist()


EVERY = np.ones(3, np.bool_)
THREE = [lognormal(60, 20.0, 1.0, 1), lognormal(80, 22.0, 1.0, 2), lognormal(40, 30.0, 1.0, 3)]


def test_without_orders_only_the_share_of_positives_counts() -> None:
    seen = evidence([[], [], []], [30, 100, 300])
    found, rates = posterior(seen), beta_posterior(seen, 0, None)
    assert found.mean == pytest.approx(rates.mean)
    shares = found.prob_best(0, EVERY)
    error = np.sqrt(shares * (1 - shares) / N_DRAWS)
    assert (np.abs(shares - rates.prob_best(0, EVERY)) <= 4 * error + 1e-3).all()


def test_nothing_at_all_leaves_every_arm_as_likely() -> None:
    shares = posterior(Evidence.none(2, 3)).prob_best(1, EVERY)
    assert np.abs(shares - 1 / 3).max() < 4 * np.sqrt(2 / 9 / N_DRAWS)


def test_the_expected_amount_of_many_orders_is_that_of_their_distribution() -> None:
    """The plug-in approaches p * median * exp(sigma^2 / 2); the trust in far orders costs a few percent of it."""
    orders = [lognormal(10_000, 20.0, 1.2, seed) for seed in (4, 5)]
    found = posterior(evidence(orders, [200_000, 100_000], n_buckets=5_000))
    true = np.array([0.05, 0.1]) * 20.0 * np.exp(1.2**2 / 2)
    assert found.mean[0] / true == pytest.approx([1.0, 1.0], abs=0.06)
    assert found.mean[0, 1] / found.mean[0, 0] == pytest.approx(2.0, abs=0.1)


def test_the_mean_is_that_of_the_draws() -> None:
    seen = evidence(THREE, [2_000, 2_000, 2_000], n_buckets=5, n_segments=3)
    found = [posterior(seen, (seed,)) for seed in range(40)]
    means = np.stack([one.draws.mean(axis=1) for one in found])
    error = means.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(means.mean(axis=0) - found[0].mean) < 4.5 * error).all()
    assert (error / found[0].mean < 0.01).all()


def test_draws_of_the_share_of_positives_are_those_of_its_beta() -> None:
    found = posterior(evidence([[], []], [400, 7]))
    for arm, n in enumerate((400, 7)):
        levels = beta_law(1.0, 1.0 + n).cdf(np.sort(found.draws[0, :, arm]))
        assert np.abs(levels - (np.arange(N_DRAWS) + 0.5) / N_DRAWS).max() < 1.95 / np.sqrt(N_DRAWS)  # KS, p .001


@given(st.floats(1e-4, 1e5))
def test_another_currency_scales_means_and_leaves_who_is_best(factor: float) -> None:
    trials, n_buckets = [2_000, 2_500, 1_800], 4
    one = posterior(evidence(THREE, trials, n_buckets))
    other = posterior(evidence([[factor * x for x in arm] for arm in THREE], trials, n_buckets))
    assert other.mean == pytest.approx(factor * one.mean, rel=1e-6)
    assert np.abs(other.prob_best(0, EVERY) - one.prob_best(0, EVERY)).max() <= 1 / N_DRAWS


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.floats(0.0, 30.0), st.floats(0.0, 30.0))
def test_more_penalties_never_raise_the_net(counts: list[int], less: float, more: float) -> None:
    seen = evidence(THREE, [500, 500, 500])
    happened = np.array(counts, np.float64).reshape(1, 1, 3, 1)
    found = []
    for penalty in sorted((less, more)):
        sums = (seen.rewards - penalty * happened[0], seen.squares + penalty**2 * happened[0])
        net = Evidence(seen.buckets, seen.trials, seen.positives, *sums, happened, seen.logs, seen.log_squares)
        found.append(hurdle_posterior(net, 0, None, FLAT, (penalty,), (3,)))
    assert (found[1].mean <= found[0].mean + 1e-9).all()
    assert (found[1].draws <= found[0].draws + 1e-9).all()


def test_a_belief_gives_the_same_draws_again() -> None:
    found = posterior(evidence(THREE, [900, 900, 900], n_segments=2))
    again = hurdle_of(found.belief)
    assert (again.draws == found.draws).all()
    assert (again.mean == found.mean).all()
    assert max(array.size for array in found.belief.arrays.values()) <= 6


def test_another_seed_draws_anew_unless_nothing_has_moved() -> None:
    seen, more = evidence(THREE, [900, 900, 900]), evidence(THREE, [900, 1_200, 900])
    first = posterior(seen, (1,))
    assert (posterior(seen, (2,)).draws != first.draws).all()
    assert hurdle_posterior(seen, 0, None, FLAT, (), (2,), before=first.belief).belief is first.belief
    assert hurdle_posterior(more, 0, None, FLAT, (), (2,), before=first.belief).belief is not first.belief


def test_old_orders_fade() -> None:
    """Arm 0 earned much long ago and little now, arm 1 the same all the time."""
    seen = evidence([[90.0, 20.0] * 100, [40.0, 40.0] * 100], [4_000, 4_000], n_buckets=2)
    always = hurdle_posterior(seen, DAY, None, FLAT, (), (1,))
    fading = hurdle_posterior(seen, DAY, DAY // 8, FLAT, (), (1,))
    assert always.mean[0, 0] > always.mean[0, 1]
    assert fading.mean[0, 0] < 0.8 * fading.mean[0, 1]


def test_an_arm_without_orders_in_a_segment_borrows_what_others_saw_of_it() -> None:
    seen = evidence([lognormal(300, 20.0, 1.0, 6), lognormal(300, 60.0, 1.0, 7)], [6_000, 6_000], 30, n_segments=2)
    sums = {name: getattr(seen, name).copy() for name in ("positives", "rewards", "squares", "logs", "log_squares")}
    for array in sums.values():
        array[1] = 0.0
    found = posterior(Evidence(seen.buckets, seen.trials, **sums))
    ratio = found.belief.arrays["location"][:, 1] - found.belief.arrays["location"][:, 0]
    assert ratio[0] == pytest.approx(np.log(3.0), abs=0.35)
    assert 0.3 * ratio[0] < ratio[1] < ratio[0]


def test_a_segment_that_spends_more_makes_no_arm_look_better() -> None:
    """Arm 1 has most of its orders where everybody spends thrice as much; within segments both arms are alike."""
    sums = np.zeros((6, 2, 2, 40))
    for segment, arm, n in ((0, 0, 400), (0, 1, 60), (1, 0, 60), (1, 1, 400)):
        amounts = 20.0 * 3.0**segment * np.exp(np.random.default_rng([segment, arm]).standard_normal(n))
        for place, amount in enumerate(amounts):
            log = np.log(amount)
            sums[1:, segment, arm, place % 40] += (1.0, amount, amount**2, log, log**2)
        sums[0, segment, arm] = n
    n, k, total, squares, logs, log_squares = sums
    found = posterior(Evidence(np.arange(40), n, k, total, squares, logs=logs, log_squares=log_squares))
    location = found.belief.arrays["location"]
    assert np.abs(location[:, 1] - location[:, 0]).max() < 0.25
    assert location[1].mean() - location[0].mean() == pytest.approx(np.log(3.0), abs=0.25)


@pytest.mark.parametrize("n_buckets", [1, 8, 300])
@pytest.mark.parametrize("arm", [0, 1, 2])
def test_one_giant_order_does_not_turn_the_allocation(n_buckets: int, arm: int) -> None:
    """A hundred times the mean; an arm's mean of amounts would rise by a factor of three."""
    orders = [lognormal(40, median, 1.2, seed) for seed, median in ((8, 20.0), (9, 20.0), (10, 30.0))]
    giant = 100 * 20.0 * np.exp(1.2**2 / 2)
    trials = [2_000, 2_000, 2_000]
    without = posterior(evidence(orders, trials, n_buckets)).prob_best(0, EVERY)
    with_giant = [[*amounts, giant] if place == arm else amounts for place, amounts in enumerate(orders)]
    turned = posterior(evidence(with_giant, trials, n_buckets)).prob_best(0, EVERY)
    assert 0.4 < without.max() < 0.9
    assert np.abs(turned - without).max() < 0.1


def test_a_tiny_order_does_not_turn_it_either() -> None:
    orders = [lognormal(40, median, 1.2, seed) for seed, median in ((8, 20.0), (9, 20.0), (10, 30.0))]
    trials = [2_000, 2_000, 2_000]
    without = posterior(evidence(orders, trials, 300)).prob_best(0, EVERY)
    turned = posterior(evidence([*orders[:2], [*orders[2], 0.01]], trials, 300)).prob_best(0, EVERY)
    assert np.abs(turned - without).max() < 0.1


def test_large_orders_that_are_common_count() -> None:
    """One order in four is a yearly plan, twelve times a month's: nothing of it is taken for a mistake."""
    monthly, mixed = [10.0] * 200, [10.0] * 150 + [120.0] * 50
    found = posterior(evidence([monthly, mixed], [4_000, 4_000], 200))
    assert found.prob_best(0, EVERY[:2])[1] > 0.99


def test_amounts_that_are_all_alike_are_known() -> None:
    found = posterior(evidence([[25.0] * 2_000, [50.0] * 2_000], [40_000, 40_000], 50))
    assert found.mean[0] == pytest.approx([1.25, 2.5], rel=0.05)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"half_life": 0}, "half_life"),
        ({"prior": (0.0, 1.0)}, "prior"),
        ({"penalties": (1.0,)}, "penalties"),
    ],
)
def test_what_makes_no_posterior_is_refused(change: dict[str, object], named: str) -> None:
    usual = {"now": 0, "half_life": None, "prior": FLAT, "penalties": (), "seed": (1,)}
    with pytest.raises(ValueError, match=named):
        hurdle_posterior(evidence([[], []], [1, 1]), **{**usual, **change})  # type: ignore[arg-type]
