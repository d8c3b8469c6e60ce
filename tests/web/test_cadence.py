"""Nobody has to ask a campaign to learn: it does so at its own cadence, and the allocation moves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from optimizer.services.learning import lease
from optimizer.services.learning.refreshing import learn_campaign

PATIENCE_SECONDS = 30.0


def allocation(service: Any) -> tuple[str, dict[str, float]]:
    answer = service.client.get("/v1/campaigns/winback/allocation").json()
    everyone = next(segment for segment in answer["segments"] if segment["segment"] == "everyone-else")
    return answer["snapshot"], everyone["allocation"]


def test_a_round_of_learning_that_fails_does_not_end_learning(
    serve: Any, deployment: Any, files: dict[str, str], edited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def broken_once(*arguments: Any) -> Any:
        rounds.append(arguments)
        if len(rounds) == 1:
            raise ZeroDivisionError("on purpose")
        return learn_campaign(*arguments)

    monkeypatch.setattr(lease, "learn_campaign", broken_once)
    quick = edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.05, refresh: PT1S"))
    with serve(deployment, quick) as service:
        began = time.monotonic()
        while len(rounds) < 3 and time.monotonic() - began < PATIENCE_SECONDS:
            time.sleep(0.1)
        assert len(rounds) >= 3
        assert service.client.get("/readyz").status_code == 200


def test_a_campaign_learns_at_its_cadence(serve: Any, deployment: Any, files: dict[str, str], edited: Any) -> None:
    quick = edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.05, refresh: PT1S"))
    with serve(deployment, quick) as service:
        before = allocation(service)
        asked = {"campaign": "winback", "request_id": "r", "recipients": [{"recipient": f"p{n}"} for n in range(600)]}
        decisions = service.client.post("/v1/decisions/batch", json=asked).json()["decisions"]
        outcomes = [
            {
                "event_id": f"bought-{decision['decision_id']}",
                "decision_id": decision["decision_id"],
                "kind": "purchase",
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            for decision in decisions
            if decision["variant"] == "ten-percent"  # everyone who got it buys, nobody else does
        ]
        statuses = service.client.post("/v1/outcomes", json={"outcomes": outcomes}).json()["outcomes"]
        assert {status["status"] for status in statuses} == {"accepted"}
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_SECONDS:
            after = allocation(service)
            if after[1]["ten-percent"] > 0.89:  # what two floors of .05 leave
                break
            time.sleep(0.1)
        assert after[0] != before[0]
        assert after[1]["ten-percent"] > 0.89
        assert max(after[1]["new-arrivals"], after[1]["hello"]) < 0.06
