"""The guide to backups: its commands restore a ledger that agrees with the first, here and on PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.deployment import Deployment, now
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.settings import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "backup.md").read_text("utf-8")
BACKUP, MOVE = (
    [line.removeprefix("$ ") for line in block.splitlines()]
    for block in re.findall(r"^```console\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
)


def type_in(line: str) -> Any:
    if line.startswith("export "):
        name, _, value = line.removeprefix("export ").partition("=")
        os.environ[name] = value
        return None
    if not line.startswith("optimizer "):
        subprocess.run(line, shell=True, check=True)
        return None
    result = CliRunner().invoke(app, line.split()[1:])
    assert result.exit_code == 0, (line, result.output)
    return result.stdout


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example workspace with a few decisions; the commands are typed there."""
    monkeypatch.setenv("OPTIMIZER_DATABASE_URL", "")
    monkeypatch.delenv("OPTIMIZER_DATABASE_URL")  # put back as it was when the test ends
    monkeypatch.chdir(tmp_path)
    type_in("optimizer init shop")
    monkeypatch.chdir(tmp_path / "shop")
    type_in("optimizer apply --note first")
    type_in("optimizer approve winback --note first")
    deployment = Deployment(Path(), Settings(database_url=None, secret=None))
    try:
        with deployment.store.writing() as ledger:
            decide(ledger, deployment.live, [DecisionRequest("winback", f"p{n}", "r", {}) for n in range(20)], now())
    finally:
        deployment.close()
    return tmp_path / "shop"


def test_a_backup_is_restored_as_the_guide_says(shop: Path) -> None:
    *_, verified = [type_in(line) for line in BACKUP]
    assert "20" in verified
    assert "The ledger is clean." in verified


@pytest.mark.postgres
def test_a_ledger_moves_to_postgresql_as_the_guide_says(shop: Path, new_database: Callable[[str], str]) -> None:
    url = new_database("postgresql").replace("postgresql+psycopg", "postgresql")
    lines = [re.sub(r"postgresql://\S+", lambda _: url, line) for line in MOVE]
    assert any(url in line for line in lines)
    *_, verified = [type_in(line) for line in lines]
    assert "The ledger is clean." in verified


def test_every_command_it_names_is_there() -> None:
    named = {words for words in re.findall(r"`?optimizer ((?:ledger )?\w+)", GUIDE) if words not in {"export"}}
    assert {"ledger export", "ledger import", "ledger verify", "pause"} <= named
    for words in named - {"optimizer"}:
        if words not in {"ledger"}:
            assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words
