"""Back up a whole ledger into one file, and restore it anywhere: another machine, another database."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any

import orjson
from msgspec import Struct
from msgspec.json import Decoder, encode
from msgspec.json import format as formatted

from optimizer import __version__
from optimizer.domain.instants import Instant, isoformat
from optimizer.errors import ConfigurationError, Conflict
from optimizer.services.keys.pseudonyms import RECIPIENT_KEY
from optimizer.storage.archive import Archive
from optimizer.storage.store import Ledger

SUFFIX = ".ledger"
KIND, VERSION = "optimizer ledger", 1
_MANIFEST = "manifest.json"
_LINES = 2_000  # rows that are written or read at once
_FINGERPRINTS = "revisions"  # table with what the hashes of a ledger were made with, besides counters
_SECRETS = frozenset({"secret", RECIPIENT_KEY})  # its rows of which the value is a fingerprint


# What reading a damaged file may raise: `zipfile` lets through what its decompressors and the system say.
_UNREADABLE = (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, LZMAError)
_MOST_BYTES = 1 << 26  # of a row, or of the manifest; a file that was made to fill the memory shall not


class _Table(Struct, frozen=True):
    """What a file says of one table."""

    name: str
    columns: list[str]
    rows: int
    sha256: str


class _Manifest(Struct, frozen=True):
    """What a file says of itself."""

    kind: str
    version: int
    optimizer: str
    revision: str
    exported_at: str
    tables: list[_Table]


_READ_MANIFEST = Decoder(_Manifest)


@dataclass(frozen=True, slots=True)
class Archived:
    """What a file of a whole ledger holds.

    Attributes:
        exported_at: as the file says, ISO 8601.
        rows: how many, by table.
    """

    exported_at: str
    rows: dict[str, int]


def export_ledger(
    ledger: Ledger, file: Path, now: Instant, progress: Callable[[int], None] = lambda _: None
) -> Archived:
    """Write every row into one file, all or nothing: a file that is there stays until the new one is whole.

    Args:
        ledger: a reading transaction, so that the file is one consistent view whatever goes on meanwhile.
        file: where to.
        now: instant of the export.
        progress: told the number of rows written so far.
    """
    draft = file.with_name(f".{file.name}.draft")
    archive, tables, done = ledger.archive, [], 0
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)  # what the ledger says of people is nobody else's on this machine
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
            for table in archive.tables:
                digest, rows = sha256(), 0
                with whole.open(f"{table}.ndjson", "w", force_zip64=True) as entry:
                    for lines in _lines(archive, table):
                        digest.update(lines)
                        entry.write(lines)
                        rows += lines.count(b"\n")
                        progress(done + rows)
                done += rows
                tables.append(_Table(table, archive.columns(table), rows, digest.hexdigest()))
            manifest = _Manifest(KIND, VERSION, __version__, archive.revision, isoformat(now), tables)
            whole.writestr(_MANIFEST, formatted(encode(manifest), indent=2))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return _archived(manifest)


def read_manifest(file: Path) -> Archived:
    """What a file says it holds.

    Raises:
        ConfigurationError: it is no file of a whole ledger.
    """
    with _opened(file) as whole:
        return _archived(_manifest(whole, file))


def check_secret(file: Path, fingerprint: str) -> None:
    """Whether the hashes in a file were made with this secret: asked before a new ledger is tied to it for good.

    Raises:
        ConfigurationError: they were not, or it is no file of a whole ledger.
    """
    with _opened(file) as whole:
        tables = {about.name: about for about in _manifest(whole, file).tables}
        about = tables.get(_FINGERPRINTS)
        if about is None or not {"name", "value"} <= set(about.columns):
            return  # the import says what is wrong
        if _fingerprints(file, about, whole).get("secret", fingerprint) != fingerprint:
            raise _another("secret")


def import_ledger(ledger: Ledger, file: Path, progress: Callable[[int], None] = lambda _: None) -> Archived:
    """Write every row of a file into an empty ledger; all of them, or, on any error, none.

    Args:
        ledger: a writing transaction that is alone.
        file: as `export_ledger` wrote it, with this release or an older one.
        progress: told the number of rows read so far.

    Raises:
        ConfigurationError: it is no such file, it is damaged, a later release wrote it, or the secret differs.
        Conflict: the ledger is not empty.
    """
    archive, done = ledger.archive, 0
    for table in archive.tables:
        if table != _FINGERPRINTS and (rows := archive.count(table)):
            raise Conflict(f"ledger: found one with {rows:,} rows of {table}; allowed an empty one to import into")
    with _opened(file) as whole:
        manifest = _manifest(whole, file)
        tables = {about.name: about for about in manifest.tables}
        _check_columns(archive, manifest, tables)
        _check_fingerprints(archive, file, tables[_FINGERPRINTS], whole)
        archive.clear(_FINGERPRINTS)
        for table, about in tables.items():
            for rows_read in _rows(whole, file, about):
                try:
                    archive.fill(table, about.columns, rows_read)
                except ValueError as error:
                    raise _damaged(file, f"rows of {table} that no ledger has ({error})") from None
                done += len(rows_read)
                progress(done)
    return _archived(manifest)


def _lines(archive: Archive, table: str) -> Iterator[bytes]:
    some: list[bytes] = []
    for row in archive.stream(table):
        some.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        if len(some) == _LINES:
            yield b"".join(some)
            some.clear()
    if some:
        yield b"".join(some)


def _rows(whole: zipfile.ZipFile, file: Path, about: _Table) -> Iterator[list[list[Any]]]:
    """The rows of one table in portions; the last is followed by the check that they are those that were written."""
    digest, n, portions = sha256(), 0, _portions(whole, about.name)
    while True:
        try:
            lines = next(portions, None)
            rows = [] if lines is None else [_row(line, len(about.columns)) for line in lines]
        except _UNREADABLE as error:
            raise _damaged(file, f"{about.name}: {error}") from None
        if lines is None:
            break
        digest.update(b"".join(lines))
        n += len(lines)
        yield rows
    if (n, digest.hexdigest()) != (about.rows, about.sha256):
        raise _damaged(file, f"{n:,} rows of {about.name} that are not the {about.rows:,} written")


def _row(line: bytes, n: int) -> list[Any]:
    row = orjson.loads(line)
    if not isinstance(row, list) or len(row) != n:
        raise ValueError("a row of another shape")
    return row


def _portions(whole: zipfile.ZipFile, table: str) -> Iterator[list[bytes]]:
    with whole.open(f"{table}.ndjson") as entry:
        yield from _some_lines(entry)


def _some_lines(entry: IO[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    while line := entry.readline(_MOST_BYTES):
        if len(line) == _MOST_BYTES:
            raise ValueError(f"a row of more than {_MOST_BYTES:,} bytes")
        some.append(line)
        if len(some) == _LINES:
            yield some
            some = []
    if some:
        yield some


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or "something else"
        raise ConfigurationError(
            f"{file}: found {reason}; allowed a file that `optimizer ledger export FILE{SUFFIX}` wrote"
        ) from None


def _manifest(whole: zipfile.ZipFile, file: Path) -> _Manifest:
    try:
        with whole.open(_MANIFEST) as entry:
            manifest = _READ_MANIFEST.decode(entry.read(_MOST_BYTES))
        if (manifest.kind, manifest.version) == (KIND, VERSION):
            return manifest
    except (*_UNREADABLE, RecursionError):
        pass
    raise ConfigurationError(
        f"{file}: found no ledger of a version this release knows; allowed a file that "
        f"`optimizer ledger export FILE{SUFFIX}` wrote"
    )


def _archived(manifest: _Manifest) -> Archived:
    return Archived(manifest.exported_at, {about.name: about.rows for about in manifest.tables})


def _check_columns(archive: Archive, manifest: _Manifest, tables: dict[str, _Table]) -> None:
    """Whether every row there can be a row here; an older release may lack columns, a later one has others."""
    for table, about in tables.items():
        ours = set(archive.columns(table)) if table in archive.tables else set()
        theirs = set(about.columns)
        if theirs - ours or (ours - theirs) - archive.optional(table):
            raise ConfigurationError(
                f"file: found tables of version {manifest.revision}, written by optimizer {manifest.optimizer}; "
                f"allowed those of version {archive.revision}, or older ones whose rows still fit"
            )
    if _FINGERPRINTS not in tables:
        raise ConfigurationError("file: found no fingerprint of the secret; allowed a whole ledger")


def _check_fingerprints(archive: Archive, file: Path, about: _Table, whole: zipfile.ZipFile) -> None:
    """Whether the hashes there were made with the secrets in use here."""
    theirs = _fingerprints(file, about, whole)
    columns = archive.columns(_FINGERPRINTS)
    here = (dict(zip(columns, row, strict=True)) for row in archive.stream(_FINGERPRINTS))
    for ours in here:
        if ours["name"] in _SECRETS and ours["value"] and theirs.get(ours["name"], ours["value"]) != ours["value"]:
            raise _another(ours["name"])


def _fingerprints(file: Path, about: _Table, whole: zipfile.ZipFile) -> dict[str, Any]:
    name, value = about.columns.index("name"), about.columns.index("value")
    return {str(row[name]): row[value] for rows in _rows(whole, file, about) for row in rows}


def _another(secret: str) -> ConfigurationError:
    return ConfigurationError(
        f"{secret}: found one that differs from the one the file's hashes were made with; allowed the "
        "same: copy it from the other workspace's .optimizer folder, or set it in the environment"
    )


def _damaged(file: Path, found: str) -> ConfigurationError:
    return ConfigurationError(f"{file}: found {found}; allowed a file as it was exported; nothing was imported")
