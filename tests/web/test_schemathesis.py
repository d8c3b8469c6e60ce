"""schemathesis makes requests of all the OpenAPI document allows, and of much it does not, and judges the answers.

It runs as its own command, so that what it finds can be repeated without these tests. What it is told about the service
is in `schemathesis_hooks`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
CONFIG = """\
output.sanitization.enabled = false

[generation]
database = "none"
with-security-parameters = false  # two keys in one request are refused, and nothing else would be tried

[checks]
positive_data_acceptance.enabled = false  # many a rule is in the documents in force, not in the schema
allow_header_conformance.enabled = false  # GET /v1/decisions/batch asks for the decision of that id

# A wrong item of a batch is answered in its place, in a 200.
[[operations]]
include-name = ["POST /v1/decisions/batch", "POST /v1/decisions/upload", "POST /v1/outcomes"]
checks.negative_data_rejection.enabled = false

# What says nothing for us is ignored, whatever else is wrong with it.
[[operations]]
include-path-regex = "^/v1/(batch|track|identify|page|screen|group|alias)$"
checks.negative_data_rejection.enabled = false
"""
pytestmark = pytest.mark.slow


def known_of(service: Any) -> dict[str, list[Any]]:
    """Names that exist in a service, made to exist where need be."""
    made = [
        service.client.post("/v1/decisions", json={"campaign": campaign, "recipient": f"r{n}", "request_id": "known"})
        for campaign in ("winback", "newsletter", "members")
        for n in range(4)
    ]
    lost = {"event_id": "lost", "kind": "purchase", "decision_id": "nobody", "occurred_at": "2026-01-01T00:00:00Z"}
    service.client.post("/v1/outcomes", json=lost)
    campaigns = ["winback", "newsletter", "members"]
    return {
        "campaign": campaigns,
        "campaign_id": campaigns,
        "decision_id": [answer.json()["decision_id"] for answer in made],
        "recipient": [f"r{n}" for n in range(4)],
        "targetingKey": [f"r{n}" for n in range(4)],
        "key": [*campaigns, "winback:variant"],
        "campaigns": [["winback"], ["members", "nonsense"]],
        "variant": ["ten-percent", "hello", "one", "short.morning"],
        "exclude": [[], ["ten-percent"], ["hello", "nonsense"]],
        "kind": ["purchase", "clicked", "opened", "exposed", "withdrawn", "bounced"],
        "occurred_at": [datetime.now(UTC).isoformat()],
        "attributes": [{}, {"days": 120, "country": "US"}, {"vip": True}, {"days": None}],
        "consent": [{}, {"email": True}, {"email": False}],
        "time_zone": ["Europe/London", "America/New_York"],
        "note": ["because", "we were asked to"],
        "channel": ["email"],
        "value": [1, 2.5, "19.90", -3],
        "currency": ["USD"],
        "reverses": ["lost", "other"],
        "event_ids": [["lost"], ["nobody"]],
    }


def run(service: Any, folder: Path, *options: str, key: str | None, expected: str = "") -> None:
    """schemathesis on a running service; what it finds fails the test, with the request that shows it."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    repeatable = ["--generation-deterministic"] if os.environ.get("CI") == "true" else []
    header = [] if key is None else ["--header", f"Authorization: Bearer {key}"]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": HOOKS.stem,
        "PYTHONPATH": str(HOOKS.parent),
        "SERVICE_KNOWN": json.dumps(known_of(service)),
        "SERVICE_EXPECTED": expected,
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--no-color"),
            *("--continue-on-failure", "--request-timeout", "20", "--warnings", "off"),
            *header,
            *repeatable,
            *options,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Tested: 72" in done.stdout, done.stdout


def test_every_answer_is_what_the_document_says(service: Any, tmp_path: Path, database: str) -> None:
    examples = "30" if database == "sqlite" else "6"
    run(service, tmp_path, "--max-examples", examples, key=service.key)
    assert service.house().verify().clean
    assert service.client.get("/readyz").status_code == 200


def test_without_a_key_there_is_no_answer(site: Any, tmp_path: Path) -> None:
    options = ["--phases", "fuzzing", "--mode", "positive", "--max-examples", "2"]
    run(site, tmp_path, *options, key=None, expected="401")


def test_with_a_key_of_no_scope_there_is_no_answer(site: Any, tmp_path: Path) -> None:
    key = site.deployment.create_key("powerless", [])
    options = ["--phases", "fuzzing", "--mode", "positive", "--max-examples", "2"]
    run(site, tmp_path, *options, key=key, expected="403")
