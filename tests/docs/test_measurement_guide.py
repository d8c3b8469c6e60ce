"""The guide to measurement says what is true: commands, routes, keys and words are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.evaluation.stratified import FEWEST_AMOUNTS, FEWEST_SEEN
from optimizer.insights.measures.trend import Course
from optimizer.services.measures.measuring import KNOWN_FOR, THE_HOLDOUT, THE_STRATEGYS
from optimizer.strategy.workspace import read_workspace
from optimizer.web.console import measurement
from optimizer.web.routes import measurements

GUIDE = (Path(__file__).parents[2] / "docs" / "measurement.md").read_text("utf-8")


def test_every_command_it_names_is_there() -> None:
    options = CliRunner().invoke(app, ["measure", "--help"])
    assert options.exit_code == 0
    for line in re.findall(r"^optimizer (.*?)(?: {2,}#.*)?$", GUIDE, re.MULTILINE):
        assert line.split()[0] == "measure"
        assert all(word in options.output for word in line.split() if word.startswith("--"))


def test_every_route_it_names_is_there() -> None:
    every = {route.path for route in measurements.router.routes}  # type: ignore[attr-defined]
    paths = {path for path in every if path.endswith("/measurement")}
    pages = {f"/console{route.path}" for route in measurement.router.routes}  # type: ignore[attr-defined]
    named = {path.replace("{id}", "{campaign_id}") for path in re.findall(r"`(?:GET )?(/[a-z0-9/{}_]+)`", GUIDE)}
    assert named >= paths
    assert named <= paths | pages


def test_the_keys_it_shows_pass(files: Mapping[str, str]) -> None:
    for file, key in re.findall(r"^```yaml\n# (\S+)\n(holdout: \{.*?\})", GUIDE, re.MULTILINE):
        written = re.sub(r"^holdout: .*\n", "", files[file], flags=re.MULTILINE)
        read_workspace({**files, file: f"{written}{key}\n"})


def test_its_numbers_and_words_are_those_of_the_code() -> None:
    assert f"fewer than {FEWEST_SEEN:.0f} rewards ({FEWEST_AMOUNTS:.0f} where" in GUIDE
    assert f"within {KNOWN_FOR // 86_400_000_000} days" in GUIDE
    for words in (THE_HOLDOUT, THE_STRATEGYS):
        assert f"**{words}**" in GUIDE
    assert [course for course in Course if course is not Course.EARLY and f"*{course}*" not in GUIDE] == []
