"""Logarithms in whole numbers: right to the millionth, and the same for one amount and for many."""

from __future__ import annotations

from math import log

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.logarithms import micro_logs
from optimizer.domain.micros import LARGEST, MICRO

amounts = st.integers(1, LARGEST)


@given(amounts)
def test_a_logarithm_and_its_square_are_right_to_the_last_millionth(amount: int) -> None:
    (found,), (square,) = micro_logs(np.array([amount]))
    exact = log(amount / MICRO)
    assert abs(found - exact * MICRO) <= 0.5 + 1e-6
    assert abs(square - exact * exact * MICRO) <= 0.5 + 1e-6


@given(st.lists(amounts, min_size=1, max_size=40))
def test_many_logarithms_are_those_of_each_alone(many: list[int]) -> None:
    found = np.column_stack(micro_logs(np.array(many)))
    alone = [[int(part[0]) for part in micro_logs(np.array([amount]))] for amount in many]
    assert found.tolist() == alone


def test_the_logarithm_of_one_unit_is_nothing() -> None:
    assert [part.tolist() for part in micro_logs(np.array([MICRO]))] == [[0], [0]]
