"""A store that can only be read: nothing is made, migrated or written, whoever asks for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from optimizer.errors import ConfigurationError
from optimizer.storage.ledger import Ledger
from optimizer.storage.store import MIGRATIONS, Store


class ReadOnlyStore:
    """A database that holds a ledger, opened to be read.

    SQLite is told so twice: the file is opened read-only, so that one that is not there is not made, and every
    connection refuses statements that write. PostgreSQL's transactions are ``READ ONLY``.

    Args:
        url: as for `Store`; of a file that is there.

    Raises:
        ConfigurationError: not a URL of one of these two databases, or no such file.
        Unavailable: the database cannot be read now.
    """

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url) if url.startswith("sqlite:") else None
        if parsed is not None and parsed.database:
            file = Path(parsed.database)
            if not file.is_file():
                raise ConfigurationError(f"ledger: found no {file}; allowed a ledger that a service has written")
            if not _has_a_write_ahead_log(file):
                raise ConfigurationError(f"ledger: found something else in {file}; allowed what a service has written")
            url = f"sqlite:///{file.resolve().as_uri()}?mode=ro&uri=true"
        self._store = Store(url)
        if self._store.is_sqlite:
            sa.event.listen(self._store.engine, "connect", _refuse_writes)

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """A transaction that only reads, one consistent view of the ledger.

        Raises:
            Unavailable: the database cannot be read now.
        """
        with self._store.reading() as ledger:
            yield ledger

    def check_version(self) -> None:
        """See whether this release can read the tables as they are.

        Raises:
            ConfigurationError: another release wrote them.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        newest = ScriptDirectory.from_config(config).get_current_head()
        with self.reading() as ledger:
            found = ledger.archive.revision
        if found != newest:
            raise ConfigurationError(
                f"ledger: found tables of version {found or 'none'}; allowed {newest}, to which `optimizer serve` or "
                "any other command of this release brings them"
            )

    def close(self) -> None:
        """Give every connection back."""
        self._store.close()


def _has_a_write_ahead_log(file: Path) -> bool:
    """Whether a file says so, as every ledger does; to switch another one to it would be to write."""
    with file.open("rb") as opened:
        return opened.read(20)[18:] == b"\x02\x02"  # https://sqlite.org/fileformat.html


def _refuse_writes(dbapi_connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()
