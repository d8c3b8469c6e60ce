"""The guide to privacy says what is true: its rules pass, its commands exist, and it forgets no table of people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.storage.persons import KEYED
from optimizer.strategy.limits import Retention
from optimizer.strategy.workspace import read_workspace
from optimizer.web.background.letting_go import PORTION

GUIDE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")


def test_the_rules_of_retention_pass_and_every_one_is_shown(files: Any) -> None:
    (snippet,) = re.findall(r"^```yaml\n(.*?)^```\n", GUIDE, re.DOTALL | re.MULTILINE)
    found = read_workspace({**files, "strategy.yaml": files["strategy.yaml"] + snippet}).strategy.data.retention
    assert None not in [getattr(found, name) for name in Retention.model_fields]


@pytest.mark.parametrize("words", sorted(set(re.findall(r"optimizer ((?:privacy|ledger) [a-z-]+|[a-z]+)", GUIDE))))
def test_every_command_it_names_is_there(words: str) -> None:
    assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words


def test_every_option_it_names_is_there() -> None:
    for command, option in re.findall(r"optimizer privacy ([a-z-]+) (--[a-z-]+)", GUIDE):
        assert option in CliRunner().invoke(app, ["privacy", command, "--help"], env={"COLUMNS": "200"}).stdout


def test_every_table_that_holds_people_is_named() -> None:
    names = {"recipients": "profiles"}
    for table in (*(table.name for table in KEYED), "outcomes", "quarantine", "tombstones"):
        assert f"| {names.get(table, table)} |" in GUIDE


def test_portions_are_as_large_as_it_says() -> None:
    assert f"portions of {PORTION} records" in GUIDE


def test_the_profile_it_puts_is_taken(site: Any) -> None:
    (body,) = re.findall(r"-d '(\{.*\})'\n", GUIDE)
    answer = site.client.put("/v1/recipients/customer-4711", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["consent_texts"]["tcf"]["text"] in body
