"""The decisions of a campaign as a log: newest first, page by page, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Group
from optimizer.storage.rows import table_of
from optimizer.storage.tables import DecisionRow

_DECISIONS = table_of(DecisionRow)

FEW_PAGES = 10  # as many decisions are looked at first for a page of those that are left
Place = tuple[Instant, str]  # instant and id of a decision: where it stands in the log


class Wanted(NamedTuple):
    """Which decisions of a campaign a reader looks for; None for any.

    Attributes:
        segment_id: "" for those outside every segment.
        variant_id: "" for those that sent nothing.
        since, until: made at `since` or later, before `until`.
    """

    segment_id: str | None = None
    variant_id: str | None = None
    group: Group | None = None
    since: Instant | None = None
    until: Instant | None = None

    @property
    def sieves(self) -> bool:
        """Whether decisions are passed over, so that a page may have to look at more than it shows."""
        return (self.segment_id, self.variant_id, self.group) != (None, None, None)


class Found(NamedTuple):
    """Decisions of one page.

    Attributes:
        decision_ids: newest first.
        reached: where the next page begins; None when this was all.
    """

    decision_ids: Sequence[str]
    reached: Place | None


class DecisionLog:
    """The log as one transaction sees it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def page(self, campaign_id: str, wanted: Wanted, after: Place | None, n: int, most: int) -> Found:
        """The next decisions of a campaign, newest first.

        Args:
            campaign_id: the campaign.
            wanted: which of them.
            after: where the page before ended; None for the newest.
            n: how many at most.
            most: how many decisions are looked at for that, so that what is rare does not read the whole campaign: a
                page may then hold fewer than `n`, or none, and still say where the next one begins.
        """
        at, decision_id = _DECISIONS.c.decided_at, _DECISIONS.c.decision_id
        here = [_DECISIONS.c.campaign_id == campaign_id]
        here += [] if wanted.since is None else [at >= wanted.since]
        here += [] if wanted.until is None else [at < wanted.until]
        if after is not None:
            here += [at <= after[0], sa.or_(at < after[0], decision_id > after[1])]
        columns = [at, decision_id, *(_DECISIONS.c[name] for name in ("segment_id", "variant_id", "audience"))]
        order = (at.desc(), decision_id)
        if not wanted.sieves:
            rows = self._connection.execute(sa.select(*columns).where(*here).order_by(*order).limit(n + 1)).all()
            return Found([row[1] for row in rows[:n]], (rows[n - 1][0], rows[n - 1][1]) if len(rows) > n else None)
        for looked_at in sorted({min(most, FEW_PAGES * n), most}):  # most filters need no long look
            near = sa.select(*columns).where(*here).order_by(*order).limit(looked_at).subquery()
            left = self._sieved(near, wanted, n + 1)
            if len(left) > n:
                return Found([place[1] for place in left[:n]], left[n - 1])
        last = self._connection.execute(
            sa.select(at, decision_id).where(*here).order_by(*order).offset(most - 1).limit(1)
        ).one_or_none()
        return Found([place[1] for place in left], None if last is None else (last[0], last[1]))

    def _sieved(self, near: sa.Subquery, wanted: Wanted, n: int) -> list[Place]:
        sieve = [
            sa.func.coalesce(near.c[name], "") == value
            for name, value in (("segment_id", wanted.segment_id), ("variant_id", wanted.variant_id))
            if value is not None
        ]
        sieve += [] if wanted.group is None else [near.c.audience == wanted.group.value]
        query = sa.select(near.c.decided_at, near.c.decision_id).where(*sieve)
        rows = self._connection.execute(query.order_by(near.c.decided_at.desc(), near.c.decision_id).limit(n))
        return [(row[0], row[1]) for row in rows]
