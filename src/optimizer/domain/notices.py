"""Notices: what others are told of, once, wherever it happened, and when telling them is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from optimizer.domain.instants import HOUR, MINUTE, SECOND, Duration, Instant


class NoticeKind(StrEnum):
    """What a notice can be about; the values are what documents and receivers call it."""

    GUARDRAIL_BREACH = "guardrail_breach"
    VARIANT_PAUSED = "variant_paused"
    BUDGET_80 = "budget_80"
    BUDGET_100 = "budget_100"
    STAGE_ADVANCED = "stage_advanced"
    PROPOSAL_MADE = "proposal_made"
    REVIEW_OVERDUE = "review_overdue"
    REWARD_SILENT = "reward_silent"
    SEGMENT_ENTERED = "segment_entered"
    SEGMENT_LEFT = "segment_left"


ABOUT_PEOPLE: Final = frozenset({NoticeKind.SEGMENT_ENTERED, NoticeKind.SEGMENT_LEFT})

# How long after each failed attempt the next one is made, as the Standard Webhooks specification recommends: ten
# attempts within three days. Each wait is made longer by up to a fifth, so that not everything comes back at once.
WAITS: Final[tuple[Duration, ...]] = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
_JITTER: Final = 5  # a wait is made longer by at most one part in so many
_CHANCES: Final = 2**32
# A receiver that cannot be reached at all is left alone for a while, whatever else waits for it.
_FIRST_REST, _LONGEST_REST = 5 * SECOND, 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell.

    Attributes:
        kind: what it is about.
        campaign_id: the campaign; None for what is about all of them.
        data: what receivers get to know, in types that JSON has; never about a recipient.
        at: when it happened.
        once: what makes it the only one of its kind, such as ``campaign:winback/2026-12``; None when it is told each
            time it happens.
    """

    kind: NoticeKind
    campaign_id: str | None
    data: Mapping[str, Any] = field(default_factory=dict)
    at: Instant = 0
    once: str | None = None

    @property
    def notice_id(self) -> str:
        """Its id, for ever: 32 hexadecimal characters."""
        if self.once is not None:
            return notice_id(self.kind, self.once)
        told = sorted((name, repr(value)) for name, value in self.data.items())
        return notice_id(self.kind, self.campaign_id or "", str(self.at), repr(told))


def notice_id(kind: str, *parts: str) -> str:
    """The id of a notice that these parts tell from all others."""
    digest = blake2b(digest_size=16)
    for part in (kind, *parts):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()


def next_attempt_at(notice_id: str, receiver: str, attempts: int, now: Instant) -> Instant | None:
    """When to try again after so many attempts that failed; None when it is given up.

    Args:
        notice_id: the notice; what is left to chance about the wait is a hash of it, so that it can be repeated.
        receiver: who did not take it.
        attempts: how many there have been, at least one.
        now: instant at which the last one failed.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1]
    chance = blake2b(f"{notice_id}/{receiver}/{attempts}".encode(), digest_size=4).digest()
    return now + wait + wait * int.from_bytes(chance, "big") // _CHANCES // _JITTER


def rest_after(failures: int) -> Duration:
    """How long a receiver is left alone that could not be reached so many times in a row, at least once."""
    return int(min(_FIRST_REST * 2 ** min(failures - 1, 16), _LONGEST_REST))
