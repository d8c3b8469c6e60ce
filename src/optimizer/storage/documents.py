"""What the service runs on: strategy versions, snapshots, and the counters that say when they changed."""

from dataclasses import dataclass

import numpy as np
import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import RevisionRow, SnapshotRow, StrategyVersionRow

_SNAPSHOTS = table_of(SnapshotRow)
_VERSIONS = table_of(StrategyVersionRow)
_REVISIONS = table_of(RevisionRow)
_ARRAYS = ("alpha", "beta", "trials")


@dataclass(frozen=True, slots=True)
class StrategyVersion:
    """The documents of one `apply`, as their authors wrote them."""

    version: int
    digest: str
    files: dict[str, str]
    applied_at: Instant
    actor: str
    note: str


class StrategyVersions:
    """Versions of the documents."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, version: StrategyVersion) -> None:
        """Add a version; its number must be new."""
        self._connection.execute(
            sa.insert(_VERSIONS),
            {
                "version": version.version,
                "digest": version.digest,
                "files": orjson.dumps(version.files).decode(),
                "applied_at": version.applied_at,
                "actor": version.actor,
                "note": version.note,
            },
        )

    def latest(self) -> StrategyVersion | None:
        """The version in force."""
        return self._one(sa.select(_VERSIONS).order_by(_VERSIONS.c.version.desc()).limit(1))

    def get(self, version: int) -> StrategyVersion | None:
        """One version."""
        return self._one(sa.select(_VERSIONS).where(_VERSIONS.c.version == version))

    def _one(self, query: sa.Select[tuple[object, ...]]) -> StrategyVersion | None:
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return StrategyVersion(row.version, row.digest, orjson.loads(row.files), row.applied_at, row.actor, row.note)


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
            "body": _body(snapshot),
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

    def latest(self, campaign_id: str) -> Snapshot | None:
        """The campaign's newest snapshot."""
        of_campaign = sa.select(_SNAPSHOTS).where(_SNAPSHOTS.c.campaign_id == campaign_id)
        return self._one(of_campaign.order_by(_SNAPSHOTS.c.number.desc()).limit(1))

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
        body = orjson.loads(row.body)
        for name in ("segment_ids", "variant_ids", "content_hashes"):
            body[name] = tuple(body[name])
        for name in _ARRAYS:
            body[name] = np.array(body[name], dtype=np.float64).reshape(
                len(body["segment_ids"]), len(body["variant_ids"])
            )
        return Snapshot(campaign_id=row.campaign_id, number=row.number, created_at=row.created_at, **body)


def _body(snapshot: Snapshot) -> bytes:
    names = [name for name in Snapshot.__dataclass_fields__ if name not in {"campaign_id", "number", "created_at"}]
    # orjson writes the shortest text that reads back to the same double, so a snapshot survives storage bit for bit.
    return orjson.dumps({name: getattr(snapshot, name) for name in names}, option=orjson.OPT_SERIALIZE_NUMPY)


class Revisions:
    """Named counters. A worker that has seen a counter knows whether anything it loaded is out of date.

    Attributes:
        bumped: whether this very transaction has counted, so that it sees numbers nobody else does yet.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.bumped = False

    def all(self) -> dict[str, int]:
        """Every counter."""
        rows = self._connection.execute(sa.select(_REVISIONS.c.name, _REVISIONS.c.number))
        return {row.name: row.number for row in rows}

    def bump(self, name: str) -> None:
        """Count one up. Two transactions that bump the same counter follow one another."""
        self.bumped = True
        statement = upsert(self._connection, RevisionRow)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"number": _REVISIONS.c.number + 1}),
            {"name": name, "number": 1, "value": ""},
        )

    def hold(self, name: str) -> None:
        """Keep other transactions from counting or holding this counter until this one ends."""
        self.value(name, "")
        self._connection.execute(sa.select(_REVISIONS.c.number).where(_REVISIONS.c.name == name).with_for_update())

    def value(self, name: str, first: str) -> str:
        """The value kept under a name; `first` is kept if there was none."""
        statement = upsert(self._connection, RevisionRow).on_conflict_do_nothing(index_elements=["name"])
        self._connection.execute(statement, {"name": name, "number": 0, "value": first})
        return self._connection.execute(sa.select(_REVISIONS.c.value).where(_REVISIONS.c.name == name)).scalar_one()
