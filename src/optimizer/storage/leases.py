"""Leases: which worker learns which campaign, and when it is due. One row per campaign, taken and renewed in place."""

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import LeaseRow

_LEASES = table_of(LeaseRow)
_WRITES = ""  # no campaign has this id: the row by which a worker proves that the ledger takes what it writes
# A disk that is full takes a row of some bytes for a minute after the last decision has found room in SQLite's log: so
# what proves that there is room is as long as a decision with all that belongs to it.
ROOM_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Lease:
    """Who learns a campaign.

    Attributes:
        campaign_id: the campaign.
        holder: the worker that learned it last.
        due_at: when the holder shall learn it again.
        until: from when on any other worker may.
    """

    campaign_id: str
    holder: str
    due_at: Instant
    until: Instant


class Leases:
    """The leases as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, Lease]:
        """Every campaign's lease, by campaign."""
        rows = self._connection.execute(sa.select(_LEASES).where(_LEASES.c.campaign_id != _WRITES))
        return {row.campaign_id: Lease(*row) for row in rows}

    def begin(self, lease: Lease) -> None:
        """Add a campaign's first lease, unless another worker has."""
        statement = upsert(self._connection, LeaseRow).on_conflict_do_nothing(index_elements=["campaign_id"])
        self._connection.execute(statement, asdict(lease))

    def seize(self, campaign_id: str) -> Lease | None:
        """The campaign's lease, kept from other workers until this transaction ends.

        None when there is none, or when another worker is at it: nobody waits for what somebody else does anyway.
        """
        query = sa.select(_LEASES).where(_LEASES.c.campaign_id == campaign_id).with_for_update(skip_locked=True)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Lease(*row)

    def renew(self, lease: Lease) -> None:
        """Change a lease that this transaction has seized."""
        here = _LEASES.c.campaign_id == lease.campaign_id
        changed = {"holder": lease.holder, "due_at": lease.due_at, "until": lease.until}
        self._connection.execute(sa.update(_LEASES).where(here).values(changed))

    def give_up(self, holder: str) -> None:
        """Let any other worker learn this one's campaigns as soon as they are due."""
        mine = sa.and_(_LEASES.c.holder == holder, _LEASES.c.until > _LEASES.c.due_at)
        self._connection.execute(sa.update(_LEASES).where(mine).values(until=_LEASES.c.due_at))

    def prove(self, worker: str, at: Instant) -> None:
        """Write something that changes no answer: whether the ledger takes writes is known only by trying."""
        statement = upsert(self._connection, LeaseRow)
        holder = worker
        if self._connection.dialect.name == "sqlite":  # with another text every time, or no page would be written
            holder += f" {at}" * (ROOM_BYTES // len(f" {at}"))
        changed = {"holder": holder, "due_at": at, "until": at}
        statement = statement.on_conflict_do_update(index_elements=["campaign_id"], set_=changed)
        self._connection.execute(statement, {"campaign_id": _WRITES, **changed})

    def clock(self) -> Instant | None:
        """The time by the database's own clock; None on SQLite, whose clock is this machine's."""
        if self._connection.dialect.name == "sqlite":
            return None
        seconds = sa.func.extract("epoch", sa.func.clock_timestamp())
        return self._connection.execute(sa.select(sa.cast(seconds * 1_000_000, sa.BigInteger))).scalar_one()
