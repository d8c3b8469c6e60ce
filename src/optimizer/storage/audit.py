"""The audit trail: who changed what, when, why, from what to what; a chain in which no entry can be changed unseen."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import table_of
from optimizer.storage.tables import AuditRow
from optimizer.storage.versions import Revisions

_AUDIT = table_of(AuditRow)
AUDIT = "audit"  # counter that entries hold, so that one follows another
STREAMED = 1_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what, when and why.

    Attributes:
        subject: what was changed: ``winback``, ``winback/ten-percent`` …
        before, after: what it was and what it became, where that is more than the action says.
    """

    at: Instant
    actor: str
    action: str
    subject: str
    note: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry in its place in the chain.

    Attributes:
        number: 1, 2, 3 …
        previous_hash: the hash of the entry before; empty for the first.
        hash: SHA-256 of number, entry and previous hash, hexadecimal; empty for entries older than the chain.
    """

    number: int
    entry: AuditEntry
    previous_hash: str
    hash: str

    @property
    def is_intact(self) -> bool:
        """Whether the hash is that of what the entry says."""
        return self.hash == link_hash(self.number, self.entry, self.previous_hash)


def link_hash(number: int, entry: AuditEntry, previous_hash: str) -> str:
    """SHA-256 of everything an entry says and of the hash before it (Haber & Stornetta 1991)."""
    said = {"number": number, "previous_hash": previous_hash, **asdict(entry)}
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


class AuditTrail:
    """Append-only list of changes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Add an entry."""
        Revisions(self._connection).hold(AUDIT)
        last = self._connection.execute(sa.select(_AUDIT).order_by(_AUDIT.c.number.desc()).limit(1)).one_or_none()
        number, previous = (1, "") if last is None else (last.number + 1, last.hash)
        row = {"number": number, "previous_hash": previous, "hash": link_hash(number, entry, previous)}
        self._connection.execute(sa.insert(_AUDIT), asdict(entry) | row)

    def latest(
        self,
        n: int = 100,
        *,
        subject: str | None = None,
        before: int | None = None,
        actor: str | None = None,
        action: str | None = None,
    ) -> list[Link]:
        """The last `n` entries, newest first.

        Args:
            n: how many.
            subject: only those about this campaign or one of its parts.
            before: only those with a smaller number, for the next page.
            actor: only what this person did.
            action: only what is of this kind.
        """
        query = sa.select(_AUDIT).order_by(_AUDIT.c.number.desc()).limit(n)
        if subject is not None:
            of_campaign = _AUDIT.c.subject.startswith(f"{subject}/", autoescape=True)
            query = query.where(sa.or_(_AUDIT.c.subject == subject, of_campaign))
        if before is not None:
            query = query.where(_AUDIT.c.number < before)
        for column, wanted in ((_AUDIT.c.actor, actor), (_AUDIT.c.action, action)):
            query = query if wanted is None else query.where(column == wanted)
        return [_link(row) for row in self._connection.execute(query)]

    def pages(self, n: int, *, subject: str | None = None) -> Iterator[list[Link]]:
        """All entries, newest first, `n` at a time: whoever has seen enough stops. See `latest`."""
        before: int | None = None
        while links := self.latest(n, subject=subject, before=before):
            yield links
            before = links[-1].number

    def named(self) -> tuple[list[str], list[str]]:
        """Everybody who stands in the trail, and every kind of action, in order."""
        actors, actions = (
            list(self._connection.execute(sa.select(column).distinct().order_by(column)).scalars())
            for column in (_AUDIT.c.actor, _AUDIT.c.action)
        )
        return actors, actions

    def stream(self) -> Iterator[Link]:
        """All, oldest first."""
        query = sa.select(_AUDIT).order_by(_AUDIT.c.number)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _link(row)


def _link(row: sa.Row[tuple[object, ...]]) -> Link:
    entry = AuditEntry(**{name: getattr(row, name) for name in AuditEntry.__dataclass_fields__})
    return Link(row.number, entry, row.previous_hash, row.hash)
