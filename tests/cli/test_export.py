"""``optimizer ledger export``."""

import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY
from optimizer.history.opening import open_history
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.settings import Settings

PERSON = {"days_since_purchase": 120, "lifetime_value": 900.0, "country": "US"}


@pytest.fixture
def old(in_force: Path) -> Path:
    """A workspace with forty decisions of long ago and one of today."""
    deployment = Deployment(in_force, Settings(database_url=None, secret=None))
    try:
        for n, at in ((40, now() - 300 * DAY), (1, now())):
            requests = [DecisionRequest("winback", f"person-{n}-{m}", "r1", PERSON, deferred=n == 1) for m in range(n)]
            with deployment.store.writing() as ledger:
                decide(ledger, deployment.live, requests, at)
    finally:
        deployment.close()
    return in_force


@pytest.mark.parametrize("file", ["log.parquet", "log.dsjson.gz", "log.npz"])
def test_export_of_everything_writes_every_decision_that_sent_something(
    old: Path, run: Any, tmp_path: Path, file: str
) -> None:
    done = run("ledger", "export", "--all", tmp_path / file, "-w", old)
    assert done.code == 0, done
    assert "decisions, of which" in done.out
    assert f"Wrote {tmp_path / file}" in done.out
    frame = open_history(tmp_path / file).frame.collect()
    assert 0 < len(frame) <= 41
    assert f"{len(frame)} written" in " ".join(done.out.split())


def test_export_for_machines_accounts_for_every_decision(old: Path, run: Any, tmp_path: Path) -> None:
    done = run(
        *("ledger", "export", "--campaign", "winback", "--format", "dsjson", "--all", "--json"),
        *(tmp_path / "log.dsjson", "-w", old),
    )
    said = json.loads(done.out)
    assert said["ok"]
    assert (said["campaign"], said["decisions"]) == ("winback", 41)
    assert said["written"] + sum(said["left_out"].values()) == 41


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["log.csv"], "OUT: found log.csv; allowed a name that ends in .ledger, .parquet, .dsjson, .dsjson.gz, .npz"),
        (["--format", "obp", "log.parquet"], "OUT: found log.parquet; allowed a name that ends in .npz"),
        (["nowhere/log.npz"], "nowhere/log.npz; allowed a file in a folder that is there"),
        (["--campaign", "nobody", "log.npz"], "campaign: found 'nobody'; allowed winback"),
    ],
)
def test_what_cannot_be_written_is_one_clear_message(
    old: Path, run: Any, tmp_path: Path, arguments: list[str], said: str
) -> None:
    *options, file = arguments
    refused = run("ledger", "export", *options, tmp_path / file, "-w", old)
    assert refused.code == 2
    assert said in refused.err
    assert not (tmp_path / file).exists()


def test_a_ledger_with_nothing_to_evaluate_yet_says_why(in_force: Path, run: Any, tmp_path: Path) -> None:
    refused = run("ledger", "export", tmp_path / "log.npz", "-w", in_force)
    assert refused.code == 2
    assert "winback: found nothing to write: no decisions" in refused.err


def test_without_a_campaign_in_force_one_is_asked_for(workspace: Path, run: Any, tmp_path: Path) -> None:
    refused = run("ledger", "export", tmp_path / "log.npz", "-w", workspace)
    assert refused.code == 2
    assert "--campaign: found none; allowed none yet; run `optimizer apply`" in refused.err
