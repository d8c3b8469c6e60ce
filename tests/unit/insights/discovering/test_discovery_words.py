"""Found segments as YAML that can be pasted, in words, and on a page; whatever things are called."""

import json

import pytest
from tests.unit.insights.discovering.logs import HOSTILE, planted

from optimizer.insights.discovering.clusters import NO_CLUSTERS
from optimizer.insights.discovering.discovered import Discovered
from optimizer.insights.discovering.rules import Condition, Rule
from optimizer.insights.discovering.tree import found_segments
from optimizer.insights.discovering.wording import NOTHING_FOUND, discovered_json, headline, rule_words, segments_yaml
from optimizer.strategy.workspace import read_workspace
from optimizer.strategy.yaml.source import read_source

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: %s}
  days_since_purchase: {type: number}
  vip: {type: boolean}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages: [{id: one, subject: One}, {id: two, subject: Two}]
control: {message: one}
"""


def searched(n: int = 4_000, **rest: object) -> Discovered:
    feedback, columns = planted(n, **rest)  # type: ignore[arg-type]
    return Discovered("winback", "share of trials", found_segments(feedback, columns), NO_CLUSTERS, 1_000, False)


@pytest.mark.parametrize("values", [("US", "CA", "GB"), (HOSTILE, "it's: a #, [b]", "no"), ("yes", "1", "null")])
def test_the_yaml_passes_the_check_of_documents_and_means_the_same_segment(values: tuple[str, ...]) -> None:
    found = searched(values=values)
    text = segments_yaml(found)
    files = {"strategy.yaml": STRATEGY % json.dumps(list(values)), "campaigns/winback.yaml": CAMPAIGN + text}
    campaign = read_workspace(files).campaigns["winback"]
    assert campaign.segments is not None
    (segment,) = campaign.segments
    assert segment.when["country"].is_ == values[0]
    assert campaign.everyone_else == "include"
    (one,) = found.found.segments
    assert segment.id == one.id


def test_nothing_found_is_said_with_its_reason_and_makes_no_yaml() -> None:
    feedback, columns = planted()
    nothing = Discovered("x", "rewards", found_segments(feedback, columns[1:]), NO_CLUSTERS, 1_000, False)
    assert headline(nothing).startswith(NOTHING_FOUND)
    assert segments_yaml(nothing) == ""
    assert discovered_json(nothing)["segments"] == []


def test_what_was_found_can_be_written_as_json() -> None:
    said = json.loads(json.dumps(discovered_json(searched())))
    assert said["segments"][0]["when"] == {"country": "US"}
    assert said["segments"][0]["more"]["low"] > 0
    assert said["everyone_else"]["when"] == {}
    assert read_source("yaml", said["yaml"]).data["everyone_else"] == "include"


def test_a_rule_reads_as_people_speak() -> None:
    rule = Rule((Condition("days", "at_least", 30.0), Condition("days", "below", 90.0), Condition("vip", "is", False)))
    assert rule_words(rule) == "days is 30 or more and is below 90; vip is false"
    assert rule_words(Rule((Condition("country", "in", ("US", "CA")),))) == "country is US or CA"
    assert rule_words(Rule()) == "everyone else"


def test_attributes_that_nobody_declared_are_said_to_be_declared() -> None:
    found = searched()
    undeclared = Discovered(
        "log.csv", "rewards", found.found, NO_CLUSTERS, 1_000, False, undeclared=(("country", "category"),)
    )
    text = segments_yaml(undeclared)
    assert "#   country: {type: category}" in text
    assert set(read_source("yaml", text).data) == {"segments", "everyone_else"}


def test_a_page_shows_names_as_text() -> None:
    from optimizer.scenarios.segment_page import segment_page

    page = segment_page(searched(values=(HOSTILE, "CA", "GB"), variants=("<img src=x onerror=alert(1)>", "two")))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
