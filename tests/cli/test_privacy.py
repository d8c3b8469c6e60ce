"""``optimizer privacy``: export, erase, let go with time, rotate the key, scrub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.suppressing import suppress
from optimizer.settings import read_settings
from optimizer.storage.recipients import Profile


@pytest.fixture
def with_people(in_force: Path) -> Path:
    """A workspace in which Zoe has a profile and a decision of a year ago, and Yan is suppressed."""
    deployment = Deployment(in_force, read_settings())
    try:
        with deployment.store.writing() as ledger:
            live, then = deployment.live, now() - 365 * DAY
            put_profile(ledger, live, "zoe", Profile({}, {"email": True}), then, {"tcf": "CPXx"})
            decide(ledger, live, [DecisionRequest("winback", "zoe", "z1", {})], then)
            suppress(ledger, live, ["yan"], None, actor="clerk", note="by phone", now=then)
    finally:
        deployment.close()
    return in_force


def exported(run: Any, folder: Path, recipient: str) -> Any:
    return json.loads(run("privacy", "export", recipient, "-w", folder).out)


def test_an_export_is_what_http_answers(with_people: Path, run: Any) -> None:
    from optimizer.web.shapes.disclosure_answers import DisclosureOut

    found = exported(run, with_people, "zoe")
    DisclosureOut.model_validate(found, strict=False)
    assert [one["request_id"] for one in found["decisions"]] == ["z1"]
    assert run("privacy", "export", "zoe", "-w", with_people).code == 0
    assert run("privacy", "export", "nobody", "-w", with_people).code == 1


def test_people_are_erased_one_by_one_or_from_a_file(with_people: Path, run: Any, tmp_path: Path) -> None:
    (ids := tmp_path / "ids.txt").write_text("yan\nzoe\n")
    done = run("privacy", "erase", "--file", ids, "-w", with_people)
    assert done.code == 0
    assert "Nothing is left of 2 recipients: 1 decisions are about nobody now." in done.out
    assert "1 tombstones" in done.out
    assert exported(run, with_people, "zoe")["decisions"] == []
    again = run("privacy", "erase", "yan", "--forget-suppression", "--json", "-w", with_people)
    assert json.loads(again.out) == {
        "recipients": 1,
        "profiles": 0,
        "decisions": 0,
        "quarantined": 0,
        "tombstones": 0,
        "scrubbed": True,
    }
    assert run("privacy", "export", "yan", "-w", with_people).code == 1
    verified = run("ledger", "verify", "-w", with_people)
    assert verified.code == 0
    assert "1  were not, because their recipients are erased" in verified.out
    assert json.loads(run("ledger", "verify", "--json", "-w", with_people).out)["erased"] == 1


def test_nobody_is_no_one_to_erase(with_people: Path, run: Any) -> None:
    assert run("privacy", "erase", "-w", with_people).code == 2
    refused = run("privacy", "erase", "zoe", "not an id", "-w", with_people)
    assert refused.code != 0
    assert "/recipients/2: found 'not an id'" in " ".join(refused.err.split())
    assert exported(run, with_people, "zoe")["decisions"]


def test_what_is_old_enough_goes(with_people: Path, run: Any) -> None:
    strategy = with_people / "strategy.yaml"
    assert json.loads(run("privacy", "retain", "--json", "-w", with_people).out)["decisions"] == 0
    strategy.write_text(strategy.read_text() + "\ndata: {retention: {decisions: P300D, profiles: P300D}}\n")
    assert run("apply", "--note", "retention", "-w", with_people).code == 0
    done = run("privacy", "retain", "-w", with_people)
    assert done.code == 0
    assert "1 decisions are about nobody now; 1 profiles, 0 reports in quarantine and 0 events are gone." in done.out
    assert run("privacy", "export", "zoe", "-w", with_people).code == 1


def test_the_key_is_rotated_and_people_are_found_as_before(with_people: Path, run: Any) -> None:
    before = exported(run, with_people, "zoe")
    done = json.loads(run("privacy", "rotate-key", "--json", "-w", with_people).out)
    assert (done["rotation"], done["keys"] > 2, done["scrubbed"]) == (1, True, True)
    after = exported(run, with_people, "zoe")
    assert after["recipient_key"] != before["recipient_key"]
    assert after["decisions"] == before["decisions"]
    assert "rotation 2. The old key is gone." in run("privacy", "rotate-key", "-w", with_people).out
    assert run("ledger", "verify", "-w", with_people).code == 0


@pytest.mark.parametrize("whole", [(), ("--whole",)])
def test_the_files_are_scrubbed(with_people: Path, run: Any, whole: tuple[str, ...]) -> None:
    done = run("privacy", "scrub", *whole, "-w", with_people)
    assert (done.code, "hold nothing of what was erased" in done.out) == (0, True)
    assert json.loads(run("privacy", "scrub", *whole, "--json", "-w", with_people).out) == {"scrubbed": True}


@pytest.mark.postgres
def test_what_a_scrub_leaves_on_postgresql_is_said(
    in_force: Path, run: Any, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_DATABASE_URL", new_database("postgresql"))
    done = run("privacy", "scrub", "--whole", "-w", in_force)
    assert (done.code, "but for pg_wal" in " ".join(done.out.split())) == (0, True)


def test_a_reader_in_the_middle_of_an_old_view_is_waited_for_but_not_long(with_people: Path, run: Any) -> None:
    deployment = Deployment(with_people, read_settings())
    try:
        with deployment.store.reading() as ledger:
            ledger.decisions.count()
            refused = run("privacy", "erase", "zoe", "-w", with_people)
            assert refused.code == 0
            assert "old copies are left" in refused.err
            assert run("privacy", "scrub", "-w", with_people).code == 1
    finally:
        deployment.close()
    assert run("privacy", "scrub", "-w", with_people).code == 0
