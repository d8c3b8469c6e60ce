"""The guide to profiles: its snippets pass the check, and its table of who speaks for whom is true."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimizer.strategy.sources import speaks_for
from optimizer.strategy.workspace import read_workspace

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "profiles.md").read_text()
SNIPPETS = [yaml.safe_load(text) | {"file": text.split()[1]} for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)]
FIRST = {snippet["file"]: snippet for snippet in SNIPPETS[:2]}


def documents(over: dict[str, Any]) -> dict[str, str]:
    laid = {**FIRST, over["file"]: {**FIRST[over["file"]], **over}}
    return {file: yaml.safe_dump({k: v for k, v in one.items() if k != "file"}) for file, one in laid.items()}


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_its_snippets_pass_the_check(number: int) -> None:
    read_workspace(documents(SNIPPETS[number]))


def test_its_table_of_who_speaks_for_whom_is_true() -> None:
    sources = read_workspace(documents(SNIPPETS[-1])).strategy.sources
    assert speaks_for(sources, "crm-sync") == speaks_for(sources, "crm-sync", least=True) == "crm"
    assert speaks_for(sources, "other") == "site"
    assert speaks_for(sources, "other", "esp") == speaks_for(sources, "other", least=True) == "esp"
