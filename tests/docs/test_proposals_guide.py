"""The guide to proposals says what is true: its commands run, and no kind, state or route is left out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.deployment import Deployment, now
from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind, ProposalState
from optimizer.services.proposing.keeping import GROWN, REST, Made, keep
from optimizer.settings import Settings
from optimizer.web.routes.proposals import router

GUIDE = (Path(__file__).parents[2] / "docs" / "proposals.md").read_text("utf-8")
DAYS = 86_400 * 1_000_000


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in force with two proposals."""
    monkeypatch.setenv("OPTIMIZER_WORKSPACE", str(tmp_path))
    for command in (["init", str(tmp_path)], ["apply", "--note", "first"]):
        assert CliRunner().invoke(app, command).exit_code == 0
    deployment = Deployment(tmp_path, Settings(actor="tester"))
    made = tuple(
        Proposal(
            ProposalKind.RETIRE_VARIANT,
            "winback",
            name,
            f"Retire {name}.",
            ("It earns less.",),
            None,
            "None.",
            Confidence.LOW,
            (Edit("winback", ("messages", name, "retired"), "set", value=True),),
        )
        for name in ("ten-percent", "we-miss-you")
    )
    with deployment.store.writing(alone=True) as ledger:
        keep(ledger, deployment.live, Made("winback", now(), 1, 100, made), now())
    deployment.close()
    return tmp_path


def test_its_commands_run_one_after_the_other(shop: Path) -> None:
    commands = re.findall(r"^\$ optimizer (.+)$", GUIDE, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        ran = CliRunner().invoke(app, shlex.split(command))
        assert ran.exit_code == 0, (command, ran.output)
    assert "retired: true" in (shop / "campaigns/winback.yaml").read_text("utf-8")
    inline = re.findall(r"`optimizer ((?:apply|pull) --[^`]+)`", GUIDE)
    assert len(inline) == 2
    for command in inline:
        assert CliRunner().invoke(app, shlex.split(command)).exit_code == 0, command


def test_every_command_it_names_is_there() -> None:
    for words in set(re.findall(r"`optimizer ([a-z-]+(?: make)?)", GUIDE)):
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words


def test_every_kind_state_and_word_of_certainty_is_explained() -> None:
    words = {*ProposalKind, *ProposalState, *Confidence}
    assert {word.value for word in words if f"`{word.value}`" not in GUIDE} == set()


def test_every_route_is_named() -> None:
    routes = {f"{method} {route.path}" for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    assert {route for route in routes if f"`{route}`" not in GUIDE} == set()


def test_the_numbers_are_those_in_force() -> None:
    assert (GROWN, REST) == (2, 7 * DAYS)
    assert "has **doubled**, and not within a week" in GUIDE
