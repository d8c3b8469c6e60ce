import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, ndtr

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.drawn import N_DRAWS
from optimizer.policy.hierarchical import hierarchical_of, hierarchical_posterior, scales_of
from optimizer.policy.hierarchical_design import TERMS, Design

Floats = NDArray[np.float64]

MESSAGES_ONLY = Design(np.arange(3), np.zeros(3, np.int64))
TWO_BY_TWO = Design(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))


def evidence(trials: Floats, positives: Floats, penalties: Floats | None = None) -> Evidence:
    n, k = np.asarray(trials, np.float64), np.asarray(positives, np.float64)
    days = np.arange(n.shape[2]) * DAY
    return Evidence(days, n, k, k, k, np.zeros((0, *n.shape)) if penalties is None else penalties)


def chance(n: Floats, rates: Floats, seed: int = 0) -> Evidence:
    rng = np.random.Generator(np.random.PCG64(seed))
    n = np.broadcast_to(n, np.broadcast_shapes(np.shape(n), np.shape(rates))).astype(np.int64)
    return evidence(n, rng.binomial(n, rates))


class TestPooling:
    def test_without_evidence_all_arms_are_alike_and_near_the_prior(self) -> None:
        posterior = hierarchical_posterior(Evidence.none(2, 3), 0, None, MESSAGES_ONLY, (2.0, 38.0))
        assert np.ptp(posterior.mean) < 1e-12
        assert posterior.mean[0, 0] == pytest.approx(0.05, rel=0.4)
        assert posterior.prob_best(0, np.ones(3, np.bool_)) == pytest.approx(1 / 3, abs=3 * (2 / 9 / N_DRAWS) ** 0.5)

    def test_a_small_segment_leans_on_the_large_ones(self) -> None:
        n = np.array([4000.0] * 5 + [20.0])[:, None, None] * np.ones((6, 3, 2))
        given_ = evidence(n, n * np.array([0.02, 0.03, 0.06])[:, None])
        posterior = hierarchical_posterior(given_, 0, None, MESSAGES_ONLY)
        assert posterior.prob_best(5, np.ones(3, np.bool_))[2] > 0.9
        assert beta_posterior(given_, 0, None).prob_best(5, np.ones(3, np.bool_))[2] < 0.8

    def test_where_segments_truly_differ_each_keeps_its_own(self) -> None:
        rates = np.where(np.eye(3, dtype=bool), 0.08, 0.04)[:, :, None] * np.ones((3, 3, 2))
        posterior = hierarchical_posterior(chance(np.array(2000.0), rates), 0, None, MESSAGES_ONLY)
        for segment in range(3):
            assert posterior.prob_best(segment, np.ones(3, np.bool_))[segment] > 0.99
        np.testing.assert_allclose(posterior.mean, rates[:, :, 0], rtol=0.2)

    def test_a_new_arm_starts_from_what_its_message_and_targeting_taught(self) -> None:
        messages, targetings = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
        odds = -3.0 + np.array([0.5, 0.0, 0.0, -0.5])[messages] + np.array([0.4, 0.0, -0.4])[targetings]
        n = np.full((1, 12, 2), 3000.0)
        n[0, [0, 11]] = 0.0  # the best message with the best targeting, and the worst with the worst
        posterior = hierarchical_posterior(chance(n, expit(odds)[None, :, None]), 0, None, Design(messages, targetings))
        assert posterior.mean[0].argmax() == 0
        assert posterior.mean[0].argmin() == 11
        assert posterior.prob_best(0, np.ones(12, np.bool_))[0] > 0.6
        lower, upper = posterior.interval()
        assert lower[0, 0] < expit(odds[0]) < upper[0, 0]
        assert upper[0, 0] - lower[0, 0] > 1.5 * (upper[0, 1] - lower[0, 1])  # but less sure than of what was tried

    def test_the_order_of_arms_and_segments_does_not_matter(self) -> None:
        rates = np.random.Generator(np.random.PCG64(1)).uniform(0.02, 0.1, (3, 4, 1))
        given_ = chance(np.full((3, 4, 3), 200.0), rates)
        one = hierarchical_posterior(given_, 0, None, TWO_BY_TWO)
        arms, segments = [2, 0, 3, 1], [1, 2, 0]
        moved = evidence(given_.trials[segments][:, arms], given_.positives[segments][:, arms])
        design = Design(TWO_BY_TWO.messages[arms], TWO_BY_TWO.targetings[arms])
        other = hierarchical_posterior(moved, 0, None, design)
        np.testing.assert_allclose(other.mean, one.mean[segments][:, arms], rtol=1e-9)


