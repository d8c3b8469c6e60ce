import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_law

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.beta_bernoulli import BetaPosterior, beta_posterior
from optimizer.policy.penalties import PENALTY_PRIOR, net_parameters
from optimizer.policy.prob_best import LARGEST, SMALLEST
from optimizer.policy.scores import prob_best_scored

penalties = st.lists(st.floats(0.01, 100), min_size=1, max_size=3)
counts = st.floats(0, 1).map(lambda share: round(share, 3))


def evidence(trials: float, positives: float, happened: list[float]) -> Evidence:
    def cell(value: float) -> np.ndarray:
        return np.full((1, 1, 1), float(value))

    kinds = np.array([cell(value) for value in happened]).reshape(len(happened), 1, 1, 1)
    return Evidence(np.zeros(1, np.int64), cell(trials), cell(positives), cell(positives), cell(positives), kinds)


class TestMoments:
    @given(st.floats(0, 1e5), counts, penalties, counts)
    def test_mean_and_variance_are_those_of_the_sum(self, n: float, won: float, price, happened: float) -> None:
        found = beta_posterior(evidence(n, won * n, [happened * n] * len(price)), 0, None, 1.0, 30.0, price)
        reward = beta_law(1 + won * n, 30 + n - won * n)
        rate = beta_law(PENALTY_PRIOR[0] + happened * n, PENALTY_PRIOR[1] + n - happened * n)
        law = beta_law(found.alpha[0, 0], found.beta[0, 0])
        assert found.penalty == pytest.approx(sum(price))
        assert found.mean[0, 0] == pytest.approx(reward.mean() - sum(price) * rate.mean(), rel=1e-9, abs=1e-9)
        variance = reward.var() + sum(p * p for p in price) * rate.var()
        assert (1 + found.penalty) ** 2 * law.var() == pytest.approx(variance, rel=1e-6)

    @given(st.floats(1, 1e5), counts, penalties, st.data())
    def test_more_unwanted_outcomes_lower_the_mean(self, n: float, won: float, price, data) -> None:
        few = data.draw(st.floats(0, 0.9))
        more = data.draw(st.floats(few + 0.01, 1))
        means = [
            beta_posterior(evidence(n, won * n, [share * n] * len(price)), 0, None, penalties=price).mean[0, 0]
            for share in (few, more)
        ]
        assert means[1] < means[0]

    @given(st.floats(0, 1e9), counts, st.lists(st.floats(0, 1e6), min_size=1, max_size=3), counts)
    def test_parameters_stay_where_p_best_was_measured(self, n: float, won: float, price, happened: float) -> None:
        cell = np.full((1, 1), n)
        kinds = np.full((len(price), 1, 1), happened * n)
        for prior in ((SMALLEST, 1.0), (1.0, 1.0), (1e9, SMALLEST)):
            alpha, beta = net_parameters(prior[0] + won * cell, prior[1] + (1 - won) * cell, kinds, cell, price)
            for value in (alpha[0, 0], beta[0, 0]):
                assert SMALLEST <= value <= LARGEST

    def test_unwanted_outcomes_are_forgotten_with_their_trials(self) -> None:
        two = np.array([[[100.0, 100.0]]])
        seen = Evidence(np.array([0, DAY]), two, two * 0.1, two, two, np.array([[[[4.0, 0.0]]]]))
        old_half = net_parameters(
            np.array([[1 + 5 + 10.0]]), np.array([[1 + 45 + 90.0]]), np.array([[[2.0]]]), np.array([[150.0]]), [5]
        )
        found = beta_posterior(seen, DAY, DAY, penalties=[5])
        assert found.alpha == pytest.approx(old_half[0], rel=1e-12)
        assert found.beta == pytest.approx(old_half[1], rel=1e-12)


class TestNone:
    @given(st.floats(0, 1e6), counts)
    def test_without_penalties_the_posterior_is_today_s_bit_for_bit(self, n: float, won: float) -> None:
        found = beta_posterior(evidence(n, won * n, []), 0, None, 2.0, 7.0)
        assert found.alpha.tobytes() == np.array([[2.0 + won * n]]).tobytes()
        assert found.beta.tobytes() == np.array([[7.0 + (n - won * n)]]).tobytes()
        assert found.mean.tobytes() == (found.alpha / (found.alpha + found.beta)).tobytes()

    def test_penalties_of_zero_are_none(self) -> None:
        found = beta_posterior(evidence(100, 10, [30]), 0, None, penalties=[0.0])
        assert (found.alpha.tolist(), found.beta.tolist(), found.penalty) == ([[11]], [[91]], 0.0)


# Measured once; a bound each, as the approximation is what it is.
REALISTIC = {
    "penalties like the reward": ([2000] * 3, [60, 70, 65], [[4, 12, 6]], (1,), 0.005),
    "a young campaign": ([300] * 3, [9, 6, 12], [[1, 0, 3], [0, 0, 1]], (1, 5), 0.015),
    "an arm nobody has seen": ([20_000, 20_000, 0], [640, 600, 0], [[30, 22, 0], [4, 2, 0]], (5, 20), 0.07),
}


