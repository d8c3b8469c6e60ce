"""``optimizer ledger export --partition day``: a folder that is brought up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optimizer.deployment import Deployment
from optimizer.settings import Settings


@pytest.fixture
def served_folder(files: Any, make_house: Callable[..., Any], tmp_path: Path) -> Path:
    """A workspace with decisions of two days."""
    folder = tmp_path / "served"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    deployment = Deployment(folder, Settings(actor="tester"))
    house = make_house(deployment)
    house.apply()
    house.learning(3)
    house.later()
    house.learning(2)
    deployment.close()
    return folder


def test_a_folder_is_written_once_and_then_only_what_changed(served_folder: Path, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "warehouse"
    first = run("ledger", "export", "--partition", "day", out, "-w", served_folder, "--json")
    assert first.code == 0, first
    told = json.loads(first.out)
    assert (len(told["written"]), told["unchanged"], told["outcomes"]) == (2, 0, 0)
    assert len(pl.read_parquet(out / "decisions" / "**/*.parquet")) == told["decisions"] >= 5
    again = run("ledger", "export", "--partition", "day", out, "-w", served_folder)
    assert again.code == 0, again
    assert "2 days, of which" in " ".join(again.out.split())
    assert "0 written" in " ".join(again.out.split())
    assert "is up to date" in again.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--partition", "day", "--format", "obp"), "--format: found obp; allowed parquet, or none, with --partition"),
        (("--partition", "day", "--all"), "--all: found it; allowed none with --partition"),
        (("--partition", "day", "--campaign", "spring"), "campaign: found 'spring'"),
        ((), "a name that ends in"),
    ],
)
def test_what_does_not_go_together_is_said(
    served_folder: Path, run: Any, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = run("ledger", "export", *options, tmp_path / "out", "-w", served_folder)
    assert refused.code == 2, refused
    assert said in refused.err
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_file(served_folder: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "all.parquet").mkdir()
    refused = run("ledger", "export", tmp_path / "all.parquet", "-w", served_folder)
    assert refused.code == 2, refused
    assert "OUT: found a folder" in refused.err
