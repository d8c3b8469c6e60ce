"""Who is believed about a recipient, and who speaks for whom."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import DAY
from optimizer.domain.sayings import Saying, newer
from optimizer.errors import DocumentError, InvalidRequest
from optimizer.strategy.believing import believed, merged
from optimizer.strategy.sources import DataSource, speaks_for
from optimizer.strategy.workspace import read_workspace

NOW = 1_000 * DAY
SOURCES = "sources: [crm, site, esp]\n"
ATTRIBUTES = (
    "  vip: {type: boolean}",
    "  vip: {type: boolean, fresh_for: P30D}\n  tier: {type: category, values: [gold, basic], sources: [site, crm]}",
)


@pytest.fixture
def read(files: Mapping[str, str]) -> Any:
    def made(text: str = SOURCES, change: tuple[str, str] = ATTRIBUTES) -> Any:
        return read_workspace({**files, "strategy.yaml": files["strategy.yaml"].replace(*change) + text}).strategy

    return made


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"site": Saying("US", NOW), "crm": Saying("GB", NOW - 900 * DAY)}, "crm"),
        ({"site": Saying("US", NOW - 5), "esp": Saying("GB", NOW)}, "site"),
        ({"crm": Saying(None, NOW), "esp": Saying("GB", 5)}, "esp"),
        ({"crm": Saying(None, NOW)}, None),
        ({"api": Saying("GB", NOW), "esp": Saying("US", 0)}, "esp"),
        ({"api": Saying("GB", NOW), "crm": Saying(None, NOW)}, "api"),
        ({}, None),
    ],
)
def test_the_first_in_the_order_of_precedence_is_believed(read: Any, said: Any, expected: str | None) -> None:
    assert believed(read(), "country", said, NOW) == expected


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ({"crm": 30, "site": 1}, "crm"),
        ({"crm": 31, "site": 30}, "site"),
        ({"crm": 31, "site": 32, "esp": 2}, "esp"),
        ({"crm": 33, "site": 31, "esp": 32}, "site"),  # none is fresh: the newest
        ({"crm": 31, "site": 31}, "crm"),
        ({"api": 1, "crm": 31}, "api"),
    ],
)
def test_a_source_is_believed_while_its_word_is_fresh(read: Any, ages: dict[str, int], expected: str) -> None:
    said = {source: Saying(True, NOW - age * DAY) for source, age in ages.items()}
    assert believed(read(), "vip", said, NOW) == expected
    if len(ages) > 1:
        assert believed(read(), "vip", said, NOW + 1) is not None


def test_an_attribute_may_have_an_order_of_its_own_and_believes_nobody_else(read: Any) -> None:
    said = {"crm": Saying("gold", NOW), "site": Saying("basic", NOW - 5), "esp": Saying("gold", NOW)}
    assert believed(read(), "tier", said, NOW) == "site"
    assert believed(read(), "tier", {"esp": Saying("gold", NOW), "api": Saying("gold", NOW)}, NOW) is None


def test_without_sources_the_newest_word_counts(read: Any) -> None:
    strategy = read("", ("x", "x"))
    assert believed(strategy, "vip", {"crm": Saying(True, 5), "api": Saying(False, 6)}, NOW) == "api"
    assert merged(strategy, {"vip": {"api": Saying(False, 6)}, "country": {"api": Saying(None, 6)}}, NOW) == {
        "vip": False
    }


SAYINGS = st.lists(
    st.builds(Saying, st.one_of(st.none(), st.booleans(), st.sampled_from(["1", "US", 1, 1.5])), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


@given(SAYINGS)
def test_the_newest_saying_is_the_same_in_any_order(sayings: list[Saying]) -> None:
    def folded(some: Any) -> Saying:
        first, *rest = some
        for one in rest:
            first = newer(first, one)
        return first

    results = {repr(folded((*order, *order))) for order in permutations(sayings)}
    assert len(results) == 1
    assert folded(sayings).at == max(one.at for one in sayings)


KEYED = [DataSource(id="crm", api_keys=("sync", "nightly")), DataSource(id="site"), DataSource(id="esp")]


@pytest.mark.parametrize(
    ("key", "asked", "least", "expected"),
    [
        ("sync", None, False, "crm"),
        ("sync", None, True, "crm"),
        ("sync", "crm", False, "crm"),
        ("web", None, False, "site"),
        ("web", None, True, "esp"),
        ("web", "esp", False, "esp"),
        ("sync", "site", False, None),
        ("web", "crm", False, None),
        ("web", "nobody", False, None),
        ("web", "api", False, None),
    ],
)
def test_a_key_speaks_for_the_source_that_names_it_and_for_no_other(
    key: str, asked: str | None, least: bool, expected: str | None
) -> None:
    if expected is not None:
        assert speaks_for(KEYED, key, asked, least=least) == expected
        return
    with pytest.raises(InvalidRequest, match="/source"):
        speaks_for(KEYED, key, asked, least=least)


def test_a_key_that_no_source_is_left_for_speaks_for_none() -> None:
    with pytest.raises(InvalidRequest, match="key web"):
        speaks_for([KEYED[0]], "web")
    assert speaks_for([], "web") == speaks_for([], "web", "api") == "api"


@pytest.mark.parametrize(
    ("text", "change", "said"),
    [
        (SOURCES, ("boolean}", "boolean, sources: [crn]}"), "attributes.vip.sources[0]: found crn; allowed one of"),
        (SOURCES, ("boolean}", "boolean, sources: [crm, crm]}"), "attributes.vip.sources[1]: found crm; allowed each"),
        (
            "",
            ("boolean}", "boolean, sources: [crm]}"),
            "attributes.vip.sources: found sources; allowed this key only in",
        ),
        ("", ("boolean}", "boolean, fresh_for: P1D}"), "attributes.vip.fresh_for: found fresh_for; allowed this key"),
        (SOURCES, ("boolean}", "boolean, fresh_for: P0D}"), "attributes.vip.fresh_for: found P0D; allowed a duration"),
        ("sources: [crm, site, crm]", ("x", "x"), "sources[2]: found crm; allowed each one once"),
        ("sources: [crm, {id: crm}]", ("x", "x"), "sources[1].id: found crm; allowed each one once"),
        ("sources: [{id: a, api_keys: [k]}, {id: b, api_keys: [k]}]", ("x", "x"), "sources[1].api_keys[0]: found k"),
        ("sources: [Not An Id]", ("x", "x"), "sources[0]"),
        ("sources: [5]", ("x", "x"), "sources[0]"),
    ],
)
def test_sources_that_cannot_be_meant_are_findings(read: Any, text: str, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(text, change)
    assert said in str(refused.value)
