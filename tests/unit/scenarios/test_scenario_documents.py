import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DocumentError
from optimizer.history import mapping
from optimizer.scenarios.documents import Scenario
from optimizer.scenarios.reading import ScenarioRead, changed_source, checked_scenario, laid_over, part, read_scenario
from optimizer.scenarios.schema import scenario_schema
from optimizer.strategy.yaml.source import read_source

Mistakes = Callable[..., list[str]]
Reading = Callable[..., ScenarioRead]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(inner)


def test_a_scenario_that_holds_its_documents_can_be_read(reading: Reading) -> None:
    read = reading()
    assert [guardrails.name for guardrails in read.guardrails] == ["as_written", "no-holdout"]
    assert [guardrails.strategy.holdout.share for guardrails in read.guardrails] == [0.1, 0.0]
    assert read.written is not None
    assert read.written.campaign.campaign == "mail"
    assert [policy.kind for policy in read.document.policies] == ["learning", "uniform", "always"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("seed: 5", "seed: -5", "small.yaml:3:7: seed: found -5; allowed a number of 0 or more"),
        ("seed: 5", "sed: 5", "small.yaml:3:1: sed: found sed; allowed one of: scenario, question, seed, "),
        ("replications: 3", "replications: 3\nreplications: 4", "small.yaml:5:1: replications: found replications; "),
        ("per_day: 100", "per_day: 0", "small.yaml:41:25: world.synthetic.arrivals.per_day: found 0; "),
        ("currency: USD", "currency: usd", "small.yaml:7:13: strategy.currency: found usd; allowed an ISO 4217"),
        ("serves: buy", "serves: bye", "small.yaml:19:13: campaigns[0].serves: found bye; allowed one of: buy"),
        ("always: offer", "always: ofer", "small.yaml:46:32: policies[2].always: found ofer; allowed one of: offer, "),
        (
            "learning: as_written",
            "learning: {refresh: P1D}",
            "small.yaml:44:33: policies[0].learning.refresh: found refresh; allowed no such key here",
        ),
        ("name: equal", "name: learning", "small.yaml:45:12: policies[1].name: found learning; allowed each one once"),
        (
            "uniform: true}",
            "uniform: true, logged: true}",
            "small.yaml:45:5: policies[1]: found {name: equal, uniform: true, logged: true}; allowed a name",
        ),
        (
            "uniform: true",
            "logged: true",
            "small.yaml:45:19: policies[1].logged: found logged; allowed a history beside it",
        ),
        (
            "uniform: true",
            "shares: {offer: 0.6, news: 0.5}",
            "small.yaml:45:27: policies[1].shares: found shares that add up to 1.1; allowed shares that add up to 1",
        ),
        (
            "uniform: true",
            "shares_by_segment: {vipps: {offer: 1}}",
            "small.yaml:45:39: policies[1].shares_by_segment.vipps: found vipps; allowed one of: vips, ",
        ),
        (
            "rates: {offer: 0.3, news: 0.1}",
            "rates: {ofer: 0.3, news: 0.1}",
            "small.yaml:37:17: world.synthetic.outcomes.purchase.rates.ofer: found ofer; allowed one of: offer, news",
        ),
        (
            "rates: {offer: 0.3, news: 0.1}",
            "rates: {news: 0.1}",
            "allowed a rate, or rates of every variant: none of offer",
        ),
        ("          vip: {offer", "          vpi: {offer", "rates_by_type.vpi: found vpi; allowed one of: vip, other"),
        (
            "purchase:\n        rates",
            "bought:\n        rates",
            "world.synthetic.outcomes: found bought; allowed purchase among them, the outcome that buy rewards",
        ),
        (
            "attribution_window: P1D",
            "attribution_window: P1D\n      counts_from: delivered",
            "world.synthetic.outcomes: found purchase; allowed delivered among them: buy counts from it, else nothing",
        ),
        (
            "{vip: true}}\n      - {name: other",
            "{vpi: true}}\n      - {name: other",
            "attributes.vpi: found vpi; allowed",
        ),
        (
            "delay: {mean: PT6H}",
            "delay: {mean: PT6H}\n        after: clicked",
            "world.synthetic.outcomes.purchase.after: found clicked; allowed an outcome above this one",
        ),
        (
            "arrivals: {per_day: 100}",
            "arrivals: {per_day: 100}\n    drift: [{after: P2D, odds: 0.5, outcomes: [click], type: vap}]",
            "world.synthetic.drift[0].type: found vap; allowed one of: vip, other",
        ),
        (
            "learning: as_written",
            "learning: {floor: 0.6}",
            "policies[0].learning.floor: found 0.6; allowed a number of 0.5",
        ),
        ("learning: as_written", "learning: {cap: 0.01}", "policies[0].learning.cap: found 0.01; allowed"),
        ("name: no-holdout", "name: as_written", "guardrails[0].name: found as_written; allowed another name"),
        (
            "strategy: {holdout: {share: 0}}",
            "strategy: {holdout: {shre: 0}}",
            "guardrails[0].strategy.holdout.shre: found",
        ),
        (
            "strategy: {holdout: {share: 0}}",
            'campaign: {budget: {total: "5 EUR"}}',
            'guardrails[0].campaign.budget.total: found "5 EUR"; allowed an amount in USD',
        ),
        (
            "strategy: {holdout: {share: 0}}",
            "campaign: {messages: [{id: news, subject: x}]}",
            "guardrails[0].campaign.messages: found",
        ),
        (
            "strategy: {holdout: {share: 0}}",
            "campaign: {everyone_else: exclude}",
            "guardrails[0].campaign.segments: found",
        ),
        ("strategy: {holdout: {share: 0}}", "", "guardrails[0]: found"),
    ],
)
def test_a_mistake_is_shown_at_its_place(mistakes: Mistakes, old: str, new: str, found: str) -> None:
    assert any(found in mistake for mistake in mistakes((old, new))), mistakes((old, new))


