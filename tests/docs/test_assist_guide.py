"""The guide to assist: its key, its buttons and its words are those of the console."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.domain.reasons import Group
from optimizer.services.keys.api_keys import Scope
from optimizer.web.console import assist
from optimizer.web.console.shell import SCOPES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "assist.md").read_text()
TEMPLATES = ROOT / "src" / "optimizer" / "web" / "console" / "templates"
PAGES = "".join((TEMPLATES / f"{name}.html.j2").read_text() for name in ("assist", "offered"))


def test_its_key_can_be_made_and_opens_what_it_says() -> None:
    command = re.search(r"\$ optimizer (key create .*)", GUIDE)
    assert command
    assert CliRunner().invoke(app, ["key", "create", "--help"]).exit_code == 0
    scopes = {Scope(name) for name in re.findall(r"--scope (\w+)", command[1])}
    assert scopes & SCOPES
    assert scopes & assist.MAY_CHOOSE
    assert scopes & assist.MAY_REPORT
    assert Scope.MANAGE not in scopes
    table = set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE))
    assert table == {scope.value for scope in SCOPES | assist.MAY_CHOOSE | assist.MAY_REPORT}


def test_its_buttons_and_headings_stand_on_the_pages() -> None:
    for words in ("I offered this one", "What they tell you now", "What people offered lately"):
        assert f"*{words}*" in GUIDE
        assert words in PAGES


def test_its_page_is_there() -> None:
    paths = {getattr(route, "path", "") for route in assist.router.routes}
    address = re.search(r"`/console(/campaigns/NAME/assist)`", GUIDE)
    assert address
    assert address[1].replace("NAME", "{campaign_id}") in paths
    assert Group.CHOSEN_BY_PEOPLE in GUIDE
