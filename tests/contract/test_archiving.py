"""A whole ledger in one file: nothing is lost on the way, from either database into either, and nothing half-read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import ConfigurationError, Conflict, OptimizerError
from optimizer.services.exports.archiving import export_ledger, import_ledger, read_manifest
from optimizer.services.recipients.profiles import put_profile
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Store

KINDS = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture
def lived_in(house: Any) -> Any:
    """A house in which something of every kind has happened."""
    odd = Profile({"country": "GB"}, {"email": True}, "Europe/London")
    with house.deployment.store.writing() as ledger:
        put_profile(ledger, house.deployment.live, "Zoë 'x' \\ \t", odd, house.now)
    made = house.learning(30)
    house.recorded(made[0].decision.decision_id)
    house.recorded(made[1].decision.decision_id, "unsubscribed")
    house.recorded("nobody-knows")
    house.later(HOUR)
    house.learn()
    house.learning(3, attributes={"country": "US", "vip": True})
    return house


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order of its own."""
    found = {}
    with store.engine.connect() as connection:
        for table in sa.inspect(store.engine).get_table_names():
            reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
            rows = connection.execute(sa.select(*(reflected.c[n] for n in sorted(reflected.c.keys()))))
            found[table] = sorted((tuple(_plain(value) for value in row) for row in rows), key=repr)
    return found


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def exported(house: Any, file: Path) -> Path:
    with house.deployment.store.reading() as ledger:
        export_ledger(ledger, file, house.now)
    return file


def test_nobody_but_its_owner_can_read_the_file(lived_in: Any, tmp_path: Path) -> None:
    (tmp_path / ".whole.ledger.draft").write_bytes(b"left over, for all to read")
    assert exported(lived_in, tmp_path / "whole.ledger").stat().st_mode & 0o777 == 0o600


def imported(deployment: Deployment, file: Path) -> None:
    with deployment.store.writing(alone=True) as ledger:
        import_ledger(ledger, file)


@pytest.mark.parametrize("target", KINDS)
def test_every_row_arrives_in_either_database(
    lived_in: Any,
    target: str,
    deploy: Callable[..., Deployment],
    new_database: Callable[[str], str],
    make_house: Callable[..., Any],
    tmp_path: Path,
) -> None:
    file = exported(lived_in, tmp_path / "all.ledger")
    there = deploy(new_database(target))
    imported(there, file)
    assert contents(there.store) == contents(lived_in.deployment.store)
    # The service goes on where the other one stood.
    moved = make_house(there, lived_in.now)
    again = lived_in.decided("learner-1")
    assert moved.decided("learner-1").decision == again.decision
    moved.later(DAY)
    moved.learning(2)
    moved.learn()
    assert moved.verify().clean


def test_a_file_says_what_it_holds(lived_in: Any, tmp_path: Path) -> None:
    found = read_manifest(exported(lived_in, tmp_path / "all.ledger"))
    counted = lived_in.counts()
    assert found.rows == {table: counted[table] for table in found.rows}
    assert set(counted) - set(found.rows) <= {"alembic_version", "leases", "receivers"}


def test_no_file_holds_the_secret_or_a_recipient(lived_in: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported(lived_in, tmp_path / "all.ledger")) as whole:
        everything = b"".join(whole.read(name) for name in whole.namelist())
    assert b"winback" in everything
    assert lived_in.deployment.live.secret not in everything
    assert b"learner-1" not in everything
    assert "Zoë".encode() not in everything


def test_a_ledger_that_is_not_empty_is_left_as_it_is(sqlite_house: Any, tmp_path: Path) -> None:
    file = exported(sqlite_house, tmp_path / "all.ledger")
    sqlite_house.learning(1)
    before = contents(sqlite_house.deployment.store)
    with pytest.raises(Conflict, match=r"^ledger: found one with \d+ rows of .*; allowed an empty one"):
        imported(sqlite_house.deployment, file)
    assert contents(sqlite_house.deployment.store) == before


def altered(file: Path, entry: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy in which one entry is something else."""
    copy = file.with_name("altered.ledger")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == entry else old.read(name))
    return copy


def _without_a_line(text: bytes) -> bytes:
    return text.split(b"\n", maxsplit=1)[1]


def _of_tomorrow(text: bytes) -> bytes:
    manifest = json.loads(text)
    for about in manifest["tables"]:
        if about["name"] == "decisions":
            about["columns"][-1] = "mood"
    return json.dumps(manifest).encode()


def _another_secret(text: bytes) -> bytes:
    manifest = json.loads(text)
    return json.dumps({**manifest, "kind": "a shopping list"}).encode()


@pytest.mark.parametrize(
    ("entry", "change", "said"),
    [
        ("decisions.ndjson", _without_a_line, r"rows of decisions that are not the \d+ written"),
        ("decisions.ndjson", lambda text: text[:-9], "found decisions: "),
        ("outcomes.ndjson", lambda text: text.replace(b"purchase", b"purchasE"), "found 2 rows of outcomes that are"),
        ("manifest.json", _of_tomorrow, "file: found tables of version"),
        ("manifest.json", _another_secret, "found no ledger of a version this release knows"),
        ("manifest.json", lambda _: b"[", "found no ledger of a version this release knows"),
    ],
)
def test_a_damaged_file_leaves_nothing_behind(
    sqlite_house: Any,
    deploy: Callable[..., Deployment],
    new_database: Callable[[str], str],
    tmp_path: Path,
    entry: str,
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    made = sqlite_house.learning(3)
    sqlite_house.recorded(made[0].decision.decision_id)
    sqlite_house.recorded(made[1].decision.decision_id)
    file = altered(exported(sqlite_house, tmp_path / "all.ledger"), entry, change)
    there = deploy(new_database("sqlite"))
    before = contents(there.store)
    with pytest.raises(OptimizerError, match=said):
        imported(there, file)
    assert contents(there.store) == before


def test_another_secret_is_refused(
    sqlite_house: Any, deploy: Callable[..., Deployment], tmp_path: Path, workspace: Callable[..., Path]
) -> None:
    file = exported(sqlite_house, tmp_path / "all.ledger")
    there = deploy(None)  # a workspace that makes a secret of its own
    with pytest.raises(ConfigurationError, match=r"^secret: found one that differs .* copy it from the other"):
        imported(there, file)


def test_what_is_no_file_of_ours_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.ledger"
    text.write_text("milk, eggs")
    with pytest.raises(ConfigurationError, match=r"notes.ledger: found something else; allowed a file that"):
        read_manifest(text)
