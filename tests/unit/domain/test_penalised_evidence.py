import numpy as np
import pytest

from optimizer.domain.evidence import Evidence


def seen(buckets: list[int], happened: list[list[float]]) -> Evidence:
    """One segment and arm, ten trials in each bucket."""
    trials = np.full((1, 1, len(buckets)), 10.0)
    kinds = np.array(happened, np.float64).reshape(len(happened), 1, 1, len(buckets))
    return Evidence(np.array(buckets, np.int64), trials, trials / 2, trials / 2, trials / 2, kinds)


def test_evidence_without_penalties_has_no_kinds_and_its_own_shape() -> None:
    trials = np.ones((2, 3, 4))
    assert Evidence(np.arange(4), trials, trials, trials, trials).penalty_counts.shape == (0, 2, 3, 4)
    assert Evidence.none(2, 3, 2).penalty_counts.shape == (2, 2, 3, 0)


def test_penalties_of_two_sources_add_on_the_union_of_buckets() -> None:
    both = seen([0, 5], [[1, 2], [0, 3]]) + seen([5, 9], [[4, 5], [6, 0]])
    assert both.buckets.tolist() == [0, 5, 9]
    assert both.penalty_counts[:, 0, 0].tolist() == [[1, 6, 5], [0, 9, 0]]
    assert both.trials[0, 0].tolist() == [10, 20, 10]


def test_every_kind_is_counted_on_the_same_cells() -> None:
    trials = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"penalty_counts: found shape \(1, 2, 3, 5\); allowed one \(2, 3, 4\)"):
        Evidence(np.arange(4), trials, trials, trials, trials, np.zeros((1, 2, 3, 5)))
