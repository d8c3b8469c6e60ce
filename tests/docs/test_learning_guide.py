"""The guide to learning says what is true: its snippets pass, and no setting is left out."""

import re
from pathlib import Path
from typing import get_args

import pytest

from optimizer.strategy.policy_settings import Alarm, Model, PolicySettings
from optimizer.strategy.workspace import read_workspace

GUIDE = (Path(__file__).parents[2] / "docs" / "learning.md").read_text()
_SNIPPET = re.compile(r"^```yaml\n# ([a-z/]+\.yaml)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"^([a-z_]+):.*\n(?:[ #].*\n)*", re.MULTILINE)
BASE, OTHERS = GUIDE.split("## Which model", 1)
DOCUMENTS = {match[1]: match[2] for match in _SNIPPET.finditer(BASE)}


def laid_over(document: str, snippet: str) -> str:
    keys = [{key[1]: key[0] for key in _KEY.finditer(text)} for text in (document, snippet)]
    return "".join({**keys[0], **keys[1]}.values())


def steps() -> list[dict[str, str]]:
    """The workspaces the guide goes through: a snippet of the strategy stays for the campaign that follows it."""
    found, strategy = [], DOCUMENTS["strategy.yaml"]
    for match in _SNIPPET.finditer(OTHERS):
        if match[1] == "strategy.yaml":
            strategy = laid_over(DOCUMENTS["strategy.yaml"], match[2])
            continue
        campaign = laid_over(DOCUMENTS["campaigns/winback.yaml"], match[2])
        found.append({"strategy.yaml": strategy, "campaigns/winback.yaml": campaign})
        strategy = DOCUMENTS["strategy.yaml"]
    return found


@pytest.mark.parametrize("files", steps())
def test_a_snippet_passes_the_check(files: dict[str, str]) -> None:
    assert "winback" in read_workspace(files).campaigns


def test_every_setting_is_named() -> None:
    missing = [key for key in PolicySettings.model_fields if f"`{key}" not in GUIDE and f"{key}:" not in GUIDE]
    assert missing == []


def test_every_model_and_every_alarm_is_named() -> None:
    assert [word for word in (*get_args(Model), *get_args(Alarm)) if f"`{word}`" not in GUIDE] == []
