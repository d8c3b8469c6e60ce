"""A workspace of its own for each test, and the commands run on it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app

Run = Callable[..., "Ran"]


class Ran:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OPTIMIZER_") and name != "OPTIMIZER_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run() -> Run:
    """Runs a command within this process."""

    def running(*arguments: str | Path) -> Ran:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return running


@pytest.fixture
def workspace(tmp_path: Path, run: Run) -> Path:
    """A workspace that `optimizer init` made."""
    folder = tmp_path / "shop"
    assert run("init", folder).code == 0
    return folder


@pytest.fixture
def in_force(workspace: Path, run: Run) -> Path:
    """A workspace that is applied and approved."""
    assert run("apply", "--note", "first", "-w", workspace).code == 0
    assert run("approve", "winback", "-w", workspace).code == 0
    return workspace


@pytest.fixture
def command() -> list[str]:
    """What starts the commands as a process of their own."""
    return [sys.executable, "-m", "optimizer"]
