"""What people agreed to and since when; and the tombstones of those who said no before they were erased."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import portions, table_of, upsert
from optimizer.storage.tables import ConsentRow, TombstoneRow

_CONSENTS = table_of(ConsentRow)
_TOMBSTONES = table_of(TombstoneRow)


class Consent(NamedTuple):
    """A change of what a recipient agrees to.

    Attributes:
        name: a channel, or what the caller calls a text of consent.
        agreed: yes, no, or None where only words were given.
        words: what was given, to the letter; None where nothing was, or where it is no longer said.
    """

    name: str
    given_at: Instant
    agreed: bool | None
    words: str | None


class Consents:
    """The history of consents."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, recipient_key: str, consents: Iterable[Consent]) -> None:
        """Append changes; a second one of the same name at the same instant replaces the first."""
        rows = [{"recipient_key": recipient_key, **consent._asdict()} for consent in sorted(consents)]
        if rows:
            statement = upsert(self._connection, ConsentRow)
            changed = {name: statement.excluded[name] for name in ("agreed", "words")}
            keys = ["recipient_key", "name", "given_at"]
            self._connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)

    def of(self, recipient_key: str) -> list[Consent]:
        """Every change of one recipient's, the oldest first."""
        columns = sa.select(*(_CONSENTS.c[name] for name in Consent._fields))
        query = columns.where(_CONSENTS.c.recipient_key == recipient_key)
        return [
            Consent(*row) for row in self._connection.execute(query.order_by(_CONSENTS.c.given_at, _CONSENTS.c.name))
        ]

    def refusing(self, name: str, n: int) -> list[str]:
        """Recipients who said no under a name and nothing else since, in order; at most `n`."""
        later = _CONSENTS.alias("later")
        is_newest = ~sa.exists().where(
            later.c.recipient_key == _CONSENTS.c.recipient_key,
            later.c.name == _CONSENTS.c.name,
            later.c.given_at > _CONSENTS.c.given_at,
        )
        columns = sa.select(_CONSENTS.c.recipient_key)
        # In the words of its index, which SQLite takes for no other.
        query = columns.where(_CONSENTS.c.name == name, sa.text("NOT consents.agreed"), is_newest)
        return list(self._connection.execute(query.order_by(_CONSENTS.c.recipient_key).limit(n)).scalars())


class Tombstone(NamedTuple):
    """Somebody who was erased and gets nothing on a channel, or on any (`EVERY_CHANNEL`)."""

    tombstone: str
    channel: str
    at: Instant


class Tombstones:
    """Those who were erased and must not be contacted again."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, tombstones: Iterable[Tombstone]) -> None:
        """Add some; those that are there stay as they are."""
        rows = [tombstone._asdict() for tombstone in sorted(set(tombstones))]
        if rows:
            statement = upsert(self._connection, TombstoneRow)
            self._connection.execute(statement.on_conflict_do_nothing(index_elements=["tombstone", "channel"]), rows)

    def of(self, hashes: Sequence[str]) -> dict[str, set[str]]:
        """The channels each of these hashes is barred from; absent when there is none."""
        found: dict[str, set[str]] = {}
        for some in portions(sorted(set(hashes))):
            columns = sa.select(_TOMBSTONES.c.tombstone, _TOMBSTONES.c.channel)
            for tombstone, channel in self._connection.execute(columns.where(_TOMBSTONES.c.tombstone.in_(some))):
                found.setdefault(tombstone, set()).add(channel)
        return found

    def on(self, channels: Collection[str], n: int) -> list[str]:
        """Those barred from any of these channels, in order; at most `n`."""
        query = sa.select(_TOMBSTONES.c.tombstone).where(_TOMBSTONES.c.channel.in_(channels)).distinct()
        return list(self._connection.execute(query.order_by(_TOMBSTONES.c.tombstone).limit(n)).scalars())

    def entries(self, tombstone: str) -> list[Tombstone]:
        """Since when one of them is barred, and from what."""
        columns = sa.select(*(_TOMBSTONES.c[name] for name in Tombstone._fields))
        rows = self._connection.execute(columns.where(_TOMBSTONES.c.tombstone == tombstone))
        return sorted(Tombstone(*row) for row in rows)

    def remove(self, tombstone: str, channel: str | None = None) -> int:
        """Forget a hash: for one channel, or for all; how many entries that were."""
        here = _TOMBSTONES.c.tombstone == tombstone
        here = here if channel is None else sa.and_(here, _TOMBSTONES.c.channel == channel)
        return self._connection.execute(sa.delete(_TOMBSTONES).where(here)).rowcount
