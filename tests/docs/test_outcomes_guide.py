"""The guide to outcomes says what is true: its snippets pass, and no key or word is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.engine.tactic import compile_tactic
from optimizer.strategy.documents import Reward
from optimizer.strategy.hygiene import Hygiene
from optimizer.strategy.workspace import Workspace, read_workspace

GUIDE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text("utf-8")
_SNIPPET = re.compile(r"^```yaml\n# ([a-z/]+\.yaml)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_TOP_KEY = re.compile(r"^([a-z_]+):.*\n(?:(?:[ #].*)?\n)*", re.MULTILINE)
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", GUIDE, flags=re.MULTILINE)}
FIRST, *OTHERS = SECTIONS


def with_snippets(section: str) -> Workspace:
    files = dict(_SNIPPET.findall(SECTIONS[FIRST]))
    for file, snippet in [] if section == FIRST else _SNIPPET.findall(SECTIONS[section]):
        parts = ({key[1]: key[0] for key in _TOP_KEY.finditer(text)} for text in (files[file], snippet))
        before, after = parts
        files[file] = "".join({**before, **after}.values())
    return read_workspace(files)


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if _SNIPPET.search(text)])
def test_the_snippets_of_a_section_pass(section: str) -> None:
    workspace = with_snippets(section)
    compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, ())


def test_the_snippets_do_what_their_sections_say() -> None:
    assert with_snippets("Amounts").strategy.objectives[0].reward.value == "amount"
    assert with_snippets("Machines").strategy.hygiene.honeypot == "hidden_clicked"
    assert with_snippets("Machines").strategy.hygiene.machine_kinds == Hygiene().machine_kinds
    assert set(with_snippets("The quarantine").strategy.hygiene.largest_value) == {"purchase"}


def test_every_key_and_word_of_hygiene_and_rewards_is_explained() -> None:
    words = {*Hygiene.keys(), "at_most", *get_args(Reward.model_fields["value"].annotation)}
    assert {word for word in words if f"`{word}`" not in GUIDE} == set()


def test_every_command_it_names_is_there() -> None:
    for words in set(re.findall(r"optimizer (quarantine \w+|ledger \w+)", GUIDE)):
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words
