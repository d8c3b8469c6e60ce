"""Proposals, and bringing what is in force into one's own folder, from a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.proposals import Confidence, Edit, Effect, Proposal, ProposalKind
from optimizer.services.proposing import keeping
from optimizer.services.proposing.keeping import Made, keep
from optimizer.settings import Settings

RETIRE = Proposal(
    kind=ProposalKind.RETIRE_VARIANT,
    campaign_id="winback",
    subject="ten-percent",
    headline="Retire ten-percent.",
    evidence=("It earns less.", "As of noon."),
    expected=Effect(0.012, 0.004, 0.02, "share of trials", "trial"),
    risk="It may have been good for something.",
    confidence=Confidence.HIGH,
    edits=(Edit("winback", ("messages", "ten-percent", "retired"), "set", value=True),),
)
BUDGET = replace(RETIRE, subject="total", headline="Raise the budget.", edits=(
    Edit("winback", ("budget", "total"), "set", "300 USD"),
))  # fmt: skip


@pytest.fixture
def proposed(in_force: Path) -> Path:
    """A workspace in force with two proposals."""
    deployment = Deployment(in_force, Settings(actor="tester"))
    with deployment.store.writing(alone=True) as ledger:
        version = deployment.live.at(ledger).version
        keep(ledger, deployment.live, Made("winback", now(), version, 100, (RETIRE, BUDGET)), now())
    deployment.close()
    return in_force


def test_proposals_are_listed_shown_accepted_and_rejected(run: Any, proposed: Path) -> None:
    listed = run("proposals", "list", "-w", proposed).out
    assert "Retire ten-percent." in listed
    shown = run("proposals", "show", "1", "-w", proposed).out
    assert "because   It earns less." in shown
    assert "+1.2 points a trial (95 % interval: +0.4 to +2)" in shown
    assert "+    retired: true" in shown
    done = run("proposals", "accept", "1", "--note", "as we hoped", "-w", proposed)
    assert (done.code, "Version 2 is in force." in done.out, "optimizer pull" in done.out) == (0, True, True)
    again = run("proposals", "accept", "1", "--note", "as we hoped", "-w", proposed)
    assert (again.code, "proposal 1: found it accepted by" in again.err) == (1, True)
    no = run("proposals", "reject", "2", "--note", "too much", "-w", proposed)
    assert "Proposal 2 is rejected" in no.out
    assert "rejected by" in run("proposals", "list", "--state", "rejected", "-w", proposed).out
    assert "Nothing is proposed." in run("proposals", "list", "--state", "open", "-w", proposed).out
    assert run("proposals", "list", "--state", "closed", "-w", proposed).code == 2
    assert run("proposals", "show", "9", "-w", proposed).code == 2


def test_json_is_what_http_answers(run: Any, proposed: Path) -> None:
    from optimizer.web.shapes.proposal_answers import DecidedOut, ShownOut

    ShownOut.model_validate(json.loads(run("proposals", "show", "1", "--json", "-w", proposed).out), strict=False)
    done = run("proposals", "accept", "1", "--note", "why", "--json", "-w", proposed).out
    DecidedOut.model_validate(json.loads(done), strict=False)
    numbers = [one["number"] for one in json.loads(run("proposals", "list", "--json", "-w", proposed).out)["proposals"]]
    assert numbers == [2, 1]


def test_the_evidence_can_be_asked_at_once(run: Any, in_force: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    misfit = replace(
        RETIRE, subject="gone", edits=(Edit("winback", ("messages", "gone", "retired"), "set", value=True),)
    )
    monkeypatch.setattr(keeping, "proposals", lambda _looked: (RETIRE, misfit))
    made = run("proposals", "make", "-w", in_force)
    assert "Retire ten-percent." in made.out
    assert "a proposal does not fit the documents" in made.err
    assert run("proposals", "make", "gone", "-w", in_force).code == 2


def test_an_old_folder_does_not_undo_what_was_accepted(run: Any, proposed: Path) -> None:
    run("proposals", "accept", "1", "--note", "as we hoped", "-w", proposed)
    planned = run("plan", "-w", proposed)
    assert "warning: found documents that undo proposal 1, accepted by" in planned.out
    refused = run("apply", "--note", "mine", "-w", proposed)
    assert refused.code == 1
    assert '("Retire ten-percent."); allowed ones that say it: `optimizer pull` fetches them, or --force' in refused.err
    assert run("pull", "-w", proposed).code == 0
    assert "retired: true" in (proposed / "campaigns/winback.yaml").read_text("utf-8")
    assert "version 2 says the same" in run("apply", "--note", "mine", "-w", proposed).out


def test_whoever_insists_undoes_it(run: Any, proposed: Path) -> None:
    run("proposals", "accept", "1", "--note", "as we hoped", "-w", proposed)
    assert "Version 3 is in force" in run("apply", "--note", "mine", "--force", "-w", proposed).out
    assert "says the same" in run("apply", "--note", "mine", "-w", proposed).out


def test_pulling_loses_nothing_that_somebody_has_written(run: Any, proposed: Path) -> None:
    run("proposals", "accept", "1", "--note", "as we hoped", "-w", proposed)
    file = proposed / "campaigns/winback.yaml"
    mine = file.read_text("utf-8").replace("floor: 0.03", "floor: 0.01")
    file.write_text(mine, "utf-8")
    (proposed / "campaigns/next.yaml").write_text("campaign: next\n", "utf-8")
    refused = run("pull", "-w", proposed)
    assert refused.code == 1
    assert (
        "found changes in campaigns/winback.yaml that were never applied; allowed none, or --overwrite" in refused.err
    )
    assert "-policy: {floor: 0.01, cap: 0.9}" in refused.err
    assert file.read_text("utf-8") == mine
    pulled = run("pull", "--overwrite", "--json", "-w", proposed)
    assert json.loads(pulled.out) == {
        "version": 2,
        "written": ["campaigns/winback.yaml"],
        "not_in_force": ["campaigns/next.yaml"],
    }
    assert "floor: 0.03" in file.read_text("utf-8")
    assert "Nothing to write" in run("pull", "-w", proposed).out
    assert not [name.name for name in file.parent.iterdir() if name.name.endswith(".new")]


def test_there_is_nothing_to_pull_before_anything_is_in_force(run: Any, workspace: Path) -> None:
    refused = run("pull", "-w", workspace)
    assert (refused.code, "found none in force" in refused.err) == (1, True)


def test_a_rollout_is_rolled_back_by_hand(run: Any, in_force: Path) -> None:
    none = run("roll-back", "winback", "--note", "worse", "-w", in_force)
    assert (none.code, "rollout: found none in the documents" in none.err) == (1, True)
