"""The guide to scaling: its arithmetic is that of the formulas, and the formulas are those of a simulation."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = " ".join((ROOT / "docs" / "scaling.md").read_text("utf-8").split())


@pytest.fixture
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    sys.modules.pop("scaling_arithmetic", None)
    import scaling_arithmetic

    return scaling_arithmetic


@pytest.mark.slow
def test_formulas_and_simulation_agree(arithmetic: object) -> None:
    for name, formula, simulated in arithmetic.checked():  # type: ignore[attr-defined]
        # A single processor overlaps reading and flushing a little better or worse than the formula of halves says.
        assert simulated == pytest.approx(formula, rel=0.12), name


def test_the_figures_in_the_text_are_those_of_the_formulas(arithmetic: object) -> None:
    stranded, guided, busy = (getattr(arithmetic, name) for name in ("stranded", "guided_slices", "busy"))
    assert "16 shards and slices of 1,000 that is 7,500 sends" in GUIDE
    assert stranded(16, 1_000) == 7_500
    said = re.search(r"about (\d+) for 16 shards and a million sends", GUIDE)
    assert said is not None
    assert guided(16, 1_000_000)[0] == pytest.approx(float(said[1]), abs=0.5)
    assert "at 80 % a request waits for four others on average, at 90 % for nine" in GUIDE
    assert [round(busy(load, 1.0, 1)) for load in (0.8, 0.9)] == [4, 9]
    assert "100 million outcomes a day are 1,160 a second" in GUIDE
    assert round(100e6 / 86_400, -1) == 1_160
    assert 10e6 * 500 == 5e9


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"benchmarks/[\w/]+\.\w+", GUIDE))
    assert {file for file in named if not (ROOT / file).is_file()} == set()
