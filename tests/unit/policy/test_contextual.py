"""The contextual policy: an ensemble that comes out the same again, and shares that are what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.domain.instants import DAY
from optimizer.domain.trials import Trials
from optimizer.policy import contextual
from optimizer.policy.contextual import N_DRAWS, ContextualPosterior, contextual_of
from optimizer.policy.contextual_training import Penalised, contextual_posterior
from optimizer.policy.features import Described, Features

FEATURES = Features(
    (Described("age", "number"), Described("country", "category", ("US", "GB")), Described("loyal", "boolean")),
    (("age", "loyal"),),
)
N_ARMS = 4
NOW = 100 * DAY


def people(n: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    found: list[dict[str, Any]] = []
    for _ in range(n):
        one: dict[str, Any] = {"age": float(rng.normal(45, 15)), "country": ["US", "GB"][rng.integers(2)]}
        found.append(one | ({"loyal": bool(rng.integers(2))} if rng.random() < 0.7 else {}))
    return found


def tried(n: int, seed: int = 0, *, segments: int = 1) -> Trials:
    """Trials where the first arm is best for the old, the second for the loyal, and the others for nobody."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    some = people(n, seed)
    numbers = FEATURES.numbers(some)
    arms = rng.integers(0, N_ARMS, n)
    old, loyal = (numbers[:, 0] - 45) / 15, np.nan_to_num(numbers[:, 2])
    odds = -1.5 + np.where(arms == 0, old, 0.0) + np.where(arms == 1, 1.5 * loyal, 0.0)
    rewarded = rng.random(n) < expit(odds)
    of_segment = np.arange(n) % segments
    decided_at = np.full(n, NOW - DAY)
    return Trials(numbers, of_segment, arms, rewarded, decided_at, np.ones(n), (segments, N_ARMS))


@pytest.fixture(scope="module")
def posterior() -> ContextualPosterior:
    return contextual_posterior(tried(3_000), FEATURES, NOW, None, seed=(7,))


def everything(n: int) -> NDArray[np.bool_]:
    return np.ones((n, N_ARMS), np.bool_)


def test_a_belief_makes_the_same_ensemble_again_bit_for_bit(posterior: ContextualPosterior) -> None:
    again = contextual_of(posterior.belief)
    assert (again.ensemble == posterior.ensemble).all()
    assert (again.mean == posterior.mean).all()
    assert again.features == FEATURES
    assert all(array.dtype == np.float64 for array in posterior.belief.arrays.values())
    assert posterior.fitted_at == NOW


def test_another_seed_makes_other_draws_of_the_same_law(posterior: ContextualPosterior) -> None:
    other = contextual_posterior(tried(3_000), FEATURES, NOW, None, seed=(8,))
    assert not (other.ensemble == posterior.ensemble).any()
    assert (other.modes == posterior.modes).all()
    shape = (FEATURES.n_columns, N_DRAWS, N_ARMS)
    one, two = posterior.ensemble.reshape(shape), other.ensemble.reshape(shape)
    error = one.std(axis=1) / np.sqrt(N_DRAWS)
    assert (np.abs(one.mean(axis=1) - posterior.modes.T) < 4.5 * error).all()
    assert one.std(axis=1) == pytest.approx(two.std(axis=1), rel=4.5 * np.sqrt(1 / N_DRAWS))


def test_shares_are_wins_of_the_draws_counted_one_by_one(posterior: ContextualPosterior) -> None:
    rows = posterior.rows(people(5))
    eligible = everything(5)
    eligible[1, 0] = eligible[2, :3] = False
    eligible[3] = False
    found = posterior.shares(rows, eligible)
    draws = posterior.ensemble.reshape(FEATURES.n_columns, N_DRAWS, N_ARMS)
    for n in range(5):
        wins = np.zeros(N_ARMS)
        for k in range(N_DRAWS):
            scores = rows[n] @ draws[:, k]
            possible = [arm for arm in range(N_ARMS) if eligible[n, arm]]
            if possible:
                wins[max(possible, key=lambda arm: scores[arm])] += 1
        assert found[n].tolist() == (wins / N_DRAWS).tolist()
    assert found.sum(axis=1).tolist() == [1, 1, 1, 0, 1]


