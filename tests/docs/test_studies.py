"""Every study of simulations/ that has scenarios can be run and read: its scenarios load, its README has its parts."""

import json
import re
from pathlib import Path

import pytest

from optimizer.scenarios.reading import read_scenario

SIMULATIONS = Path(__file__).parents[2] / "simulations"
SCENARIOS = sorted(SIMULATIONS.glob("*/*.yaml"))
STUDIES = sorted({path.parent for path in SCENARIOS})
PARTS = ("Question", "Method", "Result", "How to run", "What it does not show")
LARGEST = 150_000  # bytes of a result


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
