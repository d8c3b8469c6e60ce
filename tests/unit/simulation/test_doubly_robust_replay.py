"""Doubly robust replay: unbiased whatever the propensities and whatever the model says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.allocation import allocation
from optimizer.policy.prob_best import prob_best
from optimizer.simulation.doubly_robust_replay import Acceptance, doubly_robust_replay
from optimizer.simulation.replay_log import Course, batches_of_rows, replay_log
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy

RATES = np.array([[0.1, 0.2, 0.4], [0.45, 0.2, 0.1]])  # [S, A]
POLICY = resolved_policy(PolicySettings(floor=0.02))
LEAST = 0.15  # smallest propensity of the logs below
SIZE, N_BATCHES, N_RUNS = 80, 10, 200
K = 3.0  # standard errors allowed

Predictions = Callable[[LoggedFeedback], NDArray[np.float64]]


def rng_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def logged(n: int, seed: int) -> LoggedFeedback:
    """Propensities that differ from row to row, as those of a policy that knows more than the segment."""
    rng = rng_of(seed)
    shares = LEAST + (1 - 3 * LEAST) * rng.dirichlet([0.5] * 3, n)
    segments = rng.integers(0, 2, n)
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    rewards = (rng.random(n) < RATES[segments, arms]).astype(float)
    return LoggedFeedback(("a", "b", "c"), ("s0", "s1"), arms, segments, shares[np.arange(n), arms], rewards)


def live(constant: float, rng: np.random.Generator) -> tuple[float, float]:
    """Expected reward of the allocations of a live campaign that makes `constant` times SIZE decisions a batch."""
    alpha, beta = np.ones(RATES.shape), np.ones(RATES.shape)
    values, counts = [], []
    for _ in range(N_BATCHES):
        shares = allocation(prob_best(alpha, beta), np.ones(RATES.shape, bool), POLICY.floor, 1.0)
        by_cell = rng.multinomial(rng.binomial(SIZE, constant), shares.ravel() / 2).reshape(RATES.shape)
        rewarded = rng.binomial(by_cell, RATES)
        alpha, beta = alpha + rewarded, beta + by_cell - rewarded
        values.append((shares * RATES).sum() / 2)
        counts.append(by_cell.sum())
    return float(np.mean(values)), float(np.sum(counts))


@pytest.fixture(scope="module")
def campaigns() -> NDArray[np.float64]:
    """Mean reward and decisions of live campaigns, ``[2, N_RUNS]``."""
    return np.array([live(LEAST, rng_of(10_000 + k)) for k in range(N_RUNS)]).T


MODELS: dict[str, Predictions] = {
    "true": lambda feedback: RATES[feedback.segments],
    "of segments": lambda _: np.full((2, 3), 0.3),
    "wrong": lambda feedback: np.tile([0.9, -0.5, 0.1], (len(feedback), 1)),
}


@pytest.mark.parametrize(
    "model", ["true", *(pytest.param(m, marks=pytest.mark.slow) for m in ("of segments", "wrong"))]
)
def test_it_is_unbiased_where_rejection_replay_refuses(model: str, campaigns) -> None:
    """With the constant held at the smallest propensity, the campaign is the live one in every respect."""
    course = Course([SIZE] * N_BATCHES)
    with pytest.raises(ValueError, match="replay such a log doubly robustly"):
        replay_log(logged(SIZE * N_BATCHES, 0), course)
    means, accepted = np.zeros((2, N_RUNS))
    for k in range(N_RUNS):
        done = doubly_robust_replay(
            logged(SIZE * N_BATCHES, k), MODELS[model], POLICY, course,
            seed=1, permutations=[k], acceptance=Acceptance(most=LEAST),
        )  # fmt: skip
        means[k], accepted[k] = done.mean_reward, done.accepted[0, -1]
    for here, there in ((means, campaigns[0]), (accepted, campaigns[1])):
        assert abs(here.mean() - there.mean()) < K * ((here.var() + there.var()) / N_RUNS) ** 0.5


def test_a_permutation_says_its_own_error() -> None:
    """Of a policy that never learns, over 300 logs: the spread is known within 3 / (2 * 300) ** .5 of itself."""
    course = Course([400])
    done = [
        doubly_robust_replay(logged(400, k), MODELS["of segments"], POLICY, course, seed=1, permutations=[k])
        for k in range(300)
    ]
    spread = np.std([one.mean_reward for one in done])
    assert np.mean([one.standard_error_of_one for one in done]) == pytest.approx(spread, rel=K / (2 * 300) ** 0.5)


def test_a_constant_that_follows_the_allocation_learns_from_more_rows() -> None:
    feedback = logged(4_000, 1)
    course = Course(batches_of_rows(4_000, 200))

    def accepted(acceptance: Acceptance) -> float:
        done = doubly_robust_replay(
            feedback, MODELS["true"], POLICY, course, seed=1, permutations=range(5), acceptance=acceptance
        )
        return float(done.accepted[:, -1].mean())

    held, exact, some = (accepted(a) for a in (Acceptance(most=LEAST), Acceptance(), Acceptance(quantile=0.1)))
    assert abs(held - LEAST * 4_000) < 4 * (LEAST * 4_000 / 5) ** 0.5
    assert held < exact < some


def test_at_quantile_0_no_probability_of_being_accepted_is_above_1() -> None:
    """The constant is the smallest ratio of propensity and share: of all rows of a first batch, an equal split."""
    feedback = logged(4_000, 1)
    done = doubly_robust_replay(feedback, MODELS["true"], POLICY, Course([4_000]), seed=1, permutations=range(60))
    constant = 3 * feedback.propensities.min()
    assert abs(done.accepted[:, -1].mean() - constant * 4_000) < 4 * (constant * 4_000 / 60) ** 0.5 + 60
    expected = constant / (3 * feedback.propensities)
    assert expected.max() == pytest.approx(1.0)
    assert done.accepted[:, -1].mean() == pytest.approx(expected.sum(), abs=4 * (expected.sum() / 60) ** 0.5)


def test_at_a_quantile_that_share_of_the_rows_is_cut_off() -> None:
    feedback = logged(4_000, 1)
    done = doubly_robust_replay(
        feedback, MODELS["true"], POLICY, Course([4_000]), seed=1, permutations=range(60), acceptance=Acceptance(0.25)
    )
    expected = np.minimum(1.0, np.quantile(feedback.propensities, 0.25) / feedback.propensities)
    assert (expected == 1.0).mean() == pytest.approx(0.25, abs=0.01)
    assert done.accepted[:, -1].mean() == pytest.approx(expected.sum(), rel=0.005)


def test_the_true_model_has_the_smaller_error() -> None:
    feedback = logged(4_000, 1)
    course = Course(batches_of_rows(4_000, 200))
    errors = {
        name: doubly_robust_replay(feedback, model, POLICY, course, seed=1, permutations=range(5)).standard_error_of_one
        for name, model in MODELS.items()
    }
    assert errors["true"] < errors["of segments"] < errors["wrong"]


def test_permutations_depend_on_seed_and_number_alone() -> None:
    feedback = logged(1_000, 1)
    course = Course(batches_of_rows(1_000, 100))

    def done(permutations, seed=1):
        return doubly_robust_replay(feedback, RATES, POLICY, course, seed=seed, permutations=permutations)

    together, apart = done(range(5)), done([0]) + done(range(1, 5))
    for name in ("points", "accepted", "curve", "errors", "unseen", "chosen", "allocation"):
        assert getattr(together, name).tobytes() == getattr(apart, name).tobytes(), name
    assert len({curve.tobytes() for curve in (*together.curve, *done(range(5), seed=2).curve)}) == 10


def test_the_logged_order_keeps_a_log_as_it_is() -> None:
    """The second half earns nothing: in the log's order the curve falls, and shuffled it does not."""
    feedback = logged(4_000, 1)
    drifting = replace(feedback, rewards=np.where(np.arange(4_000) < 2_000, feedback.rewards, 0.0))
    backwards = replace(drifting, decided_at=np.arange(4_000)[::-1] * HOUR)

    def halves(log: LoggedFeedback, order: str) -> tuple[float, float]:
        done = doubly_robust_replay(
            log,
            RATES,
            POLICY,
            Course([2_000, 2_000], order),
            seed=1,
            permutations=range(3),
            acceptance=Acceptance(most=LEAST),
        )
        return float(done.curve[:, 0].mean()), float(done.curve[:, 1].mean())

    first, whole = halves(drifting, "logged")
    assert first > 1.5 * whole
    assert halves(backwards, "logged")[0] < 0.1
    first, whole = halves(drifting, "shuffled")
    assert first == pytest.approx(whole, rel=0.4)