def test_every_mistake_is_reported_at_once(mistakes: Mistakes) -> None:
    found = mistakes(("seed: 5", "seed: x"), ("always: offer", "always: offers"), ("per_day: 100", "per_day: -1"))
    assert [one.split(": ")[1] for one in found] == ["seed", "world.synthetic.arrivals.per_day"]
    found = mistakes(("always: offer", "always: offers"), ("serves: buy", "serves: b"))
    assert [one.split(": ")[1] for one in found] == ["campaigns[0].serves"]  # whose variants cannot be known then


def test_documents_stand_here_or_in_a_workspace(mistakes: Mistakes, tmp_path: Path, small: str) -> None:
    both = mistakes(("seed: 5", "seed: 5\nworkspace: .."))
    assert any("campaigns: found campaigns; allowed either a workspace, or documents written here" in f for f in both)
    with pytest.raises(DocumentError, match=r"workspace: found nowhere; allowed a folder with strategy.yaml"):
        checked_scenario("a.yaml", "scenario: a\nworkspace: nowhere\n", tmp_path)
    with pytest.raises(DocumentError, match=r"campaigns: found campaigns; allowed a strategy beside them"):
        checked_scenario(
            "a.yaml", small.replace("strategy:\n  strategy: shop", "question2:\n  strategy: shop"), tmp_path
        )


def test_mistakes_of_a_workspace_are_shown_in_its_own_files(
    tmp_path: Path, workspace: Any, files: Any, edited: Any
) -> None:
    folder = workspace(edited(files, "campaigns/winback.yaml", ("serves: buy", "serves: bye")))
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(f"scenario: a\nworkspace: {folder.name}\ncampaign: winback\n")
    with pytest.raises(DocumentError) as refused:
        read_scenario(scenario)
    assert f"{folder / 'campaigns' / 'winback.yaml'}:2:9: serves: found bye" in str(refused.value)


def test_a_campaign_must_be_named_where_there_are_several(tmp_path: Path, workspace: Any) -> None:
    folder = workspace()
    with pytest.raises(
        DocumentError, match="campaign: found no campaign; allowed one of: members, newsletter, winback"
    ):
        checked_scenario("a.yaml", f"scenario: a\nworkspace: {folder.name}\n", tmp_path)
    read = checked_scenario("a.yaml", f"scenario: a\nworkspace: {folder.name}\ncampaign: newsletter\n", tmp_path)
    assert read.written is not None
    assert read.written.campaign.campaign == "newsletter"


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"none.yaml:1:1: the file: found no such file"):
        read_scenario(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"scenario: a\nquestion: caf\xe9\n")
    with pytest.raises(DocumentError, match=r"latin.yaml:2:14: the file: found byte 0xe9; allowed text in UTF-8"):
        read_scenario(tmp_path / "latin.yaml")


def test_the_digest_follows_what_is_said_and_not_how(reading: Reading) -> None:
    digest = reading().digest
    assert reading(("seed: 5", "seed: 5 # a comment")).digest == digest
    assert reading(("seed: 5", "seed: 6")).digest != digest
    assert reading(('total: "400 USD"', 'total: "300 USD"')).digest != digest
    assert reading().changed(seed=6).digest not in (digest, reading().changed(replications=6).digest)
    assert reading().changed().digest == digest


def test_changes_are_laid_over_and_an_empty_mapping_takes_away() -> None:
    written = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3}
    assert laid_over(written, {"a": {"b": 5}}) == {"a": {"b": 5, "c": 2}, "d": [1, 2], "e": 3}
    assert laid_over(written, {"a": {}, "d": [7]}) == {"a": {}, "d": [7], "e": 3}
    assert laid_over(written, {"f": {"g": 1}}) == {**written, "f": {"g": 1}}
    assert written == {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3}


def test_a_changed_document_has_a_place_for_every_path() -> None:
    written = read_source("w.yaml", "a: {b: 1}\nc: [1, 2]\n")
    whole = read_source("s.yaml", "x:\n  y: {b: 2}\n")
    changed = changed_source(written, part(whole, ("x", "y")), ("a",))
    assert changed.data == {"a": {"b": 2}, "c": [1, 2]}
    assert changed.values["a", "b"].line == 2
    assert changed.text[changed.values["a", "b"].start] == "2"
    assert changed.values["c", 1] == changed.values[()]
    assert str(changed.finding(("a", "b"), "3")) == "s.yaml:2:10: x.y.a.b: found 2; allowed 3"


def test_the_shipped_schema_is_the_one_of_the_models() -> None:
    shipped = json.loads((files("optimizer.scenarios") / "schemas" / "scenario.schema.json").read_text("utf-8"))
    assert shipped == json.loads(json.dumps(scenario_schema())), "run: python scripts/write_schemas.py"
    assert set(shipped["properties"]) == set(Scenario.keys())
    assert all(node.get("type") != "null" for node in nodes(shipped))


def test_every_key_of_a_scenario_is_described_for_editors() -> None:
    definitions = {**scenario_schema()["$defs"], "Scenario": scenario_schema()}
    elsewhere = {name for name in vars(mapping) if name in definitions} | {"MappedHistory"}
    for name, definition in definitions.items():
        if name in elsewhere:
            continue  # what maps columns is described in the room of histories
        for key, entry in definition.get("properties", {}).items():
            assert entry.get("description") or "$ref" in entry or entry.get("const"), (name, key)
