"""Reports that could not be used, from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.settings import read_settings


@pytest.fixture
def with_two_waiting(in_force: Path) -> Path:
    """A workspace with a report of nothing that was decided, and one of a recipient nobody has heard of."""
    deployment = Deployment(in_force, read_settings())
    reports = [
        OutcomeReport("lost", "purchase", now(), decision_id="no-such"),
        OutcomeReport("odd", "purchase", now(), recipient="zoe", campaign_id="winback", machine=True),
    ]
    try:
        with deployment.store.writing() as ledger:
            record_outcomes(ledger, deployment.live, reports, now())
    finally:
        deployment.close()
    return in_force


def test_what_waits_is_listed_with_its_reason(with_two_waiting: Path, run: Any) -> None:
    shown = run("quarantine", "list", "-w", with_two_waiting)
    assert shown.code == 0
    assert "decision_id: found no-such; allowed a decision this service made" in " ".join(shown.out.split())
    assert "zoe" not in shown.out
    assert "1 more wait" in run("quarantine", "list", "-n", "1", "-w", with_two_waiting).out


def test_json_is_what_http_answers(with_two_waiting: Path, run: Any) -> None:
    from optimizer.web.shapes.oversight_answers import QuarantineOut

    found = json.loads(run("quarantine", "list", "--json", "-w", with_two_waiting).out)
    QuarantineOut.model_validate(found, strict=False)
    assert (found["waiting"], {one["report"]["event_id"] for one in found["reports"]}) == (2, {"lost", "odd"})


def test_a_retry_says_what_became_of_each(with_two_waiting: Path, run: Any) -> None:
    shown = run("quarantine", "retry", "--all", "-w", with_two_waiting)
    assert shown.code == 0
    assert "lost: unknown, decision_id: found no-such" in shown.out
    assert "2 unknown." in shown.out
    one = json.loads(run("quarantine", "retry", "lost", "--json", "-w", with_two_waiting).out)
    assert [o["status"] for o in one["outcomes"]] == ["unknown"]


def test_a_retry_of_nothing_is_a_mistake_and_an_empty_quarantine_is_fine(in_force: Path, run: Any) -> None:
    assert "Nothing waits" in run("quarantine", "list", "-w", in_force).out
    assert run("quarantine", "retry", "--all", "-w", in_force).code == 0
    assert run("quarantine", "retry", "-w", in_force).code == 2
    assert run("quarantine", "retry", "lost", "--all", "-w", in_force).code == 2
    missing = run("quarantine", "retry", "lost", "-w", in_force)
    assert (missing.code, "found lost; allowed an event that waits" in missing.err) == (2, True)
