"""Quiet hours and send windows, judged on the recipient's own wall clock.

Three rules that are told apart: quiet hours hold for every variant of a campaign's channel, a send window for one
variant, and a recipient whose time zone nobody knows is not sent what depends on the time of day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.daily_window import MINUTES_PER_DAY, DailyWindow
from optimizer.domain.instants import DAY, MINUTE, Instant, instant, moment

UNKNOWN = -1  # the local minute of a contact whose zone is not known


@dataclass(frozen=True, slots=True)
class Hours:
    """When one campaign with `A` variants may send.

    Attributes:
        quiet: the channel's quiet hours, inside which nothing is sent; None when it has none.
        send: one per arm, the only time of day at which it is sent; None for any time.
        assumed: the zone to judge by when the recipient's is unknown; None blocks what depends on the time of day.
    """

    quiet: DailyWindow | None
    send: tuple[DailyWindow | None, ...]
    assumed: ZoneInfo | None

    def depends_on_time_of_day(self, arm: int) -> bool:
        """Whether quiet hours or a send window bind this arm; if not, no time zone matters to it."""
        return self.quiet is not None or self.send[arm] is not None

    @property
    def any_depends_on_time_of_day(self) -> bool:
        """Whether any arm is bound; if not, nobody needs to look up or convert time zones."""
        return self.quiet is not None or self.send.count(None) < len(self.send)

    def is_open(self, arm: int, minute: int) -> bool:
        """Whether an arm may be sent at a minute of the local day, 0 to 1439."""
        window = self.send[arm]
        is_quiet = self.quiet is not None and self.quiet.contains(minute)
        return not is_quiet and (window is None or window.contains(minute))

    def openings(self, arm: int) -> tuple[int, ...]:
        """Minutes of the local day among which are all those at which an arm opens; none if it never is open.

        An arm that depends on the time of day can only open where its quiet hours end or its window begins.
        """
        quiet_ends = () if self.quiet is None else (self.quiet.end % MINUTES_PER_DAY,)
        window = self.send[arm]
        begins = () if window is None else (window.start,)
        return tuple(minute for minute in (*quiet_ends, *begins) if self.is_open(arm, minute))


def local_minutes(now: Instant, zones: Sequence[ZoneInfo | None], assumed: ZoneInfo | None = None) -> NDArray[np.int64]:
    """Minute of the local day of each contact.

    Args:
        now: the instant to express.
        zones: ``N`` zones, None where unknown. Each different one is converted once.
        assumed: the zone of those whose zone is unknown.

    Returns:
        ``[N]``, 0 to 1439; `UNKNOWN` where the zone is unknown and none is assumed.
    """
    minute_in: dict[ZoneInfo | None, int] = {
        zone: _local(now, zone) % DAY // MINUTE for zone in {*zones, assumed} if zone is not None
    }
    minute_in[None] = UNKNOWN if assumed is None else minute_in[assumed]
    return np.fromiter(map(minute_in.__getitem__, zones), dtype=np.int64, count=len(zones))


def quiet_now(hours: Hours, minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each contact is in the channel's quiet hours, ``[N]``; false where the minute is `UNKNOWN`."""
    if hours.quiet is None:
        return np.zeros(minutes.shape, dtype=np.bool_)
    return (minutes != UNKNOWN) & hours.quiet.contains(minutes)


def outside_window(hours: Hours, minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each contact is outside each arm's send window, ``[N, A]``; false where the minute is `UNKNOWN`."""
    outside = np.zeros((len(minutes), len(hours.send)), dtype=np.bool_)
    known = minutes != UNKNOWN
    for arm, window in enumerate(hours.send):
        if window is not None:
            outside[:, arm] = known & ~window.contains(minutes)
    return outside


def zone_unknown(hours: Hours, minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each arm depends on a time of day that each contact has not, ``[N, A]``."""
    depends = [hours.depends_on_time_of_day(arm) for arm in range(len(hours.send))]
    return (minutes == UNKNOWN)[:, np.newaxis] & np.array(depends, dtype=np.bool_)


def next_open(hours: Hours, arm: int, now: Instant, zone: ZoneInfo | None) -> Instant | None:
    """The first instant after now at which an arm is neither in quiet hours nor outside its send window.

    An instant is judged by the minute that a local clock then shows. So a window that begins within the hour that
    clocks skip in spring opens when they have skipped it, one that lies wholly within it opens the day after, and
    one in the hour that clocks repeat in autumn opens twice.

    Args:
        hours: the campaign's hours.
        arm: the arm that may have to wait.
        now: the instant to look beyond.
        zone: the recipient's zone, None when unknown: then the assumed one counts.

    Returns:
        An instant after now: the next microsecond when the arm is open then. None when it never opens, and when it
        depends on the time of day in a zone that is neither known nor assumed.
    """
    at = now + 1
    if not hours.depends_on_time_of_day(arm):
        return at
    zone = zone or hours.assumed
    openings = hours.openings(arm)
    if zone is None or not openings:
        return None
    # Every step goes to the next opening, or to where clocks change on the way to it. It ends: clocks change days
    # apart at least, and between two changes each opening comes once a day.
    while True:
        local = _local(at, zone)
        if hours.is_open(arm, local % DAY // MINUTE):
            return at
        wait = min((opening * MINUTE - local) % DAY for opening in openings)
        at = _until_clocks_change(at, at + wait, zone)


def _local(at: Instant, zone: ZoneInfo) -> int:
    """What a local clock shows, as the microseconds it would be since 1970 if that clock showed UTC."""
    return instant(moment(at).astimezone(zone).replace(tzinfo=UTC))


def _until_clocks_change(start: Instant, end: Instant, zone: ZoneInfo) -> Instant:
    """The first instant after the start, and up to the end, with another offset from UTC; else the end.

    Looks at most a day ahead, in which no zone changes its clocks there and back.
    """
    offset = _local(start, zone) - start
    if _local(end, zone) - end == offset:
        return end
    while end - start > 1:
        middle = (start + end) // 2
        if _local(middle, zone) - middle == offset:
            start = middle
        else:
            end = middle
    return end
