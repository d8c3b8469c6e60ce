"""Every study of simulations/ that has scenarios can be run and read: its scenarios load, its README has its parts.

And every script outside the package, a study or not, asks the package only for what it has: a name that has gone is
found here, and not after the minutes that a study takes.
"""

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.scenarios.reading import read_scenario

ROOT = Path(__file__).parents[2]
SIMULATIONS = ROOT / "simulations"
SCENARIOS = sorted(SIMULATIONS.glob("*/*.yaml"))
STUDIES = sorted({path.parent for path in SCENARIOS})
PARTS = ("Question", "Method", "Result", "How to run", "What it does not show")
LARGEST = 150_000  # bytes of a result
SCRIPTS = sorted(path for name in ("simulations", "benchmarks", "scripts") for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_scenario_of_a_study_has_no_mistakes(path: Path) -> None:
    assert read_scenario(path).document.question


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: path.name)
def test_a_study_says_what_it_asked_and_found_and_how_to_run_it(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    missing = [part for part in PARTS if not re.search(rf"^(#+ |\*\*){part}", text, re.MULTILINE | re.IGNORECASE)]
    assert missing == []
    assert f"simulations/{folder.name}" in text  # the commands


@pytest.mark.parametrize("folder", STUDIES, ids=lambda path: path.name)
def test_a_study_keeps_its_numbers_beside_it_and_keeps_them_small(folder: Path) -> None:
    results = sorted(folder.rglob("result*.json"))
    assert results
    for path in results:
        assert path.stat().st_size < LARGEST
        assert json.loads(path.read_text())


def asked_of_the_package(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a script imports from the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "optimizer":
            assert node.module is not None
            yield from ((node.module, alias.name) for alias in node.names)


def has(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    is_package = hasattr(found, "__path__")
    return hasattr(found, name) or (is_package and importlib.util.find_spec(f"{module}.{name}") is not None)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_asks_the_package_only_for_what_it_has(path: Path) -> None:
    assert [f"{module}.{name}" for module, name in asked_of_the_package(path) if not has(module, name)] == []