class TestSeasons:
    def test_an_arm_that_got_its_traffic_on_good_days_does_not_look_good(self) -> None:
        """Within every period arm 1 is better by a quarter; over all of them arm 0 has the higher rate."""
        good, share = np.tile([0, 0, 0, 0, 0, 1, 1], 4), np.where(np.tile([0, 0, 0, 0, 0, 1, 1], 4), 0.8, 0.3)
        n = 1000 * np.array([[share, 1 - share, np.full(28, 0.2)]])
        rates = np.array([[0.04], [0.05], [0.03]]) * np.where(good, 2.5, 1.0)
        given_ = evidence(n, n * rates)
        alone = beta_posterior(given_, 0, None)
        assert alone.mean[0].argmax() == 0
        posterior = hierarchical_posterior(given_, 0, None, MESSAGES_ONLY)
        assert posterior.prob_best(0, np.ones(3, np.bool_))[1] > 0.99
        assert scales_of(posterior.belief)["period"] == pytest.approx(np.log(2.5) * (10 / 49) ** 0.5, rel=0.3)

    def test_the_expected_rate_is_that_over_all_periods(self) -> None:
        """With equal shares it is what happened: not the rate at average log-odds, which is lower."""
        rates = np.array([0.04, 0.05, 0.06])[:, None] * np.where(np.arange(28) % 7 > 4, 3.0, 1.0)
        n = np.full((1, 3, 28), 2000.0)
        posterior = hierarchical_posterior(evidence(n, n * rates), 0, None, MESSAGES_ONLY)
        np.testing.assert_allclose(posterior.mean[0], rates.mean(axis=1), rtol=0.03)
        np.testing.assert_allclose(posterior.draws.mean(axis=1), posterior.mean, rtol=0.02)

    def test_periods_count_by_their_traffic(self) -> None:
        good = np.arange(28) % 7 > 4
        rates = np.array([0.04, 0.05, 0.06])[:, None] * np.where(good, 2.0, 1.0)
        n = np.where(good, 9000.0, 500.0) * np.ones((1, 3, 1))
        posterior = hierarchical_posterior(evidence(n, n * rates), 0, None, MESSAGES_ONLY)
        np.testing.assert_allclose(posterior.mean[0], (n * rates).sum(axis=2)[0] / n.sum(axis=2)[0], rtol=0.03)

    def test_old_periods_count_less(self) -> None:
        n = np.full((1, 3, 20), 300.0)
        k = n * np.where(np.arange(20) < 10, np.array([[0.08], [0.04], [0.04]]), np.array([[0.04], [0.08], [0.04]]))
        posterior = hierarchical_posterior(evidence(n, k), 20 * DAY, 3 * DAY, MESSAGES_ONLY)
        assert posterior.prob_best(0, np.ones(3, np.bool_))[1] > 0.95


class TestBelief:
    given_ = chance(np.full((3, 4, 5), 150.0), np.array([0.03, 0.04, 0.05, 0.06])[:, None] * np.ones((3, 4, 5)))

    def test_the_same_belief_makes_the_same_posterior_bit_for_bit(self) -> None:
        posterior = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO, seed=(4, 7))
        again = hierarchical_of(posterior.belief)
        for name in ("mean", "success", "draws"):
            np.testing.assert_array_equal(getattr(again, name), getattr(posterior, name))
        assert posterior.draws.shape == (3, N_DRAWS, 4)
        other = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO, seed=(4, 8))
        np.testing.assert_array_equal(other.mean, posterior.mean)
        assert (other.draws != posterior.draws).any()

    def test_a_belief_that_still_holds_is_the_result(self) -> None:
        before = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO, seed=(1,)).belief
        assert hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO, before=before, seed=(2,)).belief is before
        more = self.given_ + chance(np.full((3, 4, 1), 150.0), np.full((3, 4, 1), 0.04))
        assert hierarchical_posterior(more, 0, None, TWO_BY_TWO, before=before, seed=(2,)).belief is not before

    def test_small_changes_add_up_until_they_matter(self) -> None:
        belief = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO).belief
        first, k = belief, self.given_.positives.copy()
        for _ in range(30):
            k[0, 0, 0] += 0.02
            belief = hierarchical_posterior(evidence(self.given_.trials, k), 0, None, TWO_BY_TWO, before=belief).belief
        cold = hierarchical_posterior(evidence(self.given_.trials, k), 0, None, TWO_BY_TWO).belief
        deviation = np.sqrt((cold.arrays["factor"] ** 2).sum(axis=2))
        assert belief is not first
        assert np.abs((belief.arrays["location"] - cold.arrays["location"]) / deviation).max() < 0.03

    @pytest.mark.parametrize("n_arms", [4, 5])
    def test_an_earlier_belief_changes_nothing_but_the_way_there(self, n_arms: int) -> None:
        before = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO).belief
        design = Design(np.array([0, 0, 1, 1, 2])[:n_arms], np.array([0, 1, 0, 1, 0])[:n_arms])
        later = chance(np.full((3, n_arms, 8), 90.0), np.linspace(0.03, 0.07, n_arms)[:, None] * np.ones((3, 1, 8)))
        warm = hierarchical_posterior(later, 0, None, design, before=before)
        cold = hierarchical_posterior(later, 0, None, design)
        np.testing.assert_allclose(warm.mean, cold.mean, rtol=0.01)
        np.testing.assert_allclose(warm.draws.std(axis=1), cold.draws.std(axis=1), rtol=0.03)

    def test_the_belief_of_another_model_is_left_aside(self) -> None:
        other = beta_posterior(self.given_, 0, None).belief
        found = hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO, before=other)
        np.testing.assert_array_equal(found.mean, hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO).mean)

    def test_scales_go_by_the_names_of_terms(self) -> None:
        found = scales_of(hierarchical_posterior(self.given_, 0, None, TWO_BY_TWO).belief)
        assert tuple(found) == TERMS
        assert all(0.0 < scale < 2.0 for scale in found.values())


