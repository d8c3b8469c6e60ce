"""Behaviour over HTTP: it follows from outcomes, nobody can say it, and whoever asks is told what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optimizer.domain.instants import isoformat

DERIVED = "  purchases: {type: number, from: {event: purchase, measure: count}}\napproval:"


def test_a_purchase_moves_its_buyer_into_a_segment(
    deployment: Any, serve: Callable[..., Any], files: Mapping[str, str], edited: Any
) -> None:
    documents = edited(
        edited(files, "strategy.yaml", ("approval:", DERIVED)),
        "campaigns/winback.yaml",
        ("  - id: american", "  - id: buyers\n    when: {purchases: {at_least: 1}}\n  - id: american"),
    )
    with serve(deployment, documents) as service:

        def decided(request_id: str, **attributes: Any) -> Any:
            body = {"campaign": "winback", "recipient": "ann", "request_id": request_id, "attributes": attributes}
            return service.client.post("/v1/decisions", json=body)

        first = decided("r1").json()
        assert first["segment"] == "everyone-else"
        outcome = {"event_id": "e1", "kind": "purchase", "decision_id": first["decision_id"], "value": 12.5}
        reported = service.client.post("/v1/outcomes", json={**outcome, "occurred_at": first["decided_at"]})
        assert reported.status_code == 200
        assert decided("r2", purchases=None).json()["segment"] == "buyers"

        stated = decided("r3", purchases=7)
        assert stated.status_code == 422
        assert stated.json()["errors"][0]["pointer"] == "/attributes/purchases"
        assert "follows from purchase events" in stated.text
        stored = service.client.put("/v1/recipients/ann", json={"attributes": {"purchases": 7}})
        assert (stored.status_code, "follows from purchase events" in stored.text) == (422, True)

        (kept,) = service.client.get("/v1/recipients/ann/export").json()["behaviour"]
        assert kept | {"received_at": ""} == {
            "event_id": "e1",
            "kind": "purchase",
            "value": 12.5,
            "properties": {},
            "occurred_at": first["decided_at"],
            "received_at": "",
            "decision_id": first["decision_id"],
            "reverses": None,
            "machine": False,
        }
        assert kept["received_at"] > first["decided_at"] > isoformat(0)
        assert service.client.delete("/v1/recipients/ann").status_code == 200
        assert service.client.get("/v1/recipients/ann/export").json()["behaviour"] == []
