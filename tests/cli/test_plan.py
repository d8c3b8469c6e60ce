import json
from pathlib import Path
from typing import Any

import pytest


def change(path: Path, *edits: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture
def edited_shop(in_force: Path) -> Path:
    """A workspace in force, with edits that are not."""
    change(
        in_force / "campaigns" / "winback.yaml",
        ("We saved you 10 %", "Still 10 % for you"),
        ("holdout: {share: 0.1}", "holdout: {share: 0.2}\nends: 2027-01-15"),
    )
    change(in_force / "strategy.yaml", ("P2D", "P3D"), ("share: 0.05", "share: 0.1"))
    return in_force


def test_plan_says_that_everything_is_new(workspace: Path, run: Any) -> None:
    shown = run("plan", "-w", workspace)
    assert shown.code == 0
    assert "nothing is live yet: everything is new" in shown.out
    assert "campaign winback is new: 6 variants serve repeat_purchase once approved" in shown.out
    assert "optimizer approve winback/ten-percent\n" in shown.out
    assert "10000 decisions a day, segments as expected, 5 % succeed" in " ".join(shown.out.split())
    assert shown.out.rstrip().endswith("apply with: optimizer apply --note WHY")


def test_plan_groups_changes_by_document(edited_shop: Path, run: Any) -> None:
    shown = run("plan", "-w", edited_shop)
    assert shown.code == 0
    strategy, _, campaign = shown.out.partition("campaigns/winback.yaml\n")
    assert strategy.strip().splitlines() == [
        "strategy.yaml",
        "  ~ objective clicks: attribution_window P2D becomes P3D  touches no campaign",
        "  ~ holdout share 0.05 becomes 0.1  touches winback",
    ]
    assert campaign.splitlines()[:4] == [
        '  ~ message ten-percent: subject "We saved you 10 %" becomes "Still 10 % for you" '
        "(2 new arms: start learning anew, their approvals lapse)",
        "  ~ holdout share 0.1 becomes 0.2",
        "  ~ ends 2027-01-15; it had no end before",
        "  → 2 new arms start learning anew: ten-percent:morning, ten-percent:evening; "
        "not served before these words are approved",
    ]
    assert "campaigns touched: winback" in campaign
    assert "optimizer approve winback/ten-percent  (approved as it is now)" in campaign
    assert "winback/new-arrivals" not in campaign


def test_plan_changes_nothing(edited_shop: Path, run: Any) -> None:
    before = json.loads(run("plan", "-w", edited_shop, "--json").out)
    assert json.loads(run("plan", "-w", edited_shop, "--json").out) == before
    assert before["live_version"] == 1
    assert json.loads(run("apply", "--note", "now", "-w", edited_shop, "--json").out)["version"] == 2


def test_plan_after_apply_finds_nothing(edited_shop: Path, run: Any) -> None:
    run("apply", "--note", "now", "-w", edited_shop)
    shown = run("plan", "-w", edited_shop, "--exit-code")
    assert shown.code == 0
    assert "nothing would change: the documents say what version 2 says" in shown.out
    assert "apply with" not in shown.out


def test_plan_knows_another_spelling_from_a_change(in_force: Path, run: Any) -> None:
    change(in_force / "strategy.yaml", ("attribution_window: P7D", "attribution_window: P1W"))
    shown = run("plan", "-w", in_force, "--exit-code")
    assert shown.code == 0
    assert "spelled differently, but mean what version 1 says" in shown.out


def test_plan_says_what_can_be_assumed(workspace: Path, run: Any) -> None:
    campaign = workspace / "campaigns" / "winback.yaml"
    change(campaign, ("expects: {", "# expects: {"))
    assert "optimizer plan --daily 5000 --rate 0.02" in run("plan", "-w", workspace).out


def test_plan_tells_scripts_whether_anything_would_change(edited_shop: Path, run: Any) -> None:
    assert run("plan", "-w", edited_shop).code == 0
    assert run("plan", "-w", edited_shop, "--exit-code").code == 2
    assert run("plan", "-w", edited_shop, "--exit-code", "--json").code == 2


def test_plan_gives_machines_one_document(edited_shop: Path, run: Any) -> None:
    made = json.loads(run("plan", "-w", edited_shop, "--json", "--daily", "3000", "--rate", "0.02").out)
    assert list(made) == [
        "live_version", "new_version", "changes", "campaigns_touched", "awaiting_approval", "outlook", "hindsight",
        "warm_starts",
        "warnings",
    ]  # fmt: skip
    assert (made["live_version"], made["new_version"], made["warnings"]) == (1, True, [])
    assert made["campaigns_touched"] == ["winback"]
    assert made["changes"][1] == {
        "document": "strategy.yaml",
        "subject": "holdout share",
        "sentence": "holdout share 0.05 becomes 0.1",
        "kind": "changed",
        "campaign": None,
        "narrows": True,
        "touches": ["winback"],
    }
    assert {(one["variant"], one["approved_now"]) for one in made["awaiting_approval"]} == {
        ("ten-percent:morning", True),
        ("ten-percent:evening", True),
    }
    loyal, lapsed = made["outlook"]
    assert (loyal["segment_id"], loyal["n_variants"], loyal["decisions_per_day"]) == ("lapsed-loyal", 6, 900)
    assert lapsed["n_variants"] == 3
    assert loyal["assumed"] == ["3000 decisions a day", "segments as expected", "2 % succeed"]
    assert lapsed["days"] == pytest.approx(lapsed["trials_per_variant"] * 3 / (2_100 * 0.9 * 0.8) + 7)


def test_plan_shows_mistakes_as_check_does(workspace: Path, run: Any) -> None:
    change(workspace / "campaigns" / "winback.yaml", ("serves: repeat_purchase", "serves: repeat_purchse"))
    for options in ([], ["--json"]):
        planned, checked = run("plan", "-w", workspace, *options), run("check", "-w", workspace, *options)
        assert planned.code == 1
        assert (planned.out, planned.err) == (checked.out, checked.err)
    assert not (workspace / ".optimizer" / "ledger.db").exists()


@pytest.mark.parametrize("options", [["--daily", "-1"], ["--rate", "1.5"], ["--rate", "many"]])
def test_plan_refuses_numbers_that_cannot_be(workspace: Path, run: Any, options: list[str]) -> None:
    assert run("plan", "-w", workspace, *options).code == 2


def test_plan_shows_markup_as_it_is(in_force: Path, run: Any) -> None:
    change(in_force / "campaigns" / "winback.yaml", ("We saved you 10 %", "[bold]x[/nope] {{first_name}}"))
    assert 'becomes "[bold]x[/nope] {{first_name}}"' in run("plan", "-w", in_force).out
