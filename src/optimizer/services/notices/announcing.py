"""Announce: what happened is told to whoever the strategy names, in the transaction in which it became a fact.

A notice is a row of the ledger first (a transactional outbox): it is durable when the fact is, and undone when that is
undone. Whom it goes to is decided a moment later, by the documents in force then; see `web.posting` for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from optimizer.domain.instants import DAY, Duration, Instant
from optimizer.domain.notices import ABOUT_PEOPLE, Notice, NoticeKind
from optimizer.errors import InvalidRequest, NotFound, RequestFinding
from optimizer.services.live import Live, Loaded
from optimizer.storage.notices import DEAD, WAITING, Announced, Delivery
from optimizer.storage.store import Ledger

KEPT: Final[Duration] = 30 * DAY  # of every notice, delivered or not
KEPT_OF_PEOPLE: Final[Duration] = DAY  # of one about a person that everybody has been told of


@dataclass(frozen=True, slots=True)
class Told:
    """A notice, and what became of it at each receiver; at none where nobody is told of its kind."""

    notice: Announced
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Post:
    """How the notices stand.

    Attributes:
        waiting, dead: how many wait, and are given up, by receiver.
        notices: some of them, the newest first.
    """

    waiting: Mapping[str, int]
    dead: Mapping[str, int]
    notices: Sequence[Told]


def announce(ledger: Ledger, notice: Notice) -> None:
    """Tell everybody of something who is to be told, once this transaction is durable.

    Args:
        ledger: the transaction in which it became a fact.
        notice: what; one that was announced before, see `Notice.once`, is not announced again.

    Raises:
        ValueError: it is about a person; see `services.memberships`.
    """
    if notice.kind in ABOUT_PEOPLE:
        raise ValueError(f"kind: found {notice.kind}; allowed a kind that is not about one person")
    ledger.notices.add(notice)


def is_told(loaded: Loaded, kind: NoticeKind) -> bool:
    """Whether the documents in force name anybody who is told of such things."""
    return loaded.workspace is not None and any(kind in one.about for one in loaded.workspace.strategy.notify)


def address(ledger: Ledger, live: Live, now: Instant, most: int) -> int:
    """Choose the receivers of new notices, by the documents in force; how many notices were looked at."""
    found = ledger.notices.unaddressed(most)
    if found:
        workspace = live.at(ledger).workspace
        notify = () if workspace is None else workspace.strategy.notify
        deliveries = [(id_, one.id, at) for id_, kind, at in found for one in notify if kind in one.about]
        ledger.notices.address([id_ for id_, _, _ in found], deliveries, now)
    return len(found)


def post(ledger: Ledger, n: int, state: str | None = None) -> Post:
    """How the notices stand.

    Args:
        ledger: the ledger.
        n: how many to show at most.
        state: only those with a delivery in this state.
    """
    counts = ledger.notices.counts()
    newest = ledger.notices.newest(n, state)
    deliveries = ledger.notices.deliveries([notice.notice_id for notice in newest])
    waiting, dead = (
        {receiver: number for (receiver, its), number in sorted(counts.items()) if its == wanted}
        for wanted in (WAITING, DEAD)
    )
    return Post(waiting, dead, [Told(notice, deliveries.get(notice.notice_id, [])) for notice in newest])


def retry(ledger: Ledger, notice_ids: Sequence[str] | None, receiver: str | None, now: Instant) -> int:
    """Post dead letters again, beginning at once; how many deliveries that are.

    Args:
        ledger: the ledger.
        notice_ids: which; None for every one.
        receiver: only to this one; None for all.
        now: the instant.

    Raises:
        InvalidRequest: neither ids nor the wish for all of them.
        NotFound: none of the ids, or not all of them, is that of a notice.
    """
    if notice_ids is not None:
        if not notice_ids:
            raise InvalidRequest(RequestFinding("/notice_ids", "none", "at least one"))
        known = ledger.notices.deliveries(notice_ids)
        for id_ in notice_ids:
            if id_ not in known:
                raise NotFound(f"notice: found {id_!r}; allowed one that was sent to somebody, see the list")
    ledger.notices.wake(receiver)
    return ledger.notices.revive(notice_ids, receiver, now)


def forget_old(ledger: Ledger, now: Instant, most: int) -> int:
    """Delete some notices that are old; how many."""
    return ledger.notices.forget(now, KEPT, KEPT_OF_PEOPLE, most)
