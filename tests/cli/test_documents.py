import json
import stat
from pathlib import Path
from typing import Any

import pytest

from optimizer.cli.documents import STATE
from optimizer.deployment import STATE_FOLDER


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_init_makes_a_workspace_without_mistakes(workspace: Path, run: Any) -> None:
    checked = run("check", workspace)
    assert checked.code == 0
    assert checked.out.rstrip().endswith("no mistakes")
    assert "ten-percent:evening" in checked.out


def test_init_points_editors_to_schemas_that_are_there(workspace: Path) -> None:
    for path in (workspace / "strategy.yaml", workspace / "campaigns" / "winback.yaml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        schema = json.loads((path.parent / first.partition("$schema=")[2]).read_text())
        assert schema["type"] == "object"


def test_init_keeps_state_private_and_out_of_version_control(workspace: Path) -> None:
    assert stat.S_IMODE((workspace / ".optimizer").stat().st_mode) == 0o700
    assert ".optimizer/*" in (workspace / ".gitignore").read_text().splitlines()


def test_init_and_the_deployment_mean_the_same_folder() -> None:
    assert STATE == STATE_FOLDER


def test_init_says_what_comes_next(tmp_path: Path, run: Any) -> None:
    shown = run("init", tmp_path / "a b")
    assert f"cd '{tmp_path / 'a b'}'" in shown.out
    assert "optimizer check" in shown.out
    assert "optimizer apply --note" in shown.out


def test_init_never_overwrites(workspace: Path, run: Any) -> None:
    (workspace / "strategy.yaml").write_text("mine")
    again = run("init", workspace)
    assert again.code == 2
    assert "strategy.yaml" in again.err
    assert (workspace / "strategy.yaml").read_text() == "mine"


def test_init_reports_a_folder_it_cannot_write(tmp_path: Path, run: Any) -> None:
    (tmp_path / "file").write_text("")
    assert run("init", tmp_path / "file" / "shop").code == 3


def test_the_starter_shows_what_documents_can_do(workspace: Path) -> None:
    text = (workspace / "strategy.yaml").read_text() + (workspace / "campaigns" / "winback.yaml").read_text()
    for key in ("attributes:", "segments:", "only_segments:", "control:", "holdout:", "approval:", "policy:"):
        assert key in text


@pytest.fixture
def broken(workspace: Path) -> Path:
    change(workspace / "campaigns" / "winback.yaml", "serves: repeat_purchase", "serves: repeat_purchse")
    change(workspace / "strategy.yaml", "attribution_window: P2D", "attribution_window: 2 days")
    return workspace


def test_check_names_place_found_and_allowed(broken: Path, run: Any) -> None:
    checked = run("check", broken)
    assert checked.code == 1
    lines = checked.out.splitlines()
    found = next(n for n, line in enumerate(lines) if "serves" in line)
    campaign = broken / "campaigns" / "winback.yaml"
    assert lines[found].startswith(f"{campaign}:7:9: serves: found repeat_purchse; allowed one of: repeat_purchase")
    source, caret = lines[found + 1], lines[found + 2]
    assert source.index("repeat_purchse") == caret.index("^")
    assert caret.count("^") == len("repeat_purchse")
    assert "2 mistakes in 2 files" in checked.out


def test_check_gives_machines_one_document(broken: Path, run: Any) -> None:
    checked = run("check", broken, "--json")
    assert checked.code == 1
    document = json.loads(checked.out)
    assert document["ok"] is False
    assert {(f["key"], f["line"], f["column"]) for f in document["findings"]} == {
        ("serves", 7, 9),
        ("objectives[1].attribution_window", 21, 25),
    }


def test_check_of_one_document_shows_its_mistakes_and_the_strategys(broken: Path, run: Any) -> None:
    (broken / "campaigns" / "other.yaml").write_text("campaign: other\n")
    shown = run("check", broken / "campaigns" / "winback.yaml").out
    assert "serves" in shown
    assert "attribution_window" in shown
    assert "other.yaml" not in shown


def test_check_of_a_folder_without_a_workspace_says_how_to_make_one(tmp_path: Path, run: Any) -> None:
    checked = run("check", tmp_path)
    assert checked.code == 1
    assert "optimizer init" in checked.out


def test_check_shows_brackets_and_markup_as_they_are(workspace: Path, run: Any) -> None:
    change(workspace / "campaigns" / "winback.yaml", "  - id: new-arrivals", "  - id: '[bold]x[/nope]'")
    checked = run("check", workspace)
    assert checked.code == 1
    assert "messages[1].id: found '[bold]x[/nope]'" in checked.out


def test_apply_refuses_documents_with_mistakes_and_changes_nothing(broken: Path, run: Any) -> None:
    refused = run("apply", "--note", "oops", "-w", broken)
    assert refused.code == 1
    assert "serves: found repeat_purchse" in refused.err
    assert not (broken / ".optimizer" / "ledger.db").exists()


def test_apply_and_approve_put_words_in_force(workspace: Path, run: Any) -> None:
    first = json.loads(run("apply", "--note", "first", "-w", workspace, "--json").out)
    assert (first["version"], first["changed"], len(first["awaiting_approval"])) == (1, True, 6)
    again = json.loads(run("apply", "--note", "again", "-w", workspace, "--json").out)
    assert (again["version"], again["changed"]) == (1, False)
    one = json.loads(run("approve", "winback/ten-percent", "-w", workspace, "--json").out)
    assert one == {"campaign": "winback", "approved": ["ten-percent:morning", "ten-percent:evening"]}
    everything = run("approve", "winback", "--note", "legal", "-w", workspace)
    assert everything.code == 0
    assert "It has been a while" in everything.out
    settled = json.loads(run("apply", "--note", "settled", "-w", workspace, "--json").out)
    assert settled["awaiting_approval"] == []


def test_changed_words_await_approval_again(in_force: Path, run: Any) -> None:
    change(in_force / "campaigns" / "winback.yaml", "We saved you 10 %", "We saved you 15 %")
    applied = run("apply", "--note", "more", "-w", in_force)
    assert "Version 2 is in force" in applied.out
    assert "optimizer approve winback/ten-percent" in applied.out
    assert "new-arrivals" not in applied.out


@pytest.mark.parametrize("what", ["nobody", "winback/nothing", "winback/", "/x", ""])
def test_approving_what_is_not_there_is_wrong_usage(in_force: Path, run: Any, what: str) -> None:
    refused = run("approve", what, "-w", in_force)
    assert refused.code == 2
    assert "allowed" in refused.err
    assert "Traceback" not in refused.err


def test_check_says_how_long_an_audience_needs(workspace: Path, run: Any) -> None:
    shown = run("check", workspace)
    assert shown.code == 0
    assert "days until the best variant is so with probability 0.9" in shown.out
    campaign = workspace / "campaigns" / "winback.yaml"
    change(campaign, "decisions_per_day: 10000", "decisions_per_day: 3000")
    assert "at most 3 variants, or a longer campaign" in " ".join(run("check", workspace).out.split())


def test_check_refuses_an_audience_too_small_to_learn_from(workspace: Path, run: Any) -> None:
    change(workspace / "campaigns" / "winback.yaml", "decisions_per_day: 10000", "decisions_per_day: 30")
    shown = run("check", workspace)
    assert shown.code == 1
    assert "winback.yaml:" in shown.out
    assert "expects: found an answer after" in shown.out
    made = json.loads(run("check", workspace, "--json").out)
    assert [finding["key"] for finding in made["findings"]] == ["expects"]
    assert {row["advice"] for row in made["outlook"]} == {"too small"}
