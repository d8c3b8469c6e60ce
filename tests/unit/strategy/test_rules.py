from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.rules import SegmentRules
from optimizer.strategy.workspace import Workspace

DECLARED = {
    "country": {"type": "category", "values": ["US", "CA", "GB"]},
    "days": {"type": "number"},
    "spend": {"type": "number"},
    "newsletter": {"type": "boolean"},
}
STRATEGY = Strategy.model_validate(
    {
        "strategy": "s",
        "currency": "USD",
        "time_zone": "UTC",
        "objectives": [
            {"id": "o", "reward": {"outcome": "p", "value": "first"}, "attribution_window": "P7D"},
        ],
        "attributes": DECLARED,
    }
)


def rules(*whens: dict[str, Any], everyone_else: str = "exclude") -> SegmentRules:
    campaign = {
        "campaign": "c",
        "serves": "o",
        "channel": "email",
        "messages": [{"id": "m", "body": "x"}],
        "everyone_else": everyone_else,
    }
    if whens:
        campaign["segments"] = [{"id": f"s{index}", "when": when} for index, when in enumerate(whens)]
    return SegmentRules(STRATEGY, Campaign.model_validate(campaign))


@pytest.mark.parametrize(
    ("condition", "inside", "outside"),
    [
        ({"days": {"at_least": 5}}, [5, 5.0, 6], [4.99, -1]),
        ({"days": {"at_most": 5}}, [5, -1], [5.01]),
        ({"days": {"above": 5}}, [5.01], [5, 4]),
        ({"days": {"below": 5}}, [4.99], [5, 6]),
        ({"days": {"equals": 5}}, [5, 5.0], [4, 6]),
        ({"days": 5}, [5], [6]),
        ({"days": {"above": 1, "below": 3}}, [2], [1, 3]),
        ({"days": {"at_least": 1, "at_most": 3}}, [1, 3], [0.9, 3.1]),
        ({"country": "US"}, ["US"], ["CA"]),
        ({"country": {"is": "US"}}, ["US"], ["us"]),
        ({"country": {"in": ["US", "CA"]}}, ["US", "CA"], ["GB"]),
        ({"country": {"not_in": ["US"]}}, ["CA", "GB"], ["US", "FR"]),
        ({"country": {"in": ["US", "CA"], "not_in": ["US"]}}, ["CA"], ["US", "GB"]),
        ({"newsletter": True}, [True], [False]),
        ({"newsletter": {"is": False}}, [False], [True]),
    ],
)
def test_conditions_mean_what_they_say(condition: dict[str, Any], inside: list[Any], outside: list[Any]) -> None:
    (name,) = condition
    compiled = rules(condition)
    assert [compiled.of({name: value}) for value in inside] == [0] * len(inside)
    assert [compiled.of({name: value}) for value in outside] == [-1] * len(outside)
    columns = compiled.columns_of([{name: value} for value in (*inside, *outside)])
    together = compiled.of_many(columns, len(inside) + len(outside))
    assert together.tolist() == [0] * len(inside) + [-1] * len(outside)


@pytest.mark.parametrize(
    "condition",
    [{"days": {"at_least": -1e308}}, {"days": {"below": 5}}, {"country": {"not_in": ["US"]}}, {"newsletter": False}],
)
@pytest.mark.parametrize("value", [None, "five", float("nan"), 10**400, [], 0.0 + 1j])
def test_a_value_that_is_missing_or_of_another_type_meets_no_condition(condition: dict[str, Any], value: Any) -> None:
    (name,) = condition
    compiled = rules(condition)
    assert compiled.of({}) == -1
    assert compiled.of({name: value}) == -1
    assert compiled.of_many(compiled.columns_of([{name: value}, {}]), 2).tolist() == [-1, -1]


def test_booleans_are_not_numbers_and_numbers_are_not_booleans() -> None:
    assert rules({"days": {"at_least": 0}}).of({"days": True}) == -1
    assert rules({"newsletter": True}).of({"newsletter": 1}) == -1


def test_all_conditions_of_a_segment_must_hold() -> None:
    compiled = rules({"days": {"at_least": 5}, "country": "US"})
    assert compiled.of({"days": 9.0, "country": "US"}) == 0
    assert compiled.of({"days": 9.0}) == -1
    assert compiled.of({"days": 1.0, "country": "US"}) == -1


