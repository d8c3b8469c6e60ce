"""Which segments recipients are in, of campaigns that announce it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.notice_tables import MembershipRow
from optimizer.storage.rows import portions, table_of, upsert

_TABLE = table_of(MembershipRow)
_KEYS = ("campaign_id", "recipient_key")
_CHANGED = ("segment_id", "since", "recheck_at")


class Membership(NamedTuple):
    """Where a recipient is.

    Attributes:
        segment_id: the segment; None for none of those the campaign declares.
        since: since when; 0 when that is not known.
        recheck_at: when to look again, because the recipient has moved too soon; None when there is no need.
        sealed: the caller's id of the recipient, which only the deployment's secret opens.
    """

    campaign_id: str
    recipient_key: str
    segment_id: str | None
    since: Instant
    recheck_at: Instant | None
    sealed: bytes


class Memberships:
    """The memberships as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def known(self, campaign_ids: Sequence[str], recipient_keys: Sequence[str]) -> set[tuple[str, str]]:
        """Campaigns and recipients that there is a membership of."""
        found: set[tuple[str, str]] = set()
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(*(_TABLE.c[name] for name in _KEYS)).where(
                _TABLE.c.recipient_key.in_(some), _TABLE.c.campaign_id.in_(campaign_ids)
            )
            found.update((row.campaign_id, row.recipient_key) for row in self._connection.execute(query))
        return found

    def begin(self, memberships: Iterable[Membership]) -> None:
        """Add memberships, unless another worker has."""
        rows = [one._asdict() for one in sorted(memberships, key=lambda one: one[:2])]
        if rows:
            statement = upsert(self._connection, MembershipRow).on_conflict_do_nothing(index_elements=_KEYS)
            self._connection.execute(statement, rows)

    def of(self, campaign_ids: Sequence[str], recipient_keys: Sequence[str]) -> list[Membership]:
        """Memberships of some recipients in some campaigns, kept from other workers."""
        found: list[Membership] = []
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(_TABLE).where(_TABLE.c.recipient_key.in_(some), _TABLE.c.campaign_id.in_(campaign_ids))
            rows = self._connection.execute(query.order_by(*(_TABLE.c[name] for name in _KEYS)).with_for_update())
            found += [_membership(row) for row in rows]
        return found

    def of_recipient(self, recipient_key: str) -> list[Membership]:
        """Every membership of one recipient."""
        query = sa.select(_TABLE).where(_TABLE.c.recipient_key == recipient_key).order_by(_TABLE.c.campaign_id)
        return [_membership(row) for row in self._connection.execute(query)]

    def put(self, memberships: Iterable[Membership]) -> None:
        """Change memberships that this transaction keeps from others."""
        rows = [{f"new_{name}": value for name, value in one._asdict().items()} for one in memberships]
        if rows:
            here = sa.and_(*(_TABLE.c[name] == sa.bindparam(f"new_{name}") for name in _KEYS))
            changed: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _CHANGED}
            self._connection.execute(sa.update(_TABLE).where(here).values(changed), rows)

    def after(self, campaign_id: str, recipient_key: str, n: int) -> list[str]:
        """The next `n` recipients of a campaign in the order of their keys."""
        table = _TABLE.c
        query = sa.select(table.recipient_key).where(table.campaign_id == campaign_id)
        query = query.where(table.recipient_key > recipient_key).order_by(table.recipient_key).limit(n)
        return list(self._connection.execute(query).scalars())

    def to_recheck(self, now: Instant, n: int) -> list[str]:
        """At most `n` recipients who have to be looked at again."""
        due = sa.select(_TABLE.c.recipient_key).where(_TABLE.c.recheck_at <= now)
        rows = self._connection.execute(due.order_by(_TABLE.c.recheck_at).limit(n))
        return list(dict.fromkeys(rows.scalars()))

    def campaign_ids(self) -> list[str]:
        """Every campaign that has memberships, by one look into the index for each."""
        found: list[str] = []
        while True:
            query = sa.select(sa.func.min(_TABLE.c.campaign_id)).where(_TABLE.c.campaign_id > (found or [""])[-1])
            campaign_id = self._connection.execute(query).scalar_one()
            if campaign_id is None:
                return found
            found.append(campaign_id)

    def drop(self, campaign_id: str, recipient_keys: Collection[str]) -> None:
        """Forget memberships of a campaign."""
        for some in portions(sorted(recipient_keys)):
            here = sa.and_(_TABLE.c.campaign_id == campaign_id, _TABLE.c.recipient_key.in_(some))
            self._connection.execute(sa.delete(_TABLE).where(here))


def _membership(row: Any) -> Membership:
    found = Membership._make(row)
    return found._replace(sealed=bytes(found.sealed))