class TestPenalties:
    def test_they_are_taken_off_at_the_rate_at_which_they_happen(self) -> None:
        n = np.full((2, 3, 2), 500.0)
        happened = np.stack([np.array([[0.0], [2.0], [9.0]]) * np.ones((2, 3, 2))])
        plain = hierarchical_posterior(evidence(n, 0.05 * n), 0, None, MESSAGES_ONLY)
        net = hierarchical_posterior(evidence(n, 0.05 * n, happened), 0, None, MESSAGES_ONLY, penalties=(3.0,))
        rate = (0.5 + happened[0].sum(axis=2)) / (250.0 + 1000.0)
        np.testing.assert_allclose(net.mean, plain.mean - 3.0 * rate, rtol=1e-12)
        np.testing.assert_array_equal(net.success, plain.success)
        error = net.draws.std(axis=1) / N_DRAWS**0.5
        assert (np.abs(net.draws.mean(axis=1) - net.mean) < 4 * error).all()
        assert net.prob_best(0, np.ones(3, np.bool_)).argmax() == 0

    def test_their_draws_have_the_distribution_of_the_rate(self) -> None:
        n = np.full((1, 3, 1), 1e3)
        happened = np.array([0.0, 1.0, 40.0]).reshape(1, 1, 3, 1)
        plain = hierarchical_posterior(evidence(n, 0.05 * n), 0, None, MESSAGES_ONLY)
        net = hierarchical_posterior(evidence(n, 0.05 * n, happened), 0, None, MESSAGES_ONLY, penalties=(1.0,))
        for arm, count in enumerate([0.0, 1.0, 40.0]):
            drawn = np.sort((plain.draws - net.draws)[0, :, arm])
            levels = ndtr(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
            expected = betaincinv(0.5 + count, 249.5 + 1e3 - count, levels)
            below = np.searchsorted(drawn, expected) / N_DRAWS
            assert (np.abs(below - levels) < 4 * (levels * (1 - levels) / N_DRAWS) ** 0.5 + 0.004).all()

    def test_refuses_another_number_of_penalties_than_of_kinds(self) -> None:
        with pytest.raises(ValueError, match=r"^penalties: found 1; allowed one for each of 0 kinds$"):
            hierarchical_posterior(Evidence.none(1, 3), 0, None, MESSAGES_ONLY, penalties=(1.0,))
        with pytest.raises(ValueError, match=r"^penalties\[0\]: found -1.0"):
            hierarchical_posterior(Evidence.none(1, 3, 1), 0, None, MESSAGES_ONLY, penalties=(-1.0,))


def test_refuses_a_design_of_other_arms() -> None:
    with pytest.raises(ValueError, match=r"^design: found 3 arms; allowed 4, as in the evidence$"):
        hierarchical_posterior(Evidence.none(1, 4), 0, None, MESSAGES_ONLY)


@settings(max_examples=25, deadline=None)
@given(
    n=arrays(np.float64, (2, 4, 3), elements=st.floats(0.0, 1e6) | st.just(0.0)),
    share=arrays(np.float64, (2, 4, 3), elements=st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0])),
)
def test_whatever_was_seen_every_number_is_one(n: Floats, share: Floats) -> None:
    posterior = hierarchical_posterior(evidence(n, n * share), 0, None, TWO_BY_TWO)
    assert ((posterior.mean >= 0.0) & (posterior.mean <= 1.0)).all()
    assert ((posterior.draws >= 0.0) & (posterior.draws <= 1.0)).all()
    assert posterior.prob_best(0, np.ones(4, np.bool_)).sum() == pytest.approx(1.0)
    assert all(np.isfinite(values).all() for values in posterior.belief.arrays.values())
