from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import RequestFinding
from optimizer.strategy.attributes import are_allowed, check_attributes
from optimizer.strategy.workspace import Workspace


@pytest.fixture(scope="module")
def check(read: Callable[..., Workspace]) -> Callable[..., list[RequestFinding]]:
    declared = read().strategy.attributes
    return lambda attributes, *pointer: check_attributes(declared, attributes, *pointer)


def test_declared_attributes_within_bounds_are_fine(check: Callable[..., list[RequestFinding]]) -> None:
    assert check({"country": "US", "days": 3, "newsletter": False, "age": "25+"}) == []
    assert check({"days": 0}) == []
    assert check({"days": 5000.0}) == []


def test_null_means_unknown_and_is_allowed(check: Callable[..., list[RequestFinding]]) -> None:
    assert check({"country": None, "days": None}) == []
    assert check({"colour": None}) != []


@pytest.mark.parametrize(
    ("name", "value", "found", "allowed"),
    [
        ("contry", "US", "contry", 'one of: country, days, newsletter, age (did you mean "country"?)'),
        ("country", "USA", '"USA"', 'one of: US, CA, GB (did you mean "US"?)'),
        ("country", "x" * 201, '"' + "x" * 58 + "…", "text of at most 200 characters"),
        ("country", 1, "1", "one of: US, CA, GB"),
        ("country", ["US"], "a list or an object", "one of: US, CA, GB"),
        ("days", "3", '"3"', "a number from 0 to 5000"),
        ("days", True, "true", "a number from 0 to 5000"),
        ("days", float("nan"), "nan", "a number from 0 to 5000"),
        ("days", float("inf"), "inf", "a number from 0 to 5000"),
        ("days", -0.5, "-0.5", "a number from 0 to 5000"),
        ("days", 5001, "5001", "a number from 0 to 5000"),
        ("days", 10**400, "a number of hundreds of digits", "a number from 0 to 5000"),
        ("days", {}, "a list or an object", "a number from 0 to 5000"),
        ("newsletter", 1, "1", "true or false"),
        ("newsletter", "true", '"true"', "true or false"),
    ],
)
def test_what_was_not_declared_is_named(
    check: Callable[..., list[RequestFinding]], name: str, value: Any, found: str, allowed: str
) -> None:
    assert check({name: value}) == [RequestFinding(f"/attributes/{name}", found, allowed)]


def test_every_mistake_is_found_with_an_escaped_pointer(check: Callable[..., list[RequestFinding]]) -> None:
    findings = check({"a/b": 1, "c~d": 2, "days": -1}, "/traits")
    assert [f.pointer for f in findings] == ["/traits/a~1b", "/traits/c~0d", "/traits/days"]


def test_bounds_are_said_as_they_were_declared(read: Callable[..., Workspace]) -> None:
    for change, allowed in (
        ("{type: number}", "a number"),
        ("{type: number, minimum: 1.5}", "a number of 1.5 or more"),
        ("{type: number, maximum: 1234567}", "a number of 1234567 or less"),
    ):
        declared = read(strategy=(("{type: number, minimum: 0, maximum: 5000}", change),)).strategy.attributes
        for value in ("x", float("nan"), float("inf"), 10**400):
            assert check_attributes(declared, {"days": value})[0].allowed == allowed


@given(
    st.dictionaries(
        st.text() | st.sampled_from(["country", "days", "newsletter"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            st.lists,
            max_leaves=3,
        ),
    )
)
def test_any_json_gives_findings_and_no_error(
    check: Callable[..., list[RequestFinding]], attributes: dict[str, Any]
) -> None:
    for finding in check(attributes):
        assert finding.pointer.startswith("/attributes/")
        assert len(finding.found) <= 60


_VALUES = st.one_of(
    st.sampled_from(["US", "GB", "XX", "25+", "", 3, 0, 5000, 5000.0, 5001, -1, True, False, 1, 10**400, None]),
    st.floats(),
    st.just(["US"]),
)
_NAMES = st.sampled_from(["country", "days", "newsletter", "age", "colour"])


@given(st.lists(st.dictionaries(_NAMES, _VALUES, max_size=4), max_size=8))
def test_many_are_never_allowed_where_one_of_them_is_not(
    read: Callable[..., Workspace], rows: list[dict[str, Any]]
) -> None:
    declared = read().strategy.attributes
    if are_allowed(declared, rows):
        assert not any(check_attributes(declared, row) for row in rows)


def test_many_that_are_right_are_allowed_at_once(read: Callable[..., Workspace]) -> None:
    declared = read().strategy.attributes
    rows: list[dict[str, Any]] = [{"country": "US", "days": n, "newsletter": n % 2 == 0} for n in range(100)]
    assert are_allowed(declared, [*rows, {}, {"days": None, "country": "GB"}, {"days": 17.5}])
    assert not are_allowed(declared, [*rows, {"days": 5001}])
    assert not are_allowed(declared, [*rows, {"colour": "red"}])
