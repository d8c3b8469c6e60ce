"""What leads to a person, looked for in the raw bytes of a database's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from optimizer.policy.draw import recipient_key


def files_of(store: Any, *, write_ahead: bool = True) -> list[Path]:
    """Every file the database keeps this ledger in, after it has been told to write everything down."""
    if store.is_sqlite:
        path = store.engine.url.database
        return [file for file in map(Path, (path, f"{path}-wal", f"{path}-shm", f"{path}-journal")) if file.exists()]
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
        number = connection.exec_driver_sql(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).scalar_one()
    found = [*(folder / "base" / str(number)).iterdir(), *((folder / "pg_wal").iterdir() if write_ahead else ())]
    return [file for file in found if file.is_file()]


def traces_of(live: Any, recipient: str, keys: Iterable[str], said: Iterable[str]) -> dict[str, bytes]:
    """What would lead to a recipient: the id, its hash and every key, as digits and as bytes, and what was said."""
    named = {"the id": recipient.encode()} | {text: text.encode() for text in said}
    for key in {recipient_key(live.secret, recipient), *keys}:
        named |= {f"{key} in digits": key.encode(), f"{key} in bytes": bytes.fromhex(key)}
    return named


def found_in(files: Iterable[Path], traces: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Names of the files in which each trace is found; those that are found nowhere are left out."""
    found: dict[str, list[str]] = {}
    for file in files:
        content = file.read_bytes()
        for name, trace in traces.items():
            if trace in content:
                found.setdefault(name, []).append(file.name)
    return found
