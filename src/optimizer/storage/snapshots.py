"""Frozen results of the policies, kept bit for bit."""

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.snapshot_json import read_snapshot, snapshot_json
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import SnapshotRow

_SNAPSHOTS = table_of(SnapshotRow)


class Snapshots:
    """Frozen results of the policies."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, snapshot: Snapshot) -> bool:
        """Add a snapshot, unless another worker has added one with this number.

        Returns:
            Whether it was added.
        """
        row = {
            "campaign_id": snapshot.campaign_id,
            "number": snapshot.number,
            "created_at": snapshot.created_at,
            "body": snapshot_json(snapshot),
        }
        statement = upsert(self._connection, SnapshotRow)
        statement = statement.on_conflict_do_nothing(index_elements=["campaign_id", "number"])
        # What came back says whether there was a conflict; drivers do not agree on the row count.
        added = self._connection.execute(statement.returning(_SNAPSHOTS.c.number), row)
        return added.one_or_none() is not None

    def latest_number(self, campaign_id: str) -> int:
        """Number of the campaign's newest snapshot; 0 when there is none."""
        newest = sa.func.coalesce(sa.func.max(_SNAPSHOTS.c.number), 0)
        return self._connection.execute(sa.select(newest).where(_SNAPSHOTS.c.campaign_id == campaign_id)).scalar_one()

    def created_at(self, campaign_id: str) -> Instant | None:
        """When the campaign's newest snapshot was made; None when there is none."""
        of_campaign = sa.select(_SNAPSHOTS.c.created_at).where(_SNAPSHOTS.c.campaign_id == campaign_id)
        newest = of_campaign.order_by(_SNAPSHOTS.c.number.desc()).limit(1)
        return self._connection.execute(newest).scalar_one_or_none()

    def latest(self, campaign_id: str) -> Snapshot | None:
        """The campaign's newest snapshot."""
        of_campaign = sa.select(_SNAPSHOTS).where(_SNAPSHOTS.c.campaign_id == campaign_id)
        return self._one(of_campaign.order_by(_SNAPSHOTS.c.number.desc()).limit(1))

    def as_of(self, campaign_id: str, at: Instant) -> Snapshot | None:
        """The campaign's newest snapshot at an instant."""
        made = sa.and_(_SNAPSHOTS.c.campaign_id == campaign_id, _SNAPSHOTS.c.created_at <= at)
        return self._one(sa.select(_SNAPSHOTS).where(made).order_by(_SNAPSHOTS.c.number.desc()).limit(1))

    def get(self, snapshot_id: str) -> Snapshot | None:
        """The snapshot with this id, e.g. ``winback:12``."""
        campaign_id, _, number = snapshot_id.rpartition(":")
        if not number.isdecimal():
            return None
        key = sa.and_(_SNAPSHOTS.c.campaign_id == campaign_id, _SNAPSHOTS.c.number == int(number))
        return self._one(sa.select(_SNAPSHOTS).where(key))

    def _one(self, query: sa.Select[tuple[object, ...]]) -> Snapshot | None:
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return read_snapshot(row.body, row.campaign_id, row.number, row.created_at)