@pytest.mark.parametrize("case", REALISTIC)
def test_p_best_is_near_that_of_joint_draws(case: str) -> None:
    trials, won, happened, price, bound = REALISTIC[case]
    rng = np.random.Generator(np.random.PCG64(9))
    n, k, u = np.array(trials, float), np.array(won, float), np.array(happened, float)
    alpha, beta = net_parameters(1 + k, 29 + n - k, u, n, price)
    found, withheld = prob_best_scored(alpha, beta, 1 + sum(price), np.full(3, sum(price) + 0.01), withhold=True)
    size = (200_000, 3)
    net = rng.beta(1 + k, 29 + n - k, size) - 0.01
    for p, counted in zip(price, u, strict=True):
        net -= p * rng.beta(PENALTY_PRIOR[0] + counted, PENALTY_PRIOR[1] + n - counted, size)
    drawn = np.bincount(np.where(net.max(axis=1) > 0, net.argmax(axis=1), 3), minlength=4) / size[0]
    assert np.abs(np.append(found, withheld) - drawn).max() < bound


class TestPricedPosterior:
    posterior = BetaPosterior(np.array([[40.0, 60.0, 1.0]]), np.array([[960.0, 940.0, 30.0]]))
    everyone = np.ones(3, np.bool_)

    def test_price_zero_is_plain(self) -> None:
        best, withheld = self.posterior.prob_best_priced(0, self.everyone, 0.0, np.array([1.0, 2.0, 3.0]))
        assert best.tobytes() == self.posterior.prob_best(0, self.everyone).tobytes()
        assert withheld == 0.0

    def test_an_arm_that_does_more_harm_than_good_is_withheld_at_any_price(self) -> None:
        net = BetaPosterior(np.array([[59.0]]), np.array([[13.0]]), penalty=5.0)
        _, withheld = net.prob_best_priced(0, np.ones(1, np.bool_), 0.0, np.zeros(1))
        assert withheld == pytest.approx(float(beta_law(59, 13).cdf(5 / 6)), abs=1e-8)

    def test_a_dear_arm_gives_way_to_a_cheap_one(self) -> None:
        costs = np.array([0.01, 0.10, 0.01])
        shares = [self.posterior.prob_best_priced(0, self.everyone, price, costs)[0][1] for price in (0, 0.1, 0.3)]
        assert shares[0] > shares[1] > shares[2]

    def test_ineligible_arms_get_nothing_and_nobody_eligible_is_nothing(self) -> None:
        best, withheld = self.posterior.prob_best_priced(0, np.array([True, False, True]), 1.0, np.full(3, 0.03))
        assert best[1] == 0
        assert best.sum() + withheld == pytest.approx(1)
        best, withheld = self.posterior.prob_best_priced(0, np.zeros(3, np.bool_), 1.0, np.full(3, 0.03))
        assert best.tolist() == [0, 0, 0]
        assert withheld == 0.0

    def test_intervals_are_of_net_rewards(self) -> None:
        net = BetaPosterior(self.posterior.alpha, self.posterior.beta, penalty=5.0)
        lower, upper = net.interval()
        plain = self.posterior.interval()
        assert lower == pytest.approx(6 * plain[0] - 5)
        assert upper == pytest.approx(6 * plain[1] - 5)
        assert np.all((lower < net.mean) & (net.mean < upper))

    @pytest.mark.parametrize(
        ("price", "costs"), [(-1.0, [0, 0, 0]), (1.0, [0, -1, 0]), (np.nan, [0, 0, 0]), (1.0, [1])]
    )
    def test_prices_and_costs_are_not_negative(self, price: float, costs: list[float]) -> None:
        with pytest.raises(ValueError, match="price, costs: found"):
            self.posterior.prob_best_priced(0, self.everyone, price, np.array(costs, float))

    def test_a_penalty_is_not_negative(self) -> None:
        with pytest.raises(ValueError, match="penalty: found"):
            BetaPosterior(self.posterior.alpha, self.posterior.beta, penalty=-1.0)


class TestRefusals:
    def test_more_unwanted_outcomes_than_trials_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"\[0, 0, 0\]: found 11.0 outcomes of penalised kind 0 in 10.0 trials"):
            beta_posterior(evidence(10, 1, [11]), 0, None, penalties=[5])

    def test_every_kind_has_its_penalty(self) -> None:
        with pytest.raises(ValueError, match="penalties: found 2; allowed one for each of 1 kinds"):
            beta_posterior(evidence(10, 1, [1]), 0, None, penalties=[5, 20])

    @pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
    def test_a_penalty_is_a_number_of_at_least_zero(self, bad: float) -> None:
        with pytest.raises(ValueError, match=r"penalties\[0\]: found"):
            beta_posterior(evidence(10, 1, [1]), 0, None, penalties=[bad])
