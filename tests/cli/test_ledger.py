import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.settings import Settings

PERSON = {"days_since_purchase": 120, "lifetime_value": 900.0, "country": "US"}


@pytest.fixture
def busy(in_force: Path) -> Path:
    """A workspace with forty decisions, half of them delivered, some of those rewarded."""
    deployment = Deployment(in_force, Settings(database_url=None, secret=None))
    try:
        with deployment.store.writing() as ledger:
            requests = [DecisionRequest("winback", f"person-{n}", "r1", PERSON) for n in range(40)]
            answers = decide(ledger, deployment.live, requests, now())
        reports = []
        for n, answer in enumerate(answers[:20]):
            decision_id = answer.decision.decision_id  # type: ignore[union-attr]
            reports.append(OutcomeReport(f"d{n}", "delivered", now(), decision_id))
            if n % 4 == 0:
                reports.append(OutcomeReport(f"p{n}", "purchase", now(), decision_id, value=9_990_000))
        with deployment.store.writing() as ledger:
            record_outcomes(ledger, deployment.live, reports, now())
    finally:
        deployment.close()
    return in_force


def test_verify_of_a_clean_ledger_says_what_it_did(busy: Path, run: Any) -> None:
    verified = run("ledger", "verify", "-w", busy)
    assert verified.code == 0
    assert "The ledger is clean" in verified.out
    document = json.loads(run("ledger", "verify", "-w", busy, "--recompute", "5", "--json").out)
    assert (document["ok"], document["decisions"], document["outcomes"], document["recomputed"]) == (True, 40, 25, 5)


def test_verify_finds_a_count_that_is_not_true(busy: Path, run: Any) -> None:
    with closing(sqlite3.connect(busy / ".optimizer" / "ledger.db")) as database, database:
        changed = database.execute("UPDATE statistics SET n = n + 1 WHERE metric = 'decided'").rowcount
    verified = run("ledger", "verify", "-w", busy)
    assert verified.code == 1
    assert "NOT clean" in verified.out
    document = json.loads(run("ledger", "verify", "-w", busy, "--json").out)
    assert len(document["mismatches"]) == changed
    one = document["mismatches"][0]
    assert one["stored"]["n"] == one["folded"]["n"] + 1


def test_verify_finds_a_decision_that_was_not_made_so(busy: Path, run: Any) -> None:
    with closing(sqlite3.connect(busy / ".optimizer" / "ledger.db")) as database, database:
        database.execute(
            "UPDATE decisions SET propensity = 0.5 WHERE decision_id = "
            "(SELECT min(decision_id) FROM decisions WHERE snapshot_id IS NOT NULL)"
        )
    verified = run("ledger", "verify", "-w", busy)
    assert verified.code == 1
    assert "1 differ" in verified.out


def test_report_shows_each_segment_with_its_variants_and_holdout(busy: Path, run: Any) -> None:
    shown = run("report", "winback", "-w", busy)
    assert shown.code == 0
    for said in (
        "maximises repeat_purchase: Grow repeat purchases",
        "as of",
        "segment lapsed-loyal",
        "segment lapsed",
        "ten-percent:morning",
        "holdout",
        "●",
        "20 delivered, 5 purchase",
    ):
        assert said in shown.out


def test_report_for_machines_is_that_of_the_service(busy: Path, run: Any) -> None:
    (one,) = json.loads(run("report", "-w", busy, "--json").out)["reports"]
    segment = one["segments"][0]
    n_learning = sum(variant["decisions"] for variant in segment["variants"])
    assert one["objective"] == "repeat_purchase"
    assert segment["learning"]["trials"] + segment["holdout"]["trials"] == 20
    assert 0 < n_learning <= 40


def test_report_of_an_unknown_campaign_is_wrong_usage(busy: Path, run: Any) -> None:
    refused = run("report", "nobody", "-w", busy, "--json")
    assert refused.code == 2
    assert json.loads(refused.out)["error"]["detail"] == "campaign: found 'nobody'; allowed winback"


def test_report_before_anything_is_applied_says_so(workspace: Path, run: Any) -> None:
    shown = run("report", "-w", workspace)
    assert shown.code == 0
    assert "optimizer apply" in shown.out


