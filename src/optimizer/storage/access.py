"""Who may: API keys, and approvals of words."""

from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import ApprovalRow, KeyRow

_APPROVALS = table_of(ApprovalRow)
_KEYS = table_of(KeyRow)


class Approval(NamedTuple):
    """Someone read these very words and said yes."""

    campaign_id: str
    variant_id: str
    content_hash: str
    approved_at: Instant
    actor: str
    note: str


class Approvals:
    """Approvals by variant and content hash."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def grant(self, approval: Approval) -> None:
        """Record an approval; granting it again changes nothing."""
        key = ["campaign_id", "variant_id", "content_hash"]
        statement = upsert(self._connection, ApprovalRow).on_conflict_do_nothing(index_elements=key)
        self._connection.execute(statement, approval._asdict())

    def granted(self) -> set[tuple[str, str, str]]:
        """``(campaign id, variant id, content hash)`` of everything that was ever approved."""
        return {(a.campaign_id, a.variant_id, a.content_hash) for a in self.all()}

    def all(self) -> list[Approval]:
        """Every approval ever granted."""
        query = sa.select(*(_APPROVALS.c[name] for name in Approval._fields))
        return [Approval(*row) for row in self._connection.execute(query)]


class StoredKey(NamedTuple):
    """What is kept of an API key.

    Attributes:
        hint: its beginning and its end, by which its owner knows it again; empty for keys older than hints.
        expires_at, revoked_at: from when on it opens nothing; None while nobody has said so.
        per_second, burst: its rate, in items; None: as the settings say.
    """

    key_hash: str
    name: str
    scopes: str
    created_at: Instant
    hint: str = ""
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    per_second: int | None = None
    burst: int | None = None


class Keys:
    """API keys by hash."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, key: StoredKey) -> None:
        """Add a key."""
        self._connection.execute(sa.insert(_KEYS), key._asdict())

    def all(self) -> list[StoredKey]:
        """Every key, the oldest first."""
        query = sa.select(*(_KEYS.c[name] for name in StoredKey._fields))
        return [StoredKey(*row) for row in self._connection.execute(query.order_by(_KEYS.c.created_at, _KEYS.c.name))]

    def end(self, key: StoredKey) -> None:
        """Store when this key expires and since when it is revoked; nothing else of a key ever changes."""
        ends = {"expires_at": key.expires_at, "revoked_at": key.revoked_at}
        self._connection.execute(sa.update(_KEYS).where(_KEYS.c.key_hash == key.key_hash).values(ends))
