"""Features: attributes become the same finite row in a fit and in a decision, and what is not known is nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.policy.features import FARTHEST, INTERCEPT, MAIN, PAIR, Described, Features

COUNTRY = Described("country", "category", ("US", "GB", "FR"))
AGE = Described("age", "number")
LOYAL = Described("loyal", "boolean")
ALL = Features((COUNTRY, AGE, LOYAL), (("country", "age"), ("age", "loyal")))
PLAIN = np.zeros(3), np.ones(3)

values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["US", "GB", "FR", "DE", "", "true"]),
    st.integers(),
    st.integers(10**300, 10**400),
    st.floats(allow_nan=True, allow_infinity=True),
)
rows = st.lists(st.dictionaries(st.sampled_from(["country", "age", "loyal", "other"]), values), min_size=1, max_size=6)


def row(attributes: dict[str, Any], features: Features = ALL) -> list[float]:
    (found,) = features.rows(features.numbers([attributes]), *PLAIN).tolist()
    return found


def test_columns_are_the_intercept_each_value_each_measure_and_their_products() -> None:
    assert ALL.n_columns == 1 + 3 + 1 + 1 + 3 + 1
    assert ALL.of_columns.tolist() == [INTERCEPT] + [MAIN] * 5 + [PAIR] * 4
    assert row({"country": "GB", "age": 2.0, "loyal": True}) == [1, 0, 1, 0, 2, 1, 0, 2, 0, 2]


def test_what_is_unknown_or_of_another_type_is_nothing() -> None:
    nothing = [1.0] + [0.0] * 9
    assert row({}) == nothing
    assert row({"country": "DE", "age": "old", "loyal": "yes"}) == nothing
    assert row({"country": True, "age": True, "loyal": 1.0}) == nothing
    assert row({"age": math.nan}) == nothing


def test_a_number_far_out_counts_as_far_and_no_further() -> None:
    assert row({"age": 1e9})[4] == FARTHEST
    assert row({"age": -math.inf})[4] == -FARTHEST
    assert row({"age": 10**400})[4] == FARTHEST


@given(rows)
def test_every_row_is_finite_and_the_same_alone_as_among_others(some: list[dict[str, Any]]) -> None:
    numbers = ALL.numbers(some)
    scaling = ALL.scaling(numbers)
    together = ALL.rows(numbers, *scaling)
    assert np.isfinite(together).all()
    assert np.abs(together).max() <= FARTHEST
    for one, expected in zip(some, together, strict=True):
        assert ALL.rows(ALL.numbers([one]), *scaling)[0].tolist() == expected.tolist()


@given(rows)
def test_scales_are_positive_and_only_numbers_have_their_own(some: list[dict[str, Any]]) -> None:
    location, scale = ALL.scaling(ALL.numbers(some))
    assert np.isfinite(location).all()
    assert (scale > 0.0).all()
    assert np.isfinite(scale).all()
    assert (location[[0, 2]] == 0.0).all()
    assert (scale[[0, 2]] == 1.0).all()


def test_one_giant_moves_neither_location_nor_scale_by_much() -> None:
    ages = np.random.Generator(np.random.PCG64(1)).normal(40.0, 10.0, 1_001)
    location, scale = ALL.scaling(ALL.numbers([{"age": age} for age in ages.tolist()]))
    assert location[1] == pytest.approx(40.0, abs=4 * 10 * 1.2533 / math.sqrt(1_001))
    assert scale[1] == pytest.approx(10.0, abs=4 * 10 * 1.1664 / math.sqrt(1_001))
    ages[0] = 1e12
    with_giant = ALL.scaling(ALL.numbers([{"age": age} for age in ages.tolist()]))
    assert with_giant[0][1] == pytest.approx(location[1], abs=0.2)
    assert with_giant[1][1] == pytest.approx(scale[1], rel=0.02)


def test_a_number_that_is_mostly_the_same_keeps_a_scale() -> None:
    spent = [{"age": 0.0}] * 90 + [{"age": 10.0}] * 10
    location, scale = ALL.scaling(ALL.numbers(spent))
    assert (location[1], scale[1]) == (pytest.approx(1.0), pytest.approx(3.0))
    assert ALL.scaling(ALL.numbers([{"age": 5.0}] * 3))[1][1] == 1.0


def test_features_written_down_as_numbers_are_the_same_again() -> None:
    odd = Features((Described("ländle ☃", "category", ("a,b", '"', "\\")), AGE), (("age", "ländle ☃"),))
    for features in (ALL, odd, Features(())):
        assert Features.of_numbers(features.as_numbers()) == features


@pytest.mark.parametrize("pair", [("age", "age"), ("age", "height"), ("height", "age")])
def test_an_interaction_needs_two_different_attributes_that_are_described(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"interactions: found .*; allowed two of country, age, loyal"):
        Features((COUNTRY, AGE, LOYAL), (pair,))
