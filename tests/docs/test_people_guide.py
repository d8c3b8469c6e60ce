"""The guide for people who talk to customers: what it sends is what the service takes, for the documents of `init`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.domain.reasons import Group, Reason
from optimizer.web.shapes.requests import ChosenIn, RankIn

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "people.md").read_text()
BODIES = [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", GUIDE, re.DOTALL)]


def test_its_two_requests_are_requests() -> None:
    ranked, chosen = BODIES
    RankIn.model_validate(ranked)
    ChosenIn.model_validate(chosen)
    assert {**ranked, "variant": chosen["variant"], "actor": chosen["actor"]} == chosen


def test_the_customer_it_speaks_of_may_be_offered_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTIMIZER_SECRET", "a secret under which this customer is in no holdout")
    command = re.search(r"`optimizer (rank .*?)`", GUIDE)
    assert command is not None

    def run(*words: str) -> Any:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == 0, result.output
        return result.stdout

    run("init", "shop")
    monkeypatch.chdir(tmp_path / "shop")
    run("apply", "--note", "first")
    run("approve", "winback")
    found = json.loads(run(*command[1].split(), "--json"))
    assert (found["segment"], found["group"]) == ("lapsed", "learning")
    assert BODIES[1]["variant"] in {one["variant"] for one in found["variants"]}


@pytest.mark.parametrize("word", [Reason.CHOSEN_BY_HUMAN, Group.CHOSEN_BY_PEOPLE])
def test_it_says_how_a_choice_is_recorded(word: str) -> None:
    assert word in GUIDE.replace("\n", " ")
