import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.statistics import Cell, Sums, Tally

CELL = Cell("winback", "lapsed", "ten-percent", "hash", "learning", "reward:visits", 0)
sums = st.builds(Sums, st.integers(), st.integers(), st.integers(), st.integers())


def evidence(buckets: list[int], trials: float = 1.0) -> Evidence:
    one = np.full((2, 3, len(buckets)), trials)
    return Evidence(np.array(buckets, dtype=np.int64), one, one / 2, one / 2, one / 2)


def test_evidence_from_two_sources_adds_on_the_union_of_their_buckets() -> None:
    both = evidence([0, HOUR]) + evidence([HOUR, 2 * HOUR])
    assert both.buckets.tolist() == [0, HOUR, 2 * HOUR]
    assert both.trials[0, 0].tolist() == [1.0, 2.0, 1.0]
    assert both.rewards.sum() == 0.5 * 2 * 3 * 4


def test_nothing_is_neutral() -> None:
    same = evidence([0]) + Evidence.none(2, 3)
    assert same.trials.tolist() == evidence([0]).trials.tolist()


def test_evidence_halves_with_every_half_life_and_never_grows() -> None:
    seen = evidence([0, DAY, 3 * DAY])
    assert seen.weights(2 * DAY, DAY).tolist() == [0.25, 0.5, 1.0]
    assert seen.weights(2 * DAY, None).tolist() == [1.0, 1.0, 1.0]


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="allowed one"):
        Evidence(
            np.zeros(1, dtype=np.int64),
            np.zeros((1, 1, 1)),
            np.zeros((1, 2, 1)),
            np.zeros((1, 1, 1)),
            np.zeros((1, 1, 1)),
        )


@given(st.lists(sums, max_size=20))
def test_what_is_added_and_subtracted_leaves_no_trace(entries: list[Sums]) -> None:
    tally = Tally()
    tally.add((CELL, entry) for entry in entries)
    tally.subtract((CELL, entry) for entry in reversed(entries))
    assert tally.changes() == []
