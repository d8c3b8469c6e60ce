"""People look at one decision, and at what is left of the budget, from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.settings import read_settings


@pytest.fixture
def decided(in_force: Path) -> Any:
    """Makes decisions on a workspace that is applied and approved; gives their ids."""

    def deciding(*excluded: str) -> str:
        deployment = Deployment(in_force, read_settings())
        try:
            with deployment.store.writing(alone=True) as ledger:
                request = DecisionRequest("winback", "ann", f"r{excluded}", {}, excluded)
                (answer,) = decide(ledger, deployment.live, [request], now())
        finally:
            deployment.close()
        decision_id: str = answer.decision.decision_id  # type: ignore[union-attr]
        return decision_id

    return deciding


def test_a_decision_is_explained_step_by_step(in_force: Path, run: Any, decided: Any) -> None:
    shown = run("explain", decided("ten-percent:evening"), "-w", in_force)
    assert shown.code == 0
    assert "winback: " in shown.out
    assert "computed again: comes out the same" in shown.out


def test_as_json_it_is_what_http_answers(in_force: Path, run: Any, decided: Any) -> None:
    from optimizer.web.shapes.explanation_answers import ExplanationOut

    shown = run("explain", decided(), "--json", "-w", in_force)
    answer = ExplanationOut.model_validate(json.loads(shown.out), strict=False)
    assert answer.recomputed.same


def test_an_unknown_decision_is_named(in_force: Path, run: Any) -> None:
    refused = run("explain", "nope", "-w", in_force)
    assert refused.code != 0
    assert "found 'nope'; allowed a decision this service made" in refused.err


def test_the_report_shows_what_is_in_use_of_each_budget(in_force: Path, run: Any, decided: Any) -> None:
    decided()
    shown = run("report", "winback", "-w", in_force)
    assert "budget of campaign winback" in shown.out
    assert "in use" in shown.out