def test_a_batch_of_any_size_gives_what_each_gets_alone(
    posterior: ContextualPosterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, rng = posterior.rows(people(60)), np.random.Generator(np.random.PCG64(3))
    eligible = rng.random((60, N_ARMS)) < 0.7
    costs, together = rng.random((60, N_ARMS)), posterior.shares(rows, eligible)
    priced, withheld = posterior.shares_priced(rows, eligible, 0.2, costs)
    monkeypatch.setattr(contextual, "_PART", N_DRAWS * N_ARMS * 7)
    assert (posterior.shares(rows, eligible) == together).all()
    for n in range(60):
        one = slice(n, n + 1)
        assert (posterior.shares(rows[one], eligible[one]) == together[one]).all()
        alone, none = posterior.shares_priced(rows[one], eligible[one], 0.2, costs[one])
        assert (alone == priced[one]).all()
        assert none[0] == withheld[n]


def test_whom_an_arm_is_best_for_is_found(posterior: ContextualPosterior) -> None:
    old, young_and_loyal = {"age": 80.0, "loyal": False}, {"age": 20.0, "loyal": True}
    rows = posterior.rows([old | {"country": "US"}, young_and_loyal | {"country": "GB"}])
    shares = posterior.shares(rows, everything(2))
    assert shares[0, 0] > 0.95
    assert shares[1, 1] > 0.95
    assert posterior.expected(rows).argmax(axis=1).tolist() == [0, 1]


def test_a_price_withholds_what_earns_less_than_it_costs(posterior: ContextualPosterior) -> None:
    rows = posterior.rows(people(20))
    free, withheld = posterior.shares_priced(rows, everything(20), 0.0, np.ones((20, N_ARMS)))
    assert (free == posterior.shares(rows, everything(20))).all()
    assert not withheld.any()
    part, some = posterior.shares_priced(rows, everything(20), 0.3, np.ones((20, N_ARMS)))
    assert (part.sum(axis=1) + some).tolist() == [1.0] * 20
    assert 0.0 < some.mean() < 1.0
    dear, all_of_it = posterior.shares_priced(rows, everything(20), 1.0, np.ones((20, N_ARMS)))
    assert not dear.any()
    assert (all_of_it == 1.0).all()


def test_penalties_are_taken_off_the_arm_they_happen_on() -> None:
    counts = np.array([[0.0, 400.0, 0.0, 0.0]])
    penalised = Penalised(np.array([2.0]), counts, np.full(N_ARMS, 750.0))
    found = contextual_posterior(tried(3_000), FEATURES, NOW, None, penalised=penalised)
    rows = found.rows([{"age": 20.0, "loyal": True, "country": "GB"}])
    assert found.shares(rows, everything(1))[0, 1] == 0.0
    free = contextual_posterior(tried(3_000), FEATURES, NOW, None)
    off = (free.expected(rows) - found.expected(rows))[0]
    # Half an event in 250 trials is imagined; the mean of K draws of each rate is known to .002 at worst.
    assert off == pytest.approx(2 * (counts[0] + 0.5) / 1_000, abs=4 * 2 * 0.016 / np.sqrt(N_DRAWS))
    assert (found.success == free.success).all()
    assert found.mean[0, 1] == pytest.approx(free.mean[0, 1] - off[1], abs=1e-9)


def test_as_a_posterior_it_speaks_of_the_typical_recipient_of_each_segment() -> None:
    trials = tried(2_000, segments=3)
    trials = replace(trials, segments=np.where(trials.attributes[:, 0] > 45, 1, 0))
    found = contextual_posterior(trials, FEATURES, NOW, None)
    arrays = found.belief.arrays
    rows = FEATURES.rows(trials.attributes, arrays["location"], arrays["scale"])
    for segment, inside in ((0, trials.segments == 0), (1, trials.segments == 1), (2, np.ones(2_000, np.bool_))):
        assert arrays["contexts"][segment] == pytest.approx(rows[inside].mean(axis=0))
    assert found.prob_best(1, everything(1)[0])[0] > found.prob_best(0, everything(1)[0])[0]
    at = found.at(arrays["contexts"])
    assert (found.mean == at.mean).all()
    low, high = found.interval()
    assert ((low < found.mean) & (found.mean < high)).all()
    assert found.most >= found.mean.max()
    segments = np.array([2, 0])
    both = found.prob_best_of(segments, everything(2))
    assert both.tolist() == [found.prob_best(s, everything(1)[0]).tolist() for s in (2, 0)]


def test_old_trials_count_by_their_half_life() -> None:
    recent, old = tried(400, 1), tried(400, 2)
    old = replace(old, decided_at=np.full(400, NOW - 31 * DAY), rewarded=~old.rewarded)
    both = Trials.joined([recent, old])
    forgetting = contextual_posterior(both, FEATURES, NOW, DAY)
    alone = contextual_posterior(recent, FEATURES, NOW, DAY)
    # A billionth of a trial each; location and scale are those of all trials, forgotten or not.
    assert forgetting.mean == pytest.approx(alone.mean, abs=0.03)
    assert np.abs(contextual_posterior(both, FEATURES, NOW, None).mean - alone.mean).max() > 0.1


def test_equal_trials_share_a_row_and_say_the_same() -> None:
    categories = Features((Described("country", "category", ("US", "GB")), Described("loyal", "boolean")))
    with_a_number = Features((*categories.described, Described("nothing", "number")))
    some = people(600)
    base = tried(600)
    grouped = contextual_posterior(replace(base, attributes=categories.numbers(some)), categories, NOW, None)
    apart = contextual_posterior(replace(base, attributes=with_a_number.numbers(some)), with_a_number, NOW, None)
    rows = [{"country": "US", "loyal": True}, {"country": "GB"}, {}]
    # A column that is 0 everywhere has no effect but on what its imagined scale makes of the others'.
    assert grouped.expected(grouped.rows(rows)) == pytest.approx(apart.expected(apart.rows(rows)), abs=0.01)


def test_a_fit_from_the_last_one_ends_where_a_cold_one_does(posterior: ContextualPosterior) -> None:
    trials = Trials.joined([tried(3_000), tried(300, 5)])
    warm = contextual_posterior(trials, FEATURES, NOW, None, before=posterior.belief)
    cold = contextual_posterior(trials, FEATURES, NOW, None)
    assert warm.modes == pytest.approx(cold.modes, abs=0.05)
    other = replace(trials, shape=(1, N_ARMS + 1))
    assert contextual_posterior(other, FEATURES, NOW, None, before=posterior.belief).modes.shape[0] == N_ARMS + 1


def test_nothing_tried_makes_every_arm_as_likely_the_best() -> None:
    found = contextual_posterior(Trials.none(3, (2, N_ARMS)), FEATURES, NOW, DAY)
    shares = found.shares(found.rows(people(50)), everything(50))
    assert shares.mean(axis=0) == pytest.approx([0.25] * 4, abs=4 * np.sqrt(0.25 * 0.75 / N_DRAWS))
    assert found.mean.shape == (2, N_ARMS)


def test_what_is_common_to_all_arms_moves_them_together() -> None:
    # Nothing tried: intercepts are one Beta(1, 1) rate's log-odds, of variance pi^2 / 3, and an own part of .5^2 each.
    found = contextual_posterior(Trials.none(3, (1, N_ARMS)), FEATURES, NOW, None)
    intercepts = found.ensemble.reshape(FEATURES.n_columns, N_DRAWS, N_ARMS)[0]
    own = found.belief.arrays["scales"][2]
    together = np.pi**2 / 3
    covariance = np.cov(intercepts.T)
    error = 4.5 * (together + own**2) * np.sqrt(2 / N_DRAWS)
    assert own == pytest.approx(0.5, rel=0.02)
    assert covariance == pytest.approx(np.full((N_ARMS, N_ARMS), together) + own**2 * np.eye(N_ARMS), abs=error)
    assert (intercepts[:, 0] - intercepts[:, 1]).std() == pytest.approx(
        own * np.sqrt(2), rel=4.5 / np.sqrt(2 * N_DRAWS)
    )


@pytest.mark.parametrize("prior", [(0.0, 1.0), (1.0, float("nan")), (1.0, -1.0)])
def test_a_prior_is_two_numbers_above_0(prior: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"prior: found .*; allowed two numbers above 0"):
        contextual_posterior(Trials.none(3, (1, 2)), FEATURES, NOW, None, prior=prior)


def test_a_half_life_is_above_0() -> None:
    with pytest.raises(ValueError, match="half_life: found 0 microseconds; allowed above 0, or none"):
        contextual_posterior(Trials.none(3, (1, 2)), FEATURES, NOW, 0)
