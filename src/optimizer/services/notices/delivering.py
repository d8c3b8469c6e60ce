"""Deliver: one worker at a time posts to a receiver, and what became of each attempt is written down.

A receiver is held by a lease in the ledger. Whoever holds it takes what is due, in the order in which it happened,
posts it, and writes down each result by itself; a worker that dies leaves its lease to run out, and another one posts
what had not been written down. So a notice reaches its receiver at least once, always under the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from optimizer.domain.instants import SECOND, Duration, Instant, isoformat
from optimizer.domain.notices import next_attempt_at, rest_after
from optimizer.policy.draw import recipient_key
from optimizer.services.keys.seals import Seals
from optimizer.services.live import Live
from optimizer.storage.notices import Announced, Due
from optimizer.storage.store import Ledger

LEASE: Final[Duration] = 60 * SECOND  # how long a worker that says nothing more keeps a receiver from the others


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of posting a notice.

    Attributes:
        delivered: the receiver has taken it.
        trouble: why it has not, without anything that is secret.
        again: whether there is any sense in trying again.
        reached: whether the receiver answered as one that works: what it refused, it refused for what it was.
    """

    delivered: bool
    trouble: str = ""
    again: bool = True
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice that is due, as its receiver gets it.

    Attributes:
        due: the notice.
        data: what the receiver gets to know; None when that cannot be said any more.
    """

    due: Due
    data: Mapping[str, Any] | None


def take(ledger: Ledger, live: Live, receiver: str, worker: str, now: Instant, most: int) -> list[Letter]:
    """Hold a receiver, and take what is due for it; nothing when another worker has it, or it rests.

    Args:
        ledger: a transaction of its own, durable before anything is posted.
        live: opens the seals of the recipients.
        receiver: whom to post to.
        worker: who posts.
        now: the instant.
        most: how many notices at most.
    """
    if not ledger.notices.hold(receiver, worker, now, now + LEASE):
        return []
    found = ledger.notices.due(receiver, now, most)
    if not found:
        ledger.notices.let_go(receiver, worker)
    return [Letter(due, _data(ledger, live, due.announced)) for due in found]


def settle(ledger: Ledger, receiver: str, due: Due, attempt: Attempt, now: Instant) -> None:
    """Write down what became of an attempt; a notice that was not taken is due again later, or given up."""
    notices, id_ = ledger.notices, due.announced.notice_id
    if attempt.delivered:
        notices.delivered(id_, receiver, now)
    else:
        again_at = next_attempt_at(id_, receiver, due.attempts + 1, now) if attempt.again else None
        notices.failed(id_, receiver, attempt.trouble, again_at, now)
    if attempt.reached:
        notices.reached(receiver)
    else:
        failures = notices.failures(receiver) + 1
        notices.rest(receiver, failures, now + rest_after(failures))


def let_go(ledger: Ledger, receivers: Sequence[str], worker: str) -> None:
    """Leave receivers to other workers."""
    for receiver in receivers:
        ledger.notices.let_go(receiver, worker)


def _data(ledger: Ledger, live: Live, announced: Announced) -> Mapping[str, Any] | None:
    told = {"campaign": announced.campaign_id, "at": isoformat(announced.at), **announced.data}
    if announced.about is None:
        return told
    try:
        recipient = Seals(live.secret).open(announced.about.sealed, announced.campaign_id or "")
    except ValueError:
        return None
    key = live.at(ledger).pseudonyms.key_of(recipient_key(live.secret, recipient))
    return {**told, "recipient": recipient} if key == announced.about.recipient_key else None
