import numpy as np
import pytest
from scipy.special import betainc

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.beta_bernoulli import BetaPosterior, beta_posterior


def evidence(trials: list[list[list[float]]], positives: list[list[list[float]]], buckets: list[int]) -> Evidence:
    n, k = np.array(trials, np.float64), np.array(positives, np.float64)
    return Evidence(np.array(buckets, np.int64), trials=n, positives=k, rewards=3 * k, squares=9 * k)


TWO_DAYS = evidence([[[100, 50], [40, 0]]], [[[10, 20], [4, 0]]], [0, DAY])


class TestPosterior:
    def test_no_evidence_leaves_the_prior(self) -> None:
        posterior = beta_posterior(Evidence.none(2, 3), now=0, half_life=DAY, prior_alpha=2, prior_beta=7)
        assert posterior.alpha.tolist() == [[2] * 3] * 2
        assert posterior.beta.tolist() == [[7] * 3] * 2

    def test_without_forgetting_it_counts_successes_and_failures(self) -> None:
        posterior = beta_posterior(TWO_DAYS, now=30 * DAY, half_life=None)
        assert posterior.alpha.tolist() == [[31, 5]]
        assert posterior.beta.tolist() == [[121, 37]]

    def test_a_bucket_one_half_life_old_counts_half_and_the_prior_counts_whole(self) -> None:
        posterior = beta_posterior(TWO_DAYS, now=DAY, half_life=DAY)
        assert posterior.alpha.tolist() == [[1 + 5 + 20, 1 + 2]]
        assert posterior.beta.tolist() == [[1 + 45 + 30, 1 + 18]]

    def test_evidence_from_two_sources_adds(self) -> None:
        other = evidence([[[7], [9]]], [[[1], [0]]], [2 * DAY])
        both = beta_posterior(TWO_DAYS + other, now=3 * DAY, half_life=None)
        assert both.alpha.tolist() == [[32, 5]]
        assert both.beta.tolist() == [[127, 46]]

    def test_mean_is_the_share_of_successes(self) -> None:
        assert BetaPosterior(np.array([[3.0]]), np.array([[9.0]])).mean.tolist() == [[0.25]]

    @pytest.mark.parametrize("half_life", [0, -DAY])
    def test_a_half_life_must_be_positive(self, half_life: int) -> None:
        with pytest.raises(ValueError, match="half_life: found"):
            beta_posterior(TWO_DAYS, now=0, half_life=half_life)

    @pytest.mark.parametrize("prior", [0.0, -1.0, np.nan, np.inf])
    def test_a_prior_must_be_positive(self, prior: float) -> None:
        with pytest.raises(ValueError, match="prior_alpha: found"):
            beta_posterior(TWO_DAYS, now=0, half_life=None, prior_alpha=prior)
        with pytest.raises(ValueError, match="prior_beta: found"):
            beta_posterior(TWO_DAYS, now=0, half_life=None, prior_beta=prior)

    @pytest.mark.parametrize("positives", [-1, 6, np.nan])
    def test_impossible_evidence_is_named(self, positives: float) -> None:
        with pytest.raises(ValueError, match=r"\[0, 1, 0\]: found .* positives in 5.0 trials"):
            beta_posterior(evidence([[[5], [5]]], [[[5], [positives]]], [0]), now=0, half_life=None)

    def test_a_posterior_has_segments_and_arms(self) -> None:
        with pytest.raises(ValueError, match="found shape"):
            BetaPosterior(np.ones(3), np.ones(3))
        with pytest.raises(ValueError, match=r"beta\[0, 1\]: found nan"):
            BetaPosterior(np.ones((1, 2)), np.array([[1, np.nan]]))


class TestInterval:
    def test_it_holds_its_level_with_equal_tails(self) -> None:
        posterior = BetaPosterior(np.array([[3.0, 0.5], [500.0, 1e7]]), np.array([[30.0, 0.5], [9500.0, 1e7]]))
        lower, upper = posterior.interval(0.9)
        assert betainc(posterior.alpha, posterior.beta, lower) == pytest.approx(np.full((2, 2), 0.05))
        assert betainc(posterior.alpha, posterior.beta, upper) == pytest.approx(np.full((2, 2), 0.95))

    def test_the_uniform_prior_has_a_known_one(self) -> None:
        lower, upper = BetaPosterior(np.ones((1, 1)), np.ones((1, 1))).interval()
        assert (lower.item(), upper.item()) == pytest.approx((0.025, 0.975))

    @pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 95.0, np.nan])
    def test_a_level_is_a_probability(self, level: float) -> None:
        with pytest.raises(ValueError, match="level: found"):
            BetaPosterior(np.ones((1, 1)), np.ones((1, 1))).interval(level)


class TestProbBest:
    posterior = BetaPosterior(np.array([[1, 1, 1], [600, 700, 3]]), np.array([[1, 1, 1], [9400, 9300, 47]]))

    def test_a_mask_recomputes_and_does_not_truncate(self) -> None:
        """Arm 0 is a solid second to arm 1 and arm 2 a guess: without arm 1, arm 0 wins 57 %, not 0.4 %."""
        everyone = self.posterior.prob_best(1, np.ones(3, np.bool_))
        without = self.posterior.prob_best(1, np.array([True, False, True]))
        truncated = everyone[0] / (everyone[0] + everyone[2])
        assert everyone == pytest.approx([0.001292, 0.673973, 0.324735], abs=1e-6)
        assert without == pytest.approx([0.569383, 0, 0.430617], abs=1e-6)
        assert truncated == pytest.approx(0.004, abs=1e-4)

    def test_arms_that_are_not_eligible_get_nothing(self) -> None:
        for mask in np.ndindex(2, 2, 2):
            eligible = np.array(mask, np.bool_)
            best = self.posterior.prob_best(0, eligible)
            assert np.all(best[~eligible] == 0)
            assert best.sum() == pytest.approx(float(eligible.any()))

    @pytest.mark.parametrize("eligible", [np.ones(2, np.bool_), np.ones((1, 3), np.bool_), np.ones(3, np.int_)])
    def test_a_mask_has_one_truth_value_per_arm(self, eligible: np.ndarray) -> None:
        with pytest.raises(ValueError, match="eligible: found"):
            self.posterior.prob_best(0, eligible)
