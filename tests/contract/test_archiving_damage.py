"""A file of a ledger that is damaged, or was made to do damage, is refused in a sentence and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optimizer.deployment import Deployment
from optimizer.errors import OptimizerError
from optimizer.services.exports.archiving import SUFFIX, export_ledger, import_ledger, read_manifest
from optimizer.settings import Settings

VALUES = [None, 1, "x", [], {}, [1], -1, 1e308, True, 2**70, "\0"]


class Enough(Exception):
    """Nothing shall be kept."""


class Target:
    """An empty ledger to import into, and a good file."""

    def __init__(self, deployment: Deployment, whole: bytes, file: Path) -> None:
        self.deployment, self.whole, self.file = deployment, whole, file

    def takes(self, data: bytes) -> bool:
        """Whether a file is imported; if so, it is forgotten again."""
        self.file.write_bytes(data)
        try:
            read_manifest(self.file)
            with suppress(Enough), self.deployment.store.writing(alone=True) as ledger:
                self._import(ledger)
        except OptimizerError as error:
            said = str(error)
        else:
            return True
        assert "allowed" in said
        return False

    def _import(self, ledger: Any) -> None:
        import_ledger(ledger, self.file)
        raise Enough

    def packed(self, change: Callable[[str, bytes], bytes | None]) -> bytes:
        """The good file with other entries."""
        made = BytesIO()
        with zipfile.ZipFile(BytesIO(self.whole)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, change(name, old.read(name)) or b"")
        return made.getvalue()

    def manifest(self) -> dict[str, Any]:
        with zipfile.ZipFile(BytesIO(self.whole)) as old:
            found: dict[str, Any] = json.loads(old.read("manifest.json"))
            return found

    def with_manifest(self, manifest: Any) -> bytes:
        return self.packed(lambda name, text: json.dumps(manifest).encode() if name == "manifest.json" else text)

    def with_rows(self, table: str, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
        """With other rows of a table, of which the manifest says that they are those that were written."""
        with zipfile.ZipFile(BytesIO(self.whole)) as old:
            lines = change(old.read(f"{table}.ndjson").splitlines())
        text = b"".join(line + b"\n" for line in lines)
        manifest = self.manifest()
        about = next(one for one in manifest["tables"] if one["name"] == table)
        about.update(rows=len(lines), sha256=sha256(text).hexdigest())
        entries = {"manifest.json": json.dumps(manifest).encode(), f"{table}.ndjson": text}
        return self.packed(entries.get)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, make_house: Any) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("archives")
    for name in ("from", "to"):
        (folder / name).mkdir()
    source = Deployment(folder / "from", Settings(actor="tester"))
    house = make_house(source)
    house.apply()
    decided = [house.decided(f"r{n}") for n in range(10)]
    house.recorded(decided[0].decision.decision_id)
    house.learn()
    with source.store.reading() as ledger:
        export_ledger(ledger, folder / f"whole{SUFFIX}", house.now)
    source.close()
    (folder / "to" / ".optimizer").mkdir()
    shutil.copy(folder / "from" / ".optimizer" / "secret", folder / "to" / ".optimizer" / "secret")
    deployment = Deployment(folder / "to", Settings(actor="tester"))
    yield Target(deployment, (folder / f"whole{SUFFIX}").read_bytes(), folder / f"damaged{SUFFIX}")
    deployment.close()


def test_the_whole_file_is_taken(target: Target) -> None:
    assert target.takes(target.whole)


@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50), st.binary(max_size=4)), min_size=1, max_size=4))
@example(edits=[(0.1, 1, b"\xff"), (0.2, 1, b"\xff"), (0.3, 1, b"\xff")])
@example(edits=[(0.5, 10_000_000, b"")])
def test_no_damage_to_its_bytes_is_a_defect(target: Target, edits: list[tuple[float, int, bytes]]) -> None:
    data = target.whole
    for where, n_removed, inserted in edits:
        at = int(where * len(data))
        data = data[:at] + inserted + data[at + n_removed :]
    target.takes(data)


@pytest.mark.parametrize("path", [(), ("kind",), ("version",), ("exported_at",), ("revision",), ("tables",)])
def test_no_manifest_is_a_defect(target: Target, path: tuple[str, ...]) -> None:
    for value in VALUES:
        manifest = target.manifest()
        if path:
            manifest[path[0]] = value
        target.takes(target.with_manifest(manifest if path else value))
    if path:
        manifest = target.manifest()
        del manifest[path[0]]
        assert not target.takes(target.with_manifest(manifest))


@pytest.mark.parametrize("key", ["name", "columns", "rows", "sha256"])
def test_no_word_about_a_table_is_a_defect(target: Target, key: str) -> None:
    for value in VALUES:
        manifest = deepcopy(target.manifest())
        manifest["tables"][0][key] = value
        assert not target.takes(target.with_manifest(manifest)) or value == manifest["tables"][0][key]


SLOW = [pytest.param(table, marks=pytest.mark.slow) for table in ("decisions", "outcomes", "snapshots", "statistics")]


@pytest.mark.parametrize("table", ["audit", "revisions", *SLOW])
def test_no_row_is_a_defect(target: Target, table: str) -> None:
    about = next(one for one in target.manifest()["tables"] if one["name"] == table)
    assert about["rows"], "there is a row to spoil"
    for line in (b"{}", b"1", b"[]", b"null", b"[", b"\xff"):
        assert not target.takes(target.with_rows(table, lambda lines, line=line: [line, *lines[1:]]))
    for place in range(len(about["columns"])):
        for value in ([1], {"a": 1}, None, 2**70, "!"):

            def spoilt(lines: list[bytes], place: int = place, value: Any = value) -> list[bytes]:
                row = json.loads(lines[0])
                row[place] = value
                return [json.dumps(row).encode(), *lines[1:]]

            target.takes(target.with_rows(table, spoilt))


def test_a_row_twice_is_refused(target: Target) -> None:
    assert not target.takes(target.with_rows("audit", lambda lines: [*lines, lines[0]]))


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["manifest.json", "decisions.ndjson"])
def test_a_file_that_swells_does_not_fill_the_memory(target: Target, entry: str) -> None:
    data = target.packed(lambda name, text: bytes(100_000_000) if name == entry else text)
    assert len(data) < 1_000_000
    assert not target.takes(data)
