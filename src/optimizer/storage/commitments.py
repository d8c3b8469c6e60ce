"""Commitments: what decisions to send have used up, by recipient, by age, and summed for the meters."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from optimizer.domain.commitment import Commitment
from optimizer.domain.instants import Instant
from optimizer.domain.meters import Reading
from optimizer.storage.rows import portions, table_of
from optimizer.storage.tables import CommitmentRow

_COMMITMENTS = table_of(CommitmentRow)
_FIELDS = tuple(Commitment.__dataclass_fields__)
_CHANGING = ("settled", "open", "closes_at", "withdrawn")
STREAMED = 5_000


class Commitments:
    """The commitments of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, commitments: Sequence[Commitment]) -> None:
        """Write new ones; another worker's claim to the same contact of a recipient makes the transaction fail.

        In the order of the claims, so that two workers cannot wait for each other's in a circle.
        """
        in_order = sorted(commitments, key=lambda c: (c.recipient_key, c.ordinal or 0, c.decision_id))
        rows = [_row(commitment) for commitment in in_order]
        if rows:
            self._connection.execute(sa.insert(_COMMITMENTS), rows)

    def change(self, commitments: Sequence[Commitment]) -> None:
        """Write what settling or closing has changed."""
        rows = [
            {"key": c.decision_id} | {f"new_{name}": getattr(c, name) for name in _CHANGING}
            for c in sorted(commitments, key=lambda c: c.decision_id)
        ]
        if rows:
            statement = sa.update(_COMMITMENTS).where(_COMMITMENTS.c.decision_id == sa.bindparam("key"))
            values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _CHANGING}
            self._connection.execute(statement.values(values), rows)

    def of(self, decision_ids: Sequence[str]) -> dict[str, Commitment]:
        """The commitments of these decisions, kept from other workers until the transaction ends."""
        found = {}
        for some in portions(sorted(set(decision_ids))):
            query = sa.select(_COMMITMENTS).where(_COMMITMENTS.c.decision_id.in_(some))
            for row in self._connection.execute(query.order_by(_COMMITMENTS.c.decision_id).with_for_update()):
                found[row.decision_id] = _commitment(row)
        return found

    def read(self, decision_id: str) -> Commitment | None:
        """The commitment of one decision, for looking at."""
        query = sa.select(_COMMITMENTS).where(_COMMITMENTS.c.decision_id == decision_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _commitment(row)

    def contacts(
        self, recipient_keys: Sequence[str], since: Instant, *, apart_from: str | None = None
    ) -> dict[str, list[tuple[Instant, str]]]:
        """When, and on which channel, each recipient was contacted after an instant; but for those of one campaign."""
        found: dict[str, list[tuple[Instant, str]]] = defaultdict(list)
        columns = sa.select(_COMMITMENTS.c.recipient_key, _COMMITMENTS.c.at, _COMMITMENTS.c.channel)
        for some in portions(sorted(set(recipient_keys))):
            of_them = _COMMITMENTS.c.recipient_key.in_(some)
            query = columns.where(of_them, _COMMITMENTS.c.at > since, sa.not_(_COMMITMENTS.c.withdrawn))
            query = query if apart_from is None else query.where(_COMMITMENTS.c.campaign_id != apart_from)
            for key, at, channel in self._connection.execute(query):
                found[key].append((at, channel))
        return found

    def last_ordinals(self, recipient_keys: Sequence[str]) -> dict[str, int]:
        """The number of each recipient's last contact that was counted; absent when there is none."""
        found: dict[str, int] = {}
        columns = sa.select(_COMMITMENTS.c.recipient_key, sa.func.max(_COMMITMENTS.c.ordinal))
        for some in portions(sorted(set(recipient_keys))):
            counted = sa.and_(_COMMITMENTS.c.recipient_key.in_(some), _COMMITMENTS.c.ordinal.is_not(None))
            rows = self._connection.execute(columns.where(counted).group_by(_COMMITMENTS.c.recipient_key))
            found.update((key, ordinal) for key, ordinal in rows)
        return found

    def matured(self, now: Instant, most: int, *, lock: bool = True) -> list[Commitment]:
        """The first of those that are open although nothing can be due any more, kept from other workers if locked."""
        due = sa.and_(_COMMITMENTS.c.open, _COMMITMENTS.c.closes_at < now)
        query = sa.select(_COMMITMENTS).where(due).order_by(_COMMITMENTS.c.closes_at).limit(most)
        if lock:  # what another worker is at, it will release itself
            query = query.with_for_update(skip_locked=True)
        return [_commitment(row) for row in self._connection.execute(query)]

    def sum_of(
        self, *, campaign_id: str | None, channel: str | None, starts: Instant | None, ends: Instant | None
    ) -> Reading:
        """What commitments made in a period add up to.

        Args:
            campaign_id: of one campaign, or None for all.
            channel: of one channel, or None for all.
            starts: first instant of the period; None where it is open.
            ends: first instant after it; None where it is open.
        """
        table = _COMMITMENTS.c
        reserved = sa.case((table.open, table.most - table.settled), else_=0)
        sends = sa.case((table.withdrawn, 0), else_=1)
        query = sa.select(*(sa.func.coalesce(sa.func.sum(each), 0) for each in (reserved, table.settled, sends)))
        for column, value in ((table.campaign_id, campaign_id), (table.channel, channel)):
            query = query if value is None else query.where(column == value)
        query = query if starts is None else query.where(table.at >= starts)
        query = query if ends is None else query.where(table.at < ends)
        return Reading(*(int(each) for each in self._connection.execute(query).one()))

    def stream(self) -> Iterator[Commitment]:
        """All, in order of the decision's id, without holding them in memory."""
        query = sa.select(_COMMITMENTS).order_by(_COMMITMENTS.c.decision_id)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _commitment(row)


def _row(commitment: Commitment) -> dict[str, object]:
    return {name: getattr(commitment, name) for name in _FIELDS}


def _commitment(row: sa.Row[tuple[object, ...]]) -> Commitment:
    return Commitment(**{name: getattr(row, name) for name in _FIELDS})
