"""The guide to the console: its commands, buttons and numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.domain.instants import HOUR
from optimizer.services.keys.api_keys import Scope
from optimizer.web.console.routes import router
from optimizer.web.console.sessions import IDLE, LONGEST

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "console.md").read_text()
COMMANDS = re.findall(r"(?:`|\$ )optimizer ((?:key )?[a-z]+(?:-[a-z]+)*)", GUIDE)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_its_commands_exist(command: str) -> None:
    assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


def test_sessions_last_as_long_as_it_says() -> None:
    assert f"{LONGEST // HOUR} hours at most, and ends {IDLE // HOUR} hours after the last page" in GUIDE


def test_every_button_of_a_campaign_is_in_the_table_and_has_a_route() -> None:
    paths = {getattr(route, "path", "") for route in router.routes}
    section = GUIDE.partition("## From a page")[2].partition("\n## ")[0]
    named = set(re.findall(r"`optimizer ([a-z]+)`", section))
    assert named == {
        "pause",
        "resume",
        "stop",
        "pin",
        "unpin",
        "approve",
        "advance",
        "release",
        "acknowledge",
        "review",
    }
    assert all(f"/console/campaigns/{{campaign_id}}/{wish}" in paths for wish in named)


def test_it_names_the_scopes_as_they_are() -> None:
    assert {scope.value for scope in Scope} == set(re.findall(r"`(\w+)`", GUIDE)) & {scope.value for scope in Scope}
