"""Bundles: what clients were given to decide by themselves. Each holds from when it was issued until the next one."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import BundleRow

_BUNDLES = table_of(BundleRow)


@dataclass(frozen=True, slots=True)
class Issue:
    """One bundle of a campaign.

    Attributes:
        number: 1, 2, 3 … within the campaign.
        digest: of all that decides; see `engine.basis`.
        issued_at: from when on it held.
        strategy_version: version of the documents.
        snapshot: number of the snapshot.
        approved: variants that could be sent, as JSON.
        controls: those that decided something, as JSON.
    """

    campaign_id: str
    number: int
    digest: str
    issued_at: Instant
    strategy_version: int
    snapshot: int
    approved: str
    controls: str


class Bundles:
    """The bundles as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def latest(self, campaign_id: str) -> Issue | None:
        """The newest bundle of a campaign."""
        return self._one(_BUNDLES.c.campaign_id == campaign_id)

    def get(self, campaign_id: str, number: int) -> Issue | None:
        """One bundle."""
        return self._one(sa.and_(_BUNDLES.c.campaign_id == campaign_id, _BUNDLES.c.number == number))

    def add(self, issue: Issue) -> None:
        """Add a bundle, unless another worker has added one with this number."""
        statement = upsert(self._connection, BundleRow).on_conflict_do_nothing(index_elements=["campaign_id", "number"])
        self._connection.execute(statement, asdict(issue))

    def _one(self, wanted: sa.ColumnElement[bool]) -> Issue | None:
        newest = sa.select(_BUNDLES).where(wanted).order_by(_BUNDLES.c.number.desc()).limit(1)
        row = self._connection.execute(newest).one_or_none()
        return None if row is None else Issue(*row)