def test_a_key_is_shown_once_and_kept_only_as_a_hash(in_force: Path, run: Any) -> None:
    made = run("key", "create", "--name", "shop", "--scope", "decide", "--scope", "analyse", "-w", in_force)
    key = made.out.strip()
    assert key.startswith("opt_live_")
    assert "analyse, decide" in made.err
    state = b"".join(path.read_bytes() for path in (in_force / ".optimizer").glob("ledger.db*"))
    assert key.encode() not in state
    document = json.loads(run("key", "create", "--name", "x", "--scope", "manage", "-w", in_force, "--json").out)
    assert document["scopes"] == ["manage"]


def test_a_folder_without_a_workspace_is_left_alone(tmp_path: Path, run: Any) -> None:
    for command in (["report"], ["ledger", "verify"], ["serve"], ["key", "create", "--name", "x", "--scope", "decide"]):
        refused = run(*command, "-w", tmp_path)
        assert refused.code == 3, refused
        assert "optimizer init" in refused.err
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_cannot_be_opened_is_one_clear_message(workspace: Path, run: Any) -> None:
    (workspace / ".optimizer" / "ledger.db").write_bytes(b"this is no database" * 100)
    refused = run("report", "-w", workspace)
    assert refused.code == 3
    assert refused.err.startswith("error: cannot open the ledger")
    assert "Traceback" not in refused.err


def test_the_workspace_may_come_from_the_environment(in_force: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZER_WORKSPACE", str(in_force))
    assert run("ledger", "verify").code == 0


def test_debugging_shows_where_an_error_was_raised(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from optimizer.errors import ConfigurationError

    monkeypatch.setenv("OPTIMIZER_DEBUG", "1")
    with pytest.raises(ConfigurationError):
        run("report", "-w", tmp_path)


def test_a_whole_ledger_goes_into_a_file_and_into_an_empty_workspace(in_force: Path, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.ledger"
    written = run("ledger", "export", file, "-w", in_force, "--json")
    assert json.loads(written.out)["rows"]["strategy_versions"] == 1
    refused = run("ledger", "import", file, "-w", in_force)
    assert refused.code == 1
    assert "allowed an empty one to import into" in refused.err
    for database in (in_force / ".optimizer").glob("ledger.db*"):
        database.unlink()
    read = run("ledger", "import", file, "-w", in_force)
    assert read.code == 0, read
    assert "Imported" in read.out
    assert run("ledger", "verify", "-w", in_force).code == 0


def test_a_whole_ledger_has_no_campaign_to_choose(in_force: Path, run: Any, tmp_path: Path) -> None:
    refused = run("ledger", "export", "--campaign", "winback", tmp_path / "backup.ledger", "-w", in_force)
    assert refused.code == 2
    assert "neither --campaign nor --all with a whole ledger" in refused.err


def test_an_import_that_lacked_the_secret_works_once_it_is_there(
    busy: Path, tmp_path_factory: pytest.TempPathFactory, run: Any
) -> None:
    file, restored = busy / "all.ledger", tmp_path_factory.mktemp("restored")
    assert run("ledger", "export", file, "-w", busy).code == 0
    shutil.copy(busy / "strategy.yaml", restored)
    refused = run("ledger", "import", file, "-w", restored)
    assert refused.code == 3
    assert "secret: found one that differs from the one the file's hashes were made with" in refused.err
    shutil.copy(busy / ".optimizer" / "secret", restored / ".optimizer" / "secret")
    assert run("ledger", "import", file, "-w", restored).code == 0
    assert run("ledger", "verify", "-w", restored).code == 0


def test_a_file_that_cannot_be_written_is_one_clear_message(in_force: Path, run: Any, tmp_path: Path) -> None:
    file = tmp_path / f"{'a' * 300}.ledger"
    refused = run("ledger", "export", file, "-w", in_force, "--json")
    assert refused.code == 3
    assert refused.err.startswith("error: cannot read or write ")
    assert refused.err.endswith(": File name too long\n")
    assert json.loads(refused.out)["error"]["exit_code"] == 3


def test_a_full_disk_is_one_clear_message_and_no_verdict(in_force: Path, command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        verify = [*command, "ledger", "verify", "-w", str(in_force)]
        refused = subprocess.run(verify, stdout=full, stderr=subprocess.PIPE, check=False)
    assert refused.returncode == 3
    assert refused.stderr.decode().splitlines() == ["error: cannot read or write: No space left on device"]
