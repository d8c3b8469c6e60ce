"""Notices of one transaction: the outbox, and what became of each notice at each receiver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Duration, Instant
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.storage.notice_tables import DeliveryRow, NoticeRecipientRow, NoticeRow, ReceiverRow
from optimizer.storage.rows import portions, table_of, upsert

_NOTICES, _ABOUT = table_of(NoticeRow), table_of(NoticeRecipientRow)
_DELIVERIES, _RECEIVERS = table_of(DeliveryRow), table_of(ReceiverRow)
WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
_ON_THE_WAY = (WAITING, DEAD)


class About(NamedTuple):
    """Whom a notice is about.

    Attributes:
        recipient_key: what stands for the recipient.
        sealed: the caller's id, which only the deployment's secret opens.
    """

    recipient_key: str
    sealed: bytes


class Announced(NamedTuple):
    """A notice as it is stored."""

    notice_id: str
    kind: NoticeKind
    campaign_id: str | None
    data: Mapping[str, Any]
    at: Instant
    about: About | None = None


class Delivery(NamedTuple):
    """One notice on its way to one receiver.

    Attributes:
        state: `WAITING`, `DELIVERED` or `DEAD`.
        attempts: how many have been made.
        due_at: when the next one is; of no meaning once it is not waiting.
        finished_at: when it was delivered or given up.
        trouble: why the last attempt failed.
    """

    notice_id: str
    receiver: str
    state: str
    attempts: int
    due_at: Instant
    finished_at: Instant | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """A notice to be posted now, and how many attempts there have been."""

    announced: Announced
    attempts: int


_DELIVERY = [_DELIVERIES.c[name] for name in Delivery._fields]
_ANNOUNCED = [
    *(_NOTICES.c[name] for name in ("notice_id", "kind", "campaign_id", "data", "at")),
    _ABOUT.c.recipient_key,
    _ABOUT.c.sealed,
]
_WHOLE = _NOTICES.outerjoin(_ABOUT, _ABOUT.c.notice_id == _NOTICES.c.notice_id)


class Notices:
    """The outbox as one transaction sees it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, notice: Notice, about: About | None = None, notice_id: str | None = None) -> None:
        """Add a notice, unless it is there already."""
        row = {
            "notice_id": notice_id or notice.notice_id,
            "kind": notice.kind.value,
            "campaign_id": notice.campaign_id,
            "data": orjson.dumps(dict(notice.data)).decode(),
            "at": notice.at,
            "once": notice.once is not None,
            "addressed": False,
        }
        statement = upsert(self._connection, NoticeRow).on_conflict_do_nothing(index_elements=["notice_id"])
        new = self._connection.execute(statement.returning(_NOTICES.c.notice_id), row).first() is not None
        if new and about is not None:
            self._connection.execute(sa.insert(_ABOUT), {"notice_id": row["notice_id"], **about._asdict()})

    def has_unaddressed(self) -> bool:
        """Whether any notice waits for being addressed."""
        query = sa.select(_NOTICES.c.notice_id).where(~_NOTICES.c.addressed).limit(1)
        return self._connection.execute(query).first() is not None

    def unaddressed(self, most: int) -> list[tuple[str, NoticeKind, Instant]]:
        """The oldest of those nobody has been chosen for yet, kept from other workers."""
        table = _NOTICES.c
        query = sa.select(table.notice_id, table.kind, table.at).where(~table.addressed)
        rows = self._connection.execute(query.order_by(table.at).limit(most).with_for_update(skip_locked=True))
        return [(row.notice_id, NoticeKind(row.kind), row.at) for row in rows]

    def address(self, notice_ids: Sequence[str], deliveries: Iterable[tuple[str, str, Instant]], now: Instant) -> None:
        """Put notices on their way.

        Args:
            notice_ids: those that were looked at.
            deliveries: notice, receiver and instant of what is told to somebody.
            now: from when on.
        """
        rows = [
            {"notice_id": id_, "receiver": receiver, "at": at, "state": WAITING, "attempts": 0, "due_at": now}
            for id_, receiver, at in deliveries
        ]
        if rows:
            statement = upsert(self._connection, DeliveryRow)
            self._connection.execute(statement.on_conflict_do_nothing(index_elements=["notice_id", "receiver"]), rows)
        for some in portions(notice_ids):
            self._connection.execute(sa.update(_NOTICES).where(_NOTICES.c.notice_id.in_(some)).values(addressed=True))

    def receivers_due(self, receivers: Sequence[str], now: Instant) -> list[str]:
        """Those of some receivers for whom something is due, whom nobody posts to, and who do not rest."""
        waits, here = _DELIVERIES.c, _RECEIVERS.c
        taken = sa.select(here.receiver).where(sa.or_(here.until > now, here.rests_until > now))
        free = set(receivers).difference(self._connection.execute(taken).scalars())
        due = sa.select(waits.notice_id).where(waits.state == WAITING, waits.due_at <= now).limit(1)
        return [
            receiver
            for receiver in sorted(free)
            if self._connection.execute(due.where(waits.receiver == receiver)).first() is not None
        ]

    def hold(self, receiver: str, holder: str, now: Instant, until: Instant) -> bool:
        """Take a receiver, for one worker alone, until it lets go or the lease is over; whether that was possible.

        Whoever commits first has it: the other one's statement finds the row as the first has left it.
        """
        statement = upsert(self._connection, ReceiverRow)
        free = sa.or_(_RECEIVERS.c.until <= now, _RECEIVERS.c.holder == holder)
        awake = _RECEIVERS.c.rests_until <= now
        statement = statement.on_conflict_do_update(
            index_elements=["receiver"], set_={"holder": holder, "until": until}, where=sa.and_(free, awake)
        )
        row = {"receiver": receiver, "holder": holder, "until": until, "failures": 0, "rests_until": 0}
        return self._connection.execute(statement.returning(_RECEIVERS.c.receiver), row).first() is not None

    def due(self, receiver: str, now: Instant, most: int) -> list[Due]:
        """What is due for a receiver, the oldest first."""
        waits = _DELIVERIES.c
        query = (
            sa.select(*_ANNOUNCED, waits.attempts)
            .select_from(_WHOLE.join(_DELIVERIES, waits.notice_id == _NOTICES.c.notice_id))
            .where(waits.receiver == receiver, waits.state == WAITING, waits.due_at <= now)
            .order_by(waits.at, waits.notice_id)
            .limit(most)
        )
        return [Due(_announced(row), row.attempts) for row in self._connection.execute(query)]

    def delivered(self, notice_id: str, receiver: str, now: Instant) -> None:
        """Note that a receiver has taken a notice; the person it is about is forgotten once nobody waits for it."""
        self._end(notice_id, receiver, DELIVERED, now, None)
        others = sa.select(_DELIVERIES.c.notice_id).where(
            _DELIVERIES.c.notice_id == notice_id, _DELIVERIES.c.state.in_(_ON_THE_WAY)
        )
        if self._connection.execute(others.limit(1)).first() is None:
            self._connection.execute(sa.delete(_ABOUT).where(_ABOUT.c.notice_id == notice_id))

    def failed(self, notice_id: str, receiver: str, trouble: str, again_at: Instant | None, now: Instant) -> None:
        """Note that an attempt has failed; without an instant for the next one the notice is a dead letter."""
        if again_at is None:
            self._end(notice_id, receiver, DEAD, now, trouble)
            return
        changed = {"attempts": _DELIVERIES.c.attempts + 1, "due_at": again_at, "trouble": trouble}
        here = sa.and_(*_at(notice_id, receiver), _DELIVERIES.c.state == WAITING)
        self._connection.execute(sa.update(_DELIVERIES).where(here).values(changed))

    def let_go(self, receiver: str, holder: str) -> None:
        """Let any worker post to a receiver that this one has held."""
        mine = sa.and_(_RECEIVERS.c.receiver == receiver, _RECEIVERS.c.holder == holder)
        self._connection.execute(sa.update(_RECEIVERS).where(mine).values(until=0))

    def reached(self, receiver: str) -> None:
        """Note that a receiver answers, whatever it says."""
        troubled = sa.and_(_RECEIVERS.c.receiver == receiver, _RECEIVERS.c.failures > 0)
        self._connection.execute(sa.update(_RECEIVERS).where(troubled).values(failures=0, rests_until=0))

    def failures(self, receiver: str) -> int:
        """How many times in a row a receiver could not be reached."""
        query = sa.select(_RECEIVERS.c.failures).where(_RECEIVERS.c.receiver == receiver)
        return self._connection.execute(query).scalar_one_or_none() or 0

    def rest(self, receiver: str, failures: int, until: Instant) -> None:
        """Leave a receiver alone until an instant."""
        here = sa.update(_RECEIVERS).where(_RECEIVERS.c.receiver == receiver)
        self._connection.execute(here.values(failures=failures, rests_until=until))

    def counts(self) -> dict[tuple[str, str], int]:
        """How many notices wait or are given up, by receiver and state."""
        waits = _DELIVERIES.c
        query = sa.select(waits.receiver, waits.state, sa.func.count()).where(waits.state.in_(_ON_THE_WAY))
        rows = self._connection.execute(query.group_by(waits.receiver, waits.state))
        return {(receiver, state): n for receiver, state, n in rows}

    def newest(self, n: int, state: str | None) -> list[Announced]:
        """The newest notices, or the newest of those with a delivery in a state."""
        query = sa.select(*_ANNOUNCED).select_from(_WHOLE)
        if state is not None:
            some = sa.select(_DELIVERIES.c.notice_id).where(_DELIVERIES.c.state == state)
            query = query.where(_NOTICES.c.notice_id.in_(some))
        query = query.order_by(_NOTICES.c.at.desc(), _NOTICES.c.notice_id).limit(n)
        return [_announced(row) for row in self._connection.execute(query)]

    def about(self, recipient_key: str) -> list[Announced]:
        """The notices about one recipient, the oldest first."""
        query = sa.select(*_ANNOUNCED).select_from(_WHOLE).where(_ABOUT.c.recipient_key == recipient_key)
        rows = self._connection.execute(query.order_by(_NOTICES.c.at, _NOTICES.c.notice_id))
        return [_announced(row) for row in rows]

    def deliveries(self, notice_ids: Sequence[str]) -> dict[str, list[Delivery]]:
        """What became of some notices, by notice, in the order of the receivers."""
        found: dict[str, list[Delivery]] = {}
        for some in portions(notice_ids):
            query = sa.select(*_DELIVERY).where(_DELIVERIES.c.notice_id.in_(some))
            for row in self._connection.execute(query.order_by(_DELIVERIES.c.receiver)):
                found.setdefault(row.notice_id, []).append(Delivery(*row))
        return found

    def revive(self, notice_ids: Sequence[str] | None, receiver: str | None, now: Instant) -> int:
        """Put dead letters on their way again, from the first attempt on; how many that were.

        Args:
            notice_ids: those; None for every one.
            receiver: only to this receiver; None for all.
            now: from when on.
        """
        changed = {"state": WAITING, "attempts": 0, "due_at": now, "finished_at": None}
        dead = [_DELIVERIES.c.state == DEAD]
        if receiver is not None:
            dead.append(_DELIVERIES.c.receiver == receiver)
        parts = (
            [dead]
            if notice_ids is None
            else [[*dead, _DELIVERIES.c.notice_id.in_(some)] for some in portions(notice_ids)]
        )
        return sum(
            self._connection.execute(sa.update(_DELIVERIES).where(*part).values(changed)).rowcount for part in parts
        )

    def wake(self, receiver: str | None) -> None:
        """Let nobody rest any longer, or one receiver."""
        here = sa.true() if receiver is None else _RECEIVERS.c.receiver == receiver
        self._connection.execute(sa.update(_RECEIVERS).where(here).values(failures=0, rests_until=0))

    def forget(self, now: Instant, kept: Duration, kept_of_people: Duration, most: int) -> int:
        """Delete some notices that are old enough; how many. What may be announced once only is remembered for good.

        Args:
            now: the instant.
            kept: how long a notice is kept, whatever became of it.
            kept_of_people: how long one about a person is kept that everybody has been told of.
            most: how many to look at.
        """
        table = _NOTICES.c
        still = sa.select(_DELIVERIES.c.notice_id).where(
            _DELIVERIES.c.notice_id == table.notice_id, _DELIVERIES.c.state.in_(_ON_THE_WAY)
        )
        told = sa.and_(
            table.at < now - kept_of_people,
            table.kind.in_([NoticeKind.SEGMENT_ENTERED.value, NoticeKind.SEGMENT_LEFT.value]),
            table.addressed,
            ~still.exists(),
        )
        old = sa.select(table.notice_id).where(~table.once, sa.or_(table.at < now - kept, told))
        ids = list(self._connection.execute(old.order_by(table.at).limit(most)).scalars())
        self.delete(ids)
        return len(ids)

    def forget_people(self, recipient_keys: Sequence[str]) -> None:
        """Delete every notice about some recipients, told or not."""
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(_ABOUT.c.notice_id).where(_ABOUT.c.recipient_key.in_(some))
            self.delete(list(self._connection.execute(query).scalars()))

    def delete(self, notice_ids: Sequence[str]) -> None:
        """Delete notices with everything that belongs to them."""
        for some in portions(notice_ids):
            for table in (_DELIVERIES, _ABOUT, _NOTICES):
                self._connection.execute(sa.delete(table).where(table.c.notice_id.in_(some)))

    def _end(self, notice_id: str, receiver: str, state: str, now: Instant, trouble: str | None) -> None:
        changed = {
            "state": state,
            "attempts": _DELIVERIES.c.attempts + 1,
            "finished_at": now,
            "trouble": trouble,
        }
        here = sa.and_(*_at(notice_id, receiver), _DELIVERIES.c.state != DELIVERED)
        self._connection.execute(sa.update(_DELIVERIES).where(here).values(changed))


def _at(notice_id: str, receiver: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _DELIVERIES.c.notice_id == notice_id, _DELIVERIES.c.receiver == receiver


def _announced(row: Any) -> Announced:
    about = None if row.sealed is None else About(row.recipient_key, bytes(row.sealed))
    kind, data = NoticeKind(row.kind), orjson.loads(row.data)
    return Announced(row.notice_id, kind, row.campaign_id, data, row.at, about)
