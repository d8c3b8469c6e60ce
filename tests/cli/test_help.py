import subprocess
import sys
from typing import Any

import pytest
import typer

from optimizer import __version__
from optimizer.cli.keys import ScopeName
from optimizer.cli.main import app
from optimizer.services.keys.api_keys import Scope


def paths(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, inner in getattr(command, "commands", {}).items():
        found += paths(inner, (*path, name))
    return found


PATHS = paths(typer.main.get_command(app))


def test_every_command_is_there() -> None:
    named = {" ".join(path) for path in PATHS}
    promised = {"init", "check", "plan", "apply", "approve", "serve", "ledger verify", "key create", "report", "demo"}
    promised |= {"pause", "resume", "stop", "pin", "unpin", "advance", "release", "acknowledge", "review"}
    promised |= {"audit", "explain", "suppress", "unsuppress", "simulate", "evaluate"}
    promised |= {"quarantine list", "quarantine retry", "notices list", "notices retry"}
    assert promised <= named


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_help_shows_a_worked_example(path: tuple[str, ...], run: Any) -> None:
    shown = run(*path, "--help")
    assert shown.code == 0
    _, _, examples = shown.out.partition("Example")
    assert f"  optimizer {' '.join(path)}".rstrip() in examples


def test_version_is_told(run: Any) -> None:
    assert run("--version").out == f"optimizer {__version__}\n"


def test_wrong_usage_exits_with_2(run: Any) -> None:
    for arguments in (["nonsense"], ["apply"], ["serve", "--port", "99999"], ["key", "create", "--name", "x"]):
        assert run(*arguments).code == 2, arguments


def test_scopes_on_the_command_line_are_those_of_the_service() -> None:
    assert [name.value for name in ScopeName] == [scope.value for scope in Scope]


def test_help_waits_for_nothing_heavy() -> None:
    heavy = "{'numpy', 'scipy', 'polars', 'fastapi', 'sqlalchemy', 'pydantic', 'httpx', 'uvicorn'}"
    code = f"import sys, optimizer.cli.main; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == "[]\n"
