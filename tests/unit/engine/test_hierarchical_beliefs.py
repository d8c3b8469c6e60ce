from collections.abc import Callable
from dataclasses import replace

import numpy as np

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.engine.beliefs import posterior_from, posterior_of
from optimizer.engine.learning import differs, learn
from optimizer.engine.tactic import Tactic

MakeTactic = Callable[..., Tactic]

POLICY = "1.0, model: hierarchical, period: P1D, delay: ignored"


def seen(n_segments: int = 3, n_arms: int = 3) -> Evidence:
    n = np.full((n_segments, n_arms, 4), 300.0)
    k = n * np.array([0.03, 0.05, 0.04])[:n_arms, None] * np.array([1.0, 1.0, 2.0, 2.0])
    return Evidence(np.arange(4) * DAY, n, k, k, k)


def test_a_snapshot_of_the_hierarchical_model_gives_its_posterior_again(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(cap=POLICY)
    posterior = posterior_of(tactic, seen(), 4 * DAY, None, 1)
    assert posterior.belief.model == "hierarchical"
    again = posterior_from(posterior.belief)
    everything = np.ones(3, np.bool_)
    np.testing.assert_array_equal(again.mean, posterior.mean)
    np.testing.assert_array_equal(again.prob_best(2, everything), posterior.prob_best(2, everything))
    assert posterior.prob_best(0, everything).argmax() == 1


def test_learning_again_from_the_same_evidence_leaves_the_snapshot_as_it_is(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(cap=POLICY)
    first = learn(tactic, seen(), 1, 4 * DAY)
    again = posterior_of(tactic, seen(), 4 * DAY, first, 2)
    assert again.belief is first.belief
    assert not differs(first, replace(first, number=2, belief=again.belief))


def test_the_period_of_the_policy_is_the_models(make_tactic: MakeTactic) -> None:
    daily, weekly = (make_tactic(cap=POLICY.replace("P1D", period)) for period in ("P1D", "P7D"))
    arrays = [posterior_of(tactic, seen(), 4 * DAY, None, 1).belief.arrays for tactic in (daily, weekly)]
    assert [len(found["period_starts"]) for found in arrays] == [4, 1]
