"""The guide to behaviour says what is true: its snippets pass, and no key or measure is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.engine.behaviour import MOST_EVENTS, Behaviour
from optimizer.engine.tactic import compile_tactic
from optimizer.strategy.derived import Derivation, Measure
from optimizer.strategy.workspace import Workspace, read_workspace

GUIDE = (Path(__file__).parents[2] / "docs" / "behaviour.md").read_text("utf-8")
_SNIPPET = re.compile(r"^```yaml\n# ([a-z/]+\.yaml)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_TOP_KEY = re.compile(r"^([a-z_]+):.*\n(?:(?:[ #].*)?\n)*", re.MULTILINE)
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", GUIDE, flags=re.MULTILINE)}
FIRST, *OTHERS = SECTIONS


def with_snippets(section: str) -> Workspace:
    files = dict(_SNIPPET.findall(SECTIONS[FIRST]))
    for file, snippet in [] if section == FIRST else _SNIPPET.findall(SECTIONS[section]):
        before, after = ({key[1]: key[0] for key in _TOP_KEY.finditer(text)} for text in (files[file], snippet))
        files[file] = "".join({**before, **after}.values())
    return read_workspace(files)


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if _SNIPPET.search(text)])
def test_the_snippets_of_a_section_pass(section: str) -> None:
    workspace = with_snippets(section)
    tactic = compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, ())
    behaviour = Behaviour.of(workspace.strategy)
    assert behaviour is not None
    assert behaviour.used_by(tactic) == ("days_since_purchase", "opens", "spent")


def test_every_key_and_measure_is_explained() -> None:
    words = {*Derivation.keys(), *get_args(Measure)}
    assert {word for word in words if f"`{word}`" not in GUIDE} == set()
    assert f"the newest {MOST_EVENTS:,} count" in GUIDE


def test_every_command_it_names_is_there() -> None:
    for words in set(re.findall(r"`optimizer ((?:privacy )?\w+)`", GUIDE)):
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words
