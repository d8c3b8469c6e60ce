"""People steer campaigns, read the audit trail and keep recipients out, from a terminal."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def steer(in_force: Path, run: Any) -> Any:
    """Runs a command on a workspace that is applied and approved, with a reason."""

    def steering(*arguments: str, note: str = "because") -> Any:
        return run(*arguments, "--note", note, "-w", in_force)

    return steering


def entries(run: Any, folder: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("audit", "--json", "-w", folder, *options).out)["entries"]
    return found


def test_pausing_and_resuming_says_what_is_so_now(steer: Any) -> None:
    paused = steer("pause", "winback")
    assert paused.code == 0
    assert "winback is paused: nothing is sent." in paused.out
    assert "status  paused" in paused.out
    again = steer("pause", "winback")
    assert (again.code, "winback is already paused." in again.out) == (0, True)
    assert "status  running" in steer("resume", "winback").out
    assert "status  stopped" in steer("stop", "winback").out


def test_a_variant_is_paused_by_itself_and_its_reason_shown(steer: Any) -> None:
    shown = steer("pause", "winback", "--variant", "ten-percent:evening", note="legal asked us to")
    assert "winback/ten-percent:evening is paused" in shown.out
    assert "legal asked us to" in shown.out
    assert "status  running" in shown.out
    assert "paused" not in steer("resume", "winback", "--variant", "ten-percent:evening").out


def test_pinning_names_campaign_and_variant(steer: Any) -> None:
    assert "pinned  ten-percent:evening" in steer("pin", "winback/ten-percent:evening").out
    assert "pinned" not in steer("unpin", "winback").out
    for wrong in ("winback", "winback/", "/ten-percent"):
        assert steer("pin", wrong).code == 2, wrong


def test_json_is_what_http_answers(steer: Any, in_force: Path) -> None:
    from optimizer.web.shapes.oversight_answers import SteeredOut

    shown = steer("review", "winback", "--json")
    answer = json.loads(shown.out)
    SteeredOut.model_validate(answer, strict=False)
    assert answer["changed"]
    assert answer["controls"]["campaign"] == "winback"


def test_what_cannot_be_is_told_in_one_sentence(steer: Any) -> None:
    for arguments, code, words in (
        (("pause", "winbck"), 2, "campaign: found 'winbck'; allowed winback"),
        (("pause", "winback", "--variant", "x"), 2, "variant: found 'x' in campaign winback; allowed"),
        (("advance", "winback"), 1, "rollout: found"),
        (("advance", "winback", "--stage", "1"), 2, ""),
        (("release", "winback"), 0, ""),
        (("acknowledge", "winback"), 0, ""),
    ):
        shown = steer(*arguments)
        assert (shown.code, words in shown.err) == (code, True), shown


def test_a_reason_is_needed(in_force: Path, run: Any) -> None:
    wishes = "pause winback|resume winback|stop winback|pin winback/x|unpin winback|advance winback|release winback"
    for command in f"{wishes}|acknowledge winback|review winback|suppress ann|unsuppress ann".split("|"):
        assert run(*command.split(), "-w", in_force).code == 2, command
        empty = run(*command.split(), "--note", " ", "-w", in_force)
        assert (empty.code, "/note: found nothing; allowed a sentence" in empty.err) == (2, True), command


def test_the_trail_shows_who_did_what_and_why_latest_first(
    steer: Any, in_force: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_ACTOR", "dana")
    steer("pause", "winback", note="the shop is down")
    steer("suppress", "bob@example.com")
    shown = run("audit", "-w", in_force)
    assert shown.code == 0
    line = next(line for line in shown.out.splitlines() if "the shop is down" in line)
    assert all(word in line for word in ("dana", "pause", "winback", "running", "paused"))
    assert "bob" not in shown.out
    assert [entry["action"] for entry in entries(run, in_force)][:2] == ["suppress", "pause"]
    assert [entry["action"] for entry in entries(run, in_force, "-n", "1")] == ["suppress"]
    assert {entry["subject"].partition("/")[0] for entry in entries(run, in_force, "--campaign", "winback")} == {
        "winback"
    }
    assert "no entry about nobody" in run("audit", "--campaign", "nobody", "-w", in_force).out


def test_verifying_the_trail_finds_what_was_changed_in_the_database(steer: Any, in_force: Path, run: Any) -> None:
    steer("pause", "winback", note="the shop is down")
    steer("resume", "winback")
    fine = run("audit", "--verify", "-w", in_force)
    assert fine.code == 0
    assert "unchanged" in fine.out
    head = json.loads(run("audit", "--verify", "--json", "-w", in_force).out)["head"]
    assert head in fine.out
    assert run("audit", "--kept", head, "-w", in_force).code == 0
    assert run("audit", "--kept", "0" * 64, "-w", in_force).code == 1
    number = next(e["number"] for e in entries(run, in_force) if e["note"] == "the shop is down")
    with sqlite3.connect(in_force / ".optimizer" / "ledger.db") as connection:
        connection.execute("UPDATE audit SET note = 'all is well' WHERE number = ?", (number,))
    connection.close()
    broken = run("audit", "--verify", "-w", in_force)
    assert broken.code == 1
    assert f"audit entry {number}: found it changed" in broken.out
    told = json.loads(run("audit", "--verify", "--json", "-w", in_force).out)
    assert (told["ok"], told["first_broken"]) == (False, number)


def test_recipients_are_suppressed_by_name_or_from_a_file(steer: Any, in_force: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\ufeffann\n\n  bob@example.com \r\nann\n", encoding="utf-8")
    shown = steer("suppress", "cyd", "--file", str(listed), "--channel", "email")
    assert shown.code == 0, shown
    assert shown.out == "3 recipients are suppressed on email.\n"
    assert "1 recipient is on the list already." in steer("suppress", "ann", "--channel", "email").out
    taken = json.loads(steer("unsuppress", "ann", "dan", "--json").out)
    assert taken == {"unsuppressed": 1, "not_listed": 1, "channel": None}


def test_a_list_that_cannot_be_used_changes_nothing(steer: Any, in_force: Path, run: Any) -> None:
    before = entries(run, in_force)
    for arguments, code, words in (
        (("suppress",), 2, "RECIPIENT: found none; allowed ids, or a file"),
        (("suppress", "ann", "--channel", "emial"), 2, "/channel: found 'emial'; allowed"),
        (("suppress", "ann smith"), 2, "/recipients/1: found 'ann smith'"),
        (("suppress", "--file", "nowhere.txt"), 3, "cannot read nowhere.txt"),
    ):
        shown = steer(*arguments)
        assert (shown.code, words in shown.err) == (code, True), shown
    assert entries(run, in_force) == before
