"""What others were told, from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.services.notices.announcing import address, announce
from optimizer.services.notices.delivering import Attempt, settle, take
from optimizer.settings import read_settings
from optimizer.web.shapes.notice_answers import NoticesOut


@pytest.fixture
def with_a_dead_letter(in_force: Path, run: Any) -> Path:
    """A workspace in which one notice was given up and another waits."""
    strategy = in_force / "strategy.yaml"
    strategy.write_text(strategy.read_text() + "notify:\n  - {id: ops, about: [proposal_made]}\n")
    assert run("apply", "--note", "tell ops", "-w", in_force).code == 0
    deployment = Deployment(in_force, read_settings())
    gone = Attempt(delivered=False, trouble="answered 410", again=False)
    try:
        with deployment.store.writing() as ledger:
            for n, because in enumerate(["[bold]try[/bold] more", "try less"]):
                announce(ledger, Notice(NoticeKind.PROPOSAL_MADE, "winback", {"because": because}, now() - 10 + n))
            address(ledger, deployment.live, now(), 10)
            (letter,) = take(ledger, deployment.live, "ops", "worker", now(), 1)
            settle(ledger, "ops", letter.due, gone, now())
    finally:
        deployment.close()
    return in_force


def test_nothing_is_said_to_be_nothing(in_force: Path, run: Any) -> None:
    assert run("notices", "list", "-w", in_force).out == "Nothing was announced.\n"
    assert run("notices", "list", "--state", "dead", "-w", in_force).out == "No notice is dead.\n"
    assert run("notices", "retry", "--all", "-w", in_force).out == "Nothing was given up.\n"


def test_what_was_announced_is_listed_with_what_became_of_it(with_a_dead_letter: Path, run: Any) -> None:
    shown = run("notices", "list", "-w", with_a_dead_letter)
    words = " ".join(shown.out.split())
    assert shown.code == 0
    assert "A proposal waits for you: winback; [bold]try[/bold] more" in words
    assert "dead after 1: answered 410" in words
    assert "ops: 1 waits." in words
    assert "ops: 1 was given up." in words
    only = run("notices", "list", "--state", "dead", "-w", with_a_dead_letter).out
    assert "more" in only
    assert "less" not in only


def test_json_is_what_http_answers(with_a_dead_letter: Path, run: Any) -> None:
    found = json.loads(run("notices", "list", "--json", "-w", with_a_dead_letter).out)
    NoticesOut.model_validate(found, strict=False)
    assert (found["waiting"], found["dead"], len(found["notices"])) == ({"ops": 1}, {"ops": 1}, 2)


def test_what_was_given_up_is_sent_again(with_a_dead_letter: Path, run: Any) -> None:
    listed = run("notices", "list", "--state", "dead", "--json", "-w", with_a_dead_letter)
    (dead,) = json.loads(listed.out)["notices"]
    assert (
        run("notices", "retry", "--all", "--receiver", "chat", "-w", with_a_dead_letter).out
        == "Nothing was given up.\n"
    )
    assert run("notices", "retry", dead["notice_id"], "-w", with_a_dead_letter).out == "1 is sent again.\n"
    assert json.loads(run("notices", "retry", "--all", "--json", "-w", with_a_dead_letter).out) == {"retried": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry"], "NOTICE_ID: found none; allowed either ids, or --all"),
        (["retry", "x", "--all"], "NOTICE_ID: found some and --all; allowed either ids, or --all"),
        (["list", "--state", "lost"], "--state: found lost; allowed waiting, delivered, dead"),
        (["retry", "beef"], "notice: found 'beef'; allowed one that was sent to somebody, see the list"),
    ],
)
def test_what_makes_no_sense_is_refused(in_force: Path, run: Any, arguments: list[str], message: str) -> None:
    refused = run("notices", *arguments, "-w", in_force)
    assert refused.code in (1, 2)
    assert message in " ".join(refused.err.split())
