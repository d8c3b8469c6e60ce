"""Rejection replay, against one that draws row by row and against campaigns that are run live."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.allocation import allocation
from optimizer.policy.prob_best import prob_best
from optimizer.simulation.replay import Replayed, band, replay
from optimizer.simulation.replay_log import Course, batches_of_rows, batches_of_time, replay_log
from optimizer.strategy.policy_settings import PolicySettings, ResolvedPolicy, resolved_policy

RATES = np.array([[0.1, 0.2, 0.3], [0.35, 0.2, 0.1]])  # [S, A]
GREEDY = resolved_policy(PolicySettings(floor=0.0))
K = 4.0  # standard errors allowed


def rng_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def logged(
    n: int, seed: int, propensities: NDArray[np.float64] | None = None, rates: NDArray[np.float64] = RATES
) -> LoggedFeedback:
    """A log of Bernoulli rewards; propensities ``[S, A]``, or an equal split."""
    rng = rng_of(seed)
    n_segments, n_arms = rates.shape
    shares = np.full(rates.shape, 1 / n_arms) if propensities is None else propensities
    segments = rng.integers(0, n_segments, n)
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)[segments]).sum(axis=1).clip(0, n_arms - 1)
    rewards = (rng.random(n) < rates[segments, arms]).astype(float)
    variants, names = tuple("abcdefgh"[:n_arms]), tuple(f"s{s}" for s in range(n_segments))
    return LoggedFeedback(variants, names, arms, segments, shares[segments, arms], rewards)


def one_by_one(feedback: LoggedFeedback, size: int, floor: float, rng: np.random.Generator) -> tuple[float, int]:
    """Algorithm 2 as it is written: a draw for each row, kept if it is the logged arm, learned from after the batch."""
    alpha, beta = np.ones(RATES.shape), np.ones(RATES.shape)
    everything = np.ones(RATES.shape, bool)
    total, n = 0.0, 0
    order = rng.permutation(len(feedback))
    for start in range(0, len(feedback), size):
        shares = allocation(prob_best(alpha, beta), everything, floor, 1.0)
        seen = []
        for row in order[start : start + size]:
            segment, arm = feedback.segments[row], feedback.arms[row]
            if (rng.random() >= shares[segment].cumsum()).sum() == arm:
                seen.append((segment, arm, feedback.rewards[row]))
        for segment, arm, reward in seen:
            alpha[segment, arm] += reward
            beta[segment, arm] += 1 - reward
            total, n = total + reward, n + 1
    return total / n, n


def live(size: int, n_batches: int, floor: float, rng: np.random.Generator) -> tuple[float, int]:
    """Reward and decisions of a campaign in the true world, refreshed when replay of an equal split would be."""
    alpha, beta = np.ones(RATES.shape), np.ones(RATES.shape)
    everything = np.ones(RATES.shape, bool)
    total, n = 0.0, 0
    for _ in range(n_batches):
        shares = allocation(prob_best(alpha, beta), everything, floor, 1.0)
        by_cell = rng.multinomial(rng.binomial(size, 1 / 3), shares.ravel() / 2).reshape(RATES.shape)
        rewarded = rng.binomial(by_cell, RATES)
        alpha, beta = alpha + rewarded, beta + by_cell - rewarded
        total, n = total + rewarded.sum(), n + by_cell.sum()
    return total, n


N_RUNS, N_BATCHES = 200, 12


@pytest.fixture(scope="module")
def campaigns() -> NDArray[np.float64]:
    """Reward and decisions of live campaigns with 20 decisions between refreshes on average, ``[2, N_RUNS]``."""
    return np.array([live(60, N_BATCHES, 0.02, rng_of(10_000 + k)) for k in range(N_RUNS)]).T


@pytest.mark.slow
class TestAgainstReferences:
    def test_it_earns_what_a_replay_row_by_row_does(self) -> None:
        feedback = logged(600, seed=1)
        reference = np.array([one_by_one(feedback, 60, 0.05, rng_of(100 + k)) for k in range(80)])
        log = replay_log(feedback, Course(batches_of_rows(600, 60)))
        done = replay(log, replace(GREEDY, floor=0.05), 1, range(300))
        apart = done.mean_reward - reference[:, 0].mean()
        error = reference[:, 0].std(ddof=1) / len(reference) ** 0.5
        assert abs(apart) < K * (error**2 + done.standard_error**2) ** 0.5
        assert reference[:, 0].std(ddof=1) == pytest.approx(done.mean_rewards.std(ddof=1), rel=K / (2 * 80) ** 0.5)
        n_apart = done.accepted[:, -1].mean() - reference[:, 1].mean()
        assert abs(n_apart) < K * (600 * (1 / 3) * (2 / 3) * (1 / 80 + 1 / 300)) ** 0.5

    @pytest.mark.parametrize("order", ["shuffled", pytest.param("logged", marks=pytest.mark.slow)])
    def test_over_many_logs_it_earns_what_the_campaign_earns_live(self, order: str, campaigns) -> None:
        """Fresh logs, so that their chance is in both; rewards and decisions are compared, as ratios are biased."""
        policy = replace(GREEDY, floor=0.02)
        here = []
        for k in range(N_RUNS):
            log = replay_log(logged(60 * N_BATCHES, seed=k), Course([60] * N_BATCHES, order))
            done = replay(log, policy, 1, [k])
            here.append((done.rewards[0, -1], done.accepted[0, -1]))
        for one, other in zip(np.array(here).T, campaigns, strict=True):
            error = ((one.var(ddof=1) + other.var(ddof=1)) / N_RUNS) ** 0.5
            assert abs(one.mean() - other.mean()) < K * error

    @pytest.mark.slow
    def test_constant_propensities_that_differ_leave_it_unbiased(self, campaigns) -> None:
        """The smallest is .2, so a fifth of 100 rows is accepted: 20 decisions between refreshes, as live."""
        propensities = np.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])
        policy = replace(GREEDY, floor=0.02)
        rewards, accepted = np.zeros(N_RUNS), np.zeros(N_RUNS)
        chosen = np.zeros(2)
        for k in range(N_RUNS):
            log = replay_log(logged(100 * N_BATCHES, k, propensities), Course([100] * N_BATCHES))
            done = replay(log, policy, 1, [k])
            rewards[k], accepted[k] = done.rewards[0, -1], done.accepted[0, -1]
            chosen += done.chosen[0].sum(axis=1)
        assert abs(accepted.mean() - 0.2 * 100 * N_BATCHES) < K * accepted.std() / N_RUNS**0.5
        error = ((rewards.var() + campaigns[0].var()) / N_RUNS) ** 0.5
        assert abs(rewards.mean() - campaigns[0].mean()) < K * error
        assert abs(chosen[0] / chosen.sum() - 0.5) < K * 0.5 / chosen.sum() ** 0.5

    def test_rows_of_larger_propensity_are_accepted_less_often(self) -> None:
        propensities = np.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])
        log = replay_log(logged(9_000, 1, propensities), Course([9_000]))
        done = replay(log, GREEDY, 1, range(50))
        n = done.accepted[:, -1].sum()
        assert abs(n / 50 - 0.2 * 9_000) < K * (0.2 * 0.8 * 9_000 / 50) ** 0.5 + 0.02 * 9_000 * 0.2
        shares = done.chosen.sum(axis=0) / n
        log_noise = K * (1 / 6 / 1_800) ** 0.5  # the log itself has 900 rows of its rarest kind
        assert np.abs(shares - 1 / 6).max() < log_noise


class TestPermutations:
    def test_each_depends_on_seed_and_number_alone(self) -> None:
        log = replay_log(logged(2_000, 3), Course(batches_of_rows(2_000, 100)))
        together = replay(log, GREEDY, 5, range(25))
        apart = replay(log, GREEDY, 5, range(7)) + replay(log, GREEDY, 5, [7]) + replay(log, GREEDY, 5, range(8, 25))
        for name in ("points", "accepted", "rewards", "squares", "chosen", "allocation"):
            assert getattr(together, name).tobytes() == getattr(apart, name).tobytes(), name
        assert len(together) == 25

    def test_each_deals_every_row_once(self) -> None:
        """With a single variant everything is accepted, so what was dealt is what was accepted."""
        feedback = logged(500, 3, rates=np.array([[0.3], [0.7]]))
        done = replay(replay_log(feedback, Course(batches_of_rows(500, 90))), GREEDY, 5, range(9))
        assert (done.accepted == done.points).all()
        assert (done.rewards[:, -1] == feedback.rewards.sum()).all()
        assert (done.chosen[:, :, 0] == np.bincount(feedback.segments)).all()
        assert len(set(done.rewards[:, 0])) > 1

    def test_they_differ_from_each_other_and_with_the_seed(self) -> None:
        log = replay_log(logged(2_000, 3), Course(batches_of_rows(2_000, 100)))
        one, other = (replay(log, GREEDY, seed, range(30)) for seed in (1, 2))
        paths = {permutation.tobytes() for done in (one, other) for permutation in done.accepted}
        assert len(paths) == 60

    def test_those_of_a_policy_that_forgets_do_not_depend_on_their_company(self) -> None:
        feedback = replace(logged(2_000, 3), decided_at=np.arange(2_000) * HOUR // 7)
        log = replay_log(feedback, Course(batches_of_rows(2_000, 100), "logged"))
        forgetful = replace(GREEDY, half_life=DAY)
        together = replay(log, forgetful, 5, range(6))
        apart = replay(log, forgetful, 5, range(2)) + replay(log, forgetful, 5, range(2, 6))
        assert together.rewards.tobytes() == apart.rewards.tobytes()

    def test_those_of_two_logs_do_not_add(self) -> None:
        one, other = (replay(replay_log(logged(n, 3), Course([n])), GREEDY, 5, [0]) for n in (20, 30))
        with pytest.raises(ValueError, match="found those of another log"):
            _ = one + other

    def test_none_are_refused(self) -> None:
        with pytest.raises(ValueError, match="permutations: found none"):
            replay(replay_log(logged(20, 3), Course([20])), GREEDY, 5, [])


class TestLearning:
    def test_the_first_batch_is_an_equal_split_and_the_last_is_not(self) -> None:
        log = replay_log(logged(9_000, 3), Course(batches_of_rows(9_000, 300)))
        done = replay(log, GREEDY, 1, range(40))
        assert done.allocation.mean(axis=0)[0, 2] > 0.95
        assert done.allocation.mean(axis=0)[1, 0] > 0.95
        first = done.rewards[:, 0].sum() / done.accepted[:, 0].sum()
        assert abs(first - RATES.mean()) < K * (RATES.mean() * (1 - RATES.mean()) / 9_000) ** 0.5 + 0.01
        assert done.curve[:, -1].mean() > done.curve[:, 0].mean() + 0.05

    def test_one_batch_never_learns(self) -> None:
        done = replay(replay_log(logged(9_000, 3), Course([9_000])), GREEDY, 1, range(40))
        expected = done.log.equal_split
        assert abs(done.mean_reward - expected) < K * done.standard_error
        assert np.abs(done.shares.mean(axis=0) - 1 / 3).max() < K * (2 / 9 / (3_000 * 40)) ** 0.5 + 0.01

    @pytest.mark.parametrize(
        ("settings", "least", "most"), [({"floor": 0.2}, 0.2, 0.6), ({"floor": 0.0, "cap": 0.5}, 0.0, 0.5)]
    )
    def test_floor_and_cap_hold(self, settings: dict[str, float], least: float, most: float) -> None:
        policy = resolved_policy(PolicySettings(**settings))
        done = replay(replay_log(logged(9_000, 3), Course(batches_of_rows(9_000, 300))), policy, 1, range(5))
        assert done.allocation.min() >= least - 1e-9
        assert done.allocation.max() == pytest.approx(most, abs=1e-6)

    def test_a_prior_worth_more_than_the_log_keeps_the_equal_split(self) -> None:
        policy = replace(GREEDY, prior_successes=1e6, prior_failures=1e6)
        done = replay(replay_log(logged(3_000, 3), Course(batches_of_rows(3_000, 300))), policy, 1, range(5))
        assert np.abs(done.allocation - 1 / 3).max() < 0.15

    def test_a_policy_that_forgets_follows_a_world_that_turns(self) -> None:
        """Halfway the best arm becomes the worst: of the last fifth, only the forgetful policy earns the most."""
        one = logged(6_000, 1, rates=np.array([[0.1, 0.4]]))
        two = logged(6_000, 2, rates=np.array([[0.4, 0.1]]))
        both = {name: np.concatenate([getattr(one, name), getattr(two, name)]) for name in ("arms", "rewards")}
        feedback = replace(
            one,
            **both,
            segments=np.zeros(12_000, np.int64),
            propensities=np.full(12_000, 0.5),
            features=np.zeros((12_000, 0)),
            decided_at=np.arange(12_000) * HOUR // 50,  # ten days
        )
        log = replay_log(feedback, Course(batches_of_time(feedback.decided_at, 4 * HOUR), "logged"))
        forgetful, not_at_all = (
            replay(log, replace(GREEDY, half_life=half_life), 1, range(8)) for half_life in (DAY // 2, None)
        )

        def late(done: Replayed) -> float:
            place = np.searchsorted(done.points, 9_600)
            return float(
                (
                    (done.rewards[:, -1] - done.rewards[:, place]) / (done.accepted[:, -1] - done.accepted[:, place])
                ).mean()
            )

        assert late(forgetful) > 0.35
        assert late(not_at_all) < 0.3

    def test_forgetting_needs_times(self) -> None:
        with pytest.raises(ValueError, match="half_life: found one, and a log without the time"):
            replay(replay_log(logged(20, 3), Course([20])), replace(GREEDY, half_life=DAY), 5, [0])

    def test_penalties_are_learned_from(self) -> None:
        """Both arms have the same reward rate; one makes a fifth of its recipients unsubscribe."""
        n = 6_000
        rng = rng_of(1)
        arms = rng.integers(0, 2, n)
        earned, left = rng.random(n) < 0.3, rng.random(n) < np.where(arms == 1, 0.2, 0.0)
        feedback = LoggedFeedback(
            ("a", "b"), ("all",), arms, np.zeros(n, np.int64), np.full(n, 0.5), earned - 0.7 * left,
            outcomes={"unsubscribed": left.astype(float)},
        )  # fmt: skip
        log = replay_log(feedback, Course(batches_of_rows(n, 200), penalties={"unsubscribed": 0.7}))
        positives = (log.counts[0] * log.kinds.events[0]).sum()
        assert positives == earned.sum()
        assert (log.counts[0] * log.kinds.events[1]).sum() == left.sum()
        done = replay(log, GREEDY, 1, range(5))
        assert done.allocation[:, 0, 0].min() > 0.95
        assert done.mean_reward == pytest.approx(0.3, abs=0.05)

    def test_a_penalty_that_the_log_does_not_know_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"penalties: found unsubscribed; allowed outcomes of the log: \[\]"):
            replay_log(logged(20, 3), Course([20], penalties={"unsubscribed": 1.0}))


class TestEligibility:
    def test_arms_are_only_accepted_where_they_were_eligible(self) -> None:
        """Two of three arms for half of the rows, with 1/2 each, and all three with 1/3 for the others."""
        n = 6_000
        rng = rng_of(1)
        two = rng.random(n) < 0.5
        arms = np.where(two, rng.integers(0, 2, n), rng.integers(0, 3, n))
        eligible = np.ones((n, 3), bool)
        eligible[two, 2] = False
        rewards = (rng.random(n) < np.array([0.1, 0.2, 0.4])[arms]).astype(float)
        feedback = LoggedFeedback(
            tuple("abc"), ("all",), arms, np.zeros(n, np.int64), np.where(two, 1 / 2, 1 / 3), rewards, eligible=eligible
        )
        log = replay_log(feedback, Course(batches_of_rows(n, 200)))
        assert sorted(log.menus.eligible.sum(axis=1)) == [2, 3]
        done = replay(log, GREEDY, 1, range(20))
        narrow = int(np.argmin(log.menus.eligible.sum(axis=1)))
        assert (done.allocation[:, narrow, 2] == 0).all()
        assert done.allocation[:, narrow, 1].mean() > 0.9
        assert done.allocation[:, 1 - narrow, 2].mean() > 0.9
        # A third of either menu is accepted, so that the mix of menus stays what it was.
        assert abs(done.accepted[:, -1].mean() - n / 3) < K * (n * 2 / 9 / 20) ** 0.5 + 0.01 * n
        assert log.equal_split == pytest.approx(rewards.mean(), rel=1e-12)  # it was logged by one
        assert log.fixed[2] == pytest.approx(0.4, abs=0.05)


class TestRefusals:
    def test_propensities_that_differ_within_a_segment_and_variant(self) -> None:
        feedback = logged(300, 3)
        varying = replace(feedback, propensities=np.where(np.arange(300) < 150, 1 / 3, 1 / 4))
        with pytest.raises(ValueError, match=r"propensities of . in s.: found 0\.\d+ and 0\.\d+; .*doubly robustly"):
            replay_log(varying, Course([300]))

    def test_propensities_written_as_decimals_are_taken_for_one(self) -> None:
        feedback = logged(300, 3)
        rounded = replace(feedback, propensities=np.where(np.arange(300) % 2, 0.3333333, 0.33333331))
        assert len(replay(replay_log(rounded, Course([300])), GREEDY, 1, [0])) == 1

    def test_an_arm_the_log_could_not_show(self) -> None:
        feedback = logged(300, 3, np.array([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]))
        with pytest.raises(ValueError, match="c in s0: found no chance of being logged"):
            replay_log(feedback, Course([300]))

    @pytest.mark.parametrize("sizes", [[], [299], [301], [300, 0], [400, -100]])
    def test_batches_that_do_not_make_up_the_log(self, sizes: list[int]) -> None:
        with pytest.raises(ValueError, match="sizes: found"):
            replay_log(logged(300, 3), Course(sizes))

    def test_batches_of_nothing(self) -> None:
        with pytest.raises(ValueError, match="size: found 0"):
            batches_of_rows(10, 0)
        with pytest.raises(ValueError, match="refresh: found 0"):
            batches_of_time(np.arange(3), 0)

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_bands_of_no_level(self, level: float) -> None:
        with pytest.raises(ValueError, match="level: found"):
            band(np.zeros((3, 2)), level)


@pytest.fixture(scope="module")
def done() -> Replayed:
    log = replay_log(logged(3_000, 3), Course(batches_of_rows(3_000, 12)))
    return replay(log, GREEDY, 1, range(4))


class TestNumbers:
    def test_curves_end_where_the_totals_are(self, done: Replayed) -> None:
        assert len(done.points) == 200
        assert done.points[-1] == 3_000
        assert (np.diff(done.points) > 0).all()
        assert (done.accepted[:, -1] == done.chosen.sum(axis=(1, 2))).all()
        assert np.allclose(done.shares.sum(axis=1), 1.0)
        lower, upper = band(done.mean_rewards)
        assert lower < done.mean_reward < upper

    def test_regret_is_against_the_best_single_variant(self, done: Replayed) -> None:
        name, value = done.best_fixed
        rewards = {v: logged(3_000, 3).rewards[logged(3_000, 3).arms == arm].mean() for arm, v in enumerate("abc")}
        assert value == pytest.approx(max(rewards.values()))
        assert rewards[name] == max(rewards.values())
        assert done.regret[:, -1] == pytest.approx(done.accepted[:, -1] * (value - done.mean_rewards))

    def test_the_equal_split_of_an_equal_split_is_its_mean(self) -> None:
        feedback = logged(3_000, 3)
        assert replay_log(feedback, Course([3_000])).equal_split == pytest.approx(feedback.rewards.mean(), rel=1e-12)

    def test_the_error_of_one_is_that_of_a_proportion(self, done: Replayed) -> None:
        p, n = done.mean_rewards, done.accepted[:, -1]
        assert done.standard_error_of_one == pytest.approx((p * (1 - p) / n).mean() ** 0.5)

    def test_rewards_of_any_size_count_in_full(self) -> None:
        """Money: a mean of kinds, equal to that of their rows over all permutations."""
        feedback = logged(3_000, 3)
        spent = replace(feedback, rewards=feedback.rewards * rng_of(9).exponential(20.0, 3_000))
        done = replay(replay_log(spent, Course([3_000])), GREEDY, 1, range(60))
        assert abs(done.mean_reward - done.log.equal_split) < K * done.standard_error
        assert done.standard_error_of_one == pytest.approx(spent.rewards.std() / 1_000**0.5, rel=0.1)


class TestBatches:
    @given(st.integers(0, 500), st.integers(1, 60))
    def test_rows_are_cut_into_equal_batches_and_a_rest(self, n: int, size: int) -> None:
        sizes = batches_of_rows(n, size)
        assert sizes.sum() == n
        assert (sizes[:-1] == size).all()
        assert ((sizes > 0) & (sizes <= size)).all()

    @given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50), st.integers(1, 10**5))
    def test_batches_of_time_hold_what_falls_between_two_refreshes(self, times: list[int], refresh: int) -> None:
        sizes = batches_of_time(np.array(times), refresh)
        ordered = np.sort(times)
        ends = [0, *np.cumsum(sizes)]
        assert ends[-1] == len(times)
        for first, last in pairwise(ends):
            assert len(set(ordered[first:last] // refresh)) == 1

    @settings(deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_the_order_of_a_log_with_times_does_not_matter(self, random) -> None:
        feedback = replace(logged(200, 3), decided_at=np.arange(200) * HOUR)
        order = list(range(200))
        random.shuffle(order)
        course = Course(batches_of_rows(200, 50), "logged")
        one, other = replay_log(feedback, course), replay_log(feedback.taken(np.array(order)), course)
        assert np.array_equal(one.counts, other.counts)
        assert np.array_equal(one.opens, other.opens)


def test_policies_are_those_of_campaigns() -> None:
    assert isinstance(GREEDY, ResolvedPolicy)