def test_the_first_segment_that_matches_wins_in_both_evaluators() -> None:
    compiled = rules({"country": "US"}, {"days": {"at_least": 5}}, {"newsletter": True})
    row: dict[str, Any] = {"country": "US", "days": 9.0, "newsletter": True}
    assert compiled.of(row) == 0
    assert compiled.of_many(compiled.columns_of([row]), 1).tolist() == [0]


def test_everyone_else_is_the_last_segment_or_outside() -> None:
    included, excluded = rules({"country": "US"}, everyone_else="include"), rules({"country": "US"})
    assert included.segment_ids == ("s0", "everyone-else")
    assert excluded.segment_ids == ("s0",)
    assert (included.of({}), excluded.of({})) == (1, -1)
    assert included.of_many({}, 3).tolist() == [1, 1, 1]
    assert excluded.of_many({}, 3).tolist() == [-1, -1, -1]


def test_without_segments_everyone_shares_one() -> None:
    compiled = rules(everyone_else="include")
    assert compiled.segment_ids == ("everyone-else",)
    assert compiled.of({"country": "US"}) == 0
    assert compiled.of_many({}, 2).tolist() == [0, 0]


def test_columns_may_be_text_arrays_floats_for_booleans_and_absent() -> None:
    compiled = rules({"country": "US", "newsletter": True}, {"days": {"at_least": 5}})
    columns = {"country": np.array(["US", "US", "CA"]), "newsletter": np.array([1.0, np.nan, 1.0])}
    assert compiled.of_many(columns, 3).tolist() == [0, -1, -1]
    columns["days"] = np.array([9.0, 9.0, np.nan])
    assert compiled.of_many(columns, 3).tolist() == [0, 1, -1]
    assert compiled.of_many(columns, 3).dtype == np.int64


def test_no_rows_are_no_segments() -> None:
    compiled = rules({"days": {"at_least": 5}, "country": "US"})
    assert compiled.of_many(compiled.columns_of([]), 0).tolist() == []


numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
number_conditions = st.dictionaries(
    st.sampled_from(["at_least", "at_most", "above", "below", "equals"]), numbers, min_size=1, max_size=3
)
countries = st.lists(st.sampled_from(["US", "CA", "GB"]), min_size=1)
category_conditions = st.fixed_dictionaries({}, optional={"in": countries, "not_in": countries}).filter(bool)
whens = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["US", "CA", "GB"]) | category_conditions,
        "days": number_conditions | numbers,
        "spend": number_conditions,
        "newsletter": st.booleans(),
    },
).filter(bool)
anything = st.none() | st.booleans() | st.text(max_size=2) | st.integers()
rows = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["US", "CA", "GB", "FR"]) | anything,
        "days": numbers | st.floats() | anything,
        "spend": numbers | anything,
        "newsletter": st.booleans() | anything | st.floats(),
    },
)


@given(st.lists(whens, max_size=4), st.lists(rows, max_size=8), st.sampled_from(["include", "exclude"]))
def test_one_at_a_time_and_all_at_once_agree(
    segments: list[dict[str, Any]], recipients: list[dict[str, Any]], everyone_else: str
) -> None:
    compiled = rules(*segments, everyone_else=everyone_else)
    together = compiled.of_many(compiled.columns_of(recipients), len(recipients))
    assert together.tolist() == [compiled.of(row) for row in recipients]


OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "at_least": lambda value, bound: value >= bound,
    "at_most": lambda value, bound: value <= bound,
    "above": lambda value, bound: value > bound,
    "below": lambda value, bound: value < bound,
    "equals": lambda value, bound: value == bound,
}


@given(number_conditions, st.floats())
def test_several_bounds_mean_all_of_them(condition: dict[str, float], value: float) -> None:
    expected = all(OPERATORS[operator](value, bound) for operator, bound in condition.items())
    assert (rules({"days": condition}).of({"days": value}) == 0) == expected


def test_the_rules_of_a_workspace_compile(read: Callable[..., Workspace]) -> None:
    workspace = read()
    compiled = SegmentRules(workspace.strategy, workspace.campaigns["winback"])
    assert compiled.segment_ids == ("loyal", "lapsed", "everyone-else")
    assert compiled.attribute_names == ("days", "newsletter", "country")
    assert compiled.of({"days": 120, "newsletter": True, "country": "US"}) == 0
    assert compiled.of({"days": 500, "newsletter": True, "country": "US"}) == 1
    assert compiled.of({"days": 500, "country": "GB"}) == 2