def test_what_the_log_never_shows_is_said() -> None:
    feedback = logged(2_000, 1)
    kept = feedback.taken(~((feedback.segments == 0) & (feedback.arms == 2)))
    done = doubly_robust_replay(kept, RATES, POLICY, Course([len(kept)]), seed=1, permutations=range(3))
    assert done.unseen == pytest.approx((kept.segments == 0).mean() / 3, rel=1e-6)
    assert (done.chosen[:, 0, 2] == 0).all()
    whole = doubly_robust_replay(feedback, RATES, POLICY, Course([2_000]), seed=1, permutations=range(3))
    assert (whole.unseen == 0).all()


def test_a_policy_that_forgets_needs_times() -> None:
    feedback = logged(400, 1)
    forgetful = replace(POLICY, half_life=DAY)
    with pytest.raises(ValueError, match="half_life: found one"):
        doubly_robust_replay(feedback, RATES, forgetful, Course([400]), seed=1, permutations=[0])
    timed = replace(feedback, decided_at=np.arange(400) * HOUR)
    done = doubly_robust_replay(timed, RATES, forgetful, Course([100] * 4, "logged"), seed=1, permutations=[0])
    assert len(done) == 1


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (np.zeros((3, 3)), r"predictions: found shape \(3, 3\); allowed \[400, 3\] for the rows or \[2, 3\]"),
        (np.full((2, 3), np.nan), "predictions: found some that are not finite"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(predictions: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        doubly_robust_replay(logged(400, 1), predictions, POLICY, Course([400]), seed=1, permutations=[0])


@pytest.mark.parametrize(("quantile", "most"), [(1.0, 1.0), (-0.1, 1.0), (0.0, 0.0), (0.0, np.inf)])
def test_constants_that_make_no_sense_are_refused(quantile: float, most: float) -> None:
    with pytest.raises(ValueError, match=r"(quantile|most): found"):
        Acceptance(quantile, most)


def test_no_permutations_are_refused() -> None:
    with pytest.raises(ValueError, match="permutations: found none"):
        doubly_robust_replay(logged(20, 1), RATES, POLICY, Course([20]), seed=1, permutations=[])


def test_permutations_of_two_logs_do_not_add() -> None:
    one, other = (
        doubly_robust_replay(logged(n, 1), RATES, POLICY, Course([n]), seed=1, permutations=[0]) for n in (20, 30)
    )
    with pytest.raises(ValueError, match="found those of another log"):
        _ = one + other
