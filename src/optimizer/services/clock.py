"""The clock of a process: the time of day, carried by a clock that nobody sets.

Contacts, budgets, quiet hours and leases all hang on the time of day, and a machine's clock may be set by hours while
we serve. So the time goes on at the pace of the monotonic clock, and is compared now and then with a reference: the
database's clock, which all workers of a PostgreSQL share, or the machine's own for SQLite. Of three clocks that do
not agree, two are believed.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.domain.instants import MINUTE, Duration, Instant

TOLERATED: Duration = MINUTE  # clocks that differ by less are taken for right, and followed
BELIEVED_AFTER: Duration = 5 * MINUTE  # a reference that stands alone is followed once it has said so for this long


class Clock:
    """The time of day for one process.

    Args:
        wall: reads the machine's time of day, in microseconds since 1970.
        steady: reads a clock that nobody sets, in microseconds since anything.

    Attributes:
        trouble: what is wrong with the clocks, in a sentence; None while they agree.
    """

    def __init__(self, wall: Callable[[], Instant], steady: Callable[[], int]) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self._latest = 0
        self._compared = False
        self._doubted_since: int | None = None
        self.trouble: str | None = None

    def now(self) -> Instant:
        """The instant. It never goes back, but for a correction of more than `TOLERATED`."""
        at = self._steady() + self._offset
        if at < self._latest:
            return self._latest
        self._latest = at
        return at

    def compare(self, reference: Instant | None) -> None:
        """Look whether the time is right, and follow what is.

        Args:
            reference: the time by the database's clock; None where it has none but the machine's.
        """
        steady, wall = self._steady(), self._wall()
        mine = steady + self._offset
        shared = wall if reference is None else reference
        self.trouble = None
        if abs(shared - mine) <= TOLERATED:
            self._follow(shared - mine)
            self._doubted_since = None
            if abs(wall - shared) > TOLERATED:
                self.trouble = _sentence("this machine's clock", wall - shared, "the database's, which is used")
        elif not self._compared or (reference is not None and abs(shared - wall) <= TOLERATED):
            # When it starts, a worker has nothing but the machine's clock; later, the machine may have been asleep.
            self._step(shared - mine)
        else:
            self._doubt(steady, shared - mine, "this machine's clock" if reference is None else "the database's clock")
        self._compared = True

    def _doubt(self, steady: int, difference: Duration, whose: str) -> None:
        if self._doubted_since is None:
            self._doubted_since = steady
        if steady - self._doubted_since >= BELIEVED_AFTER:
            self._step(difference)
            return
        minutes = BELIEVED_AFTER // MINUTE
        self.trouble = _sentence(whose, difference, f"the time that has passed; believed after {minutes} minutes")

    def _follow(self, difference: Duration) -> None:
        self._offset += difference

    def _step(self, difference: Duration) -> None:
        """Set the clock; only a small correction keeps it from going back."""
        self._offset += difference
        self._latest = 0
        self._doubted_since = None


def _sentence(whose: str, difference: Duration, than: str) -> str:
    way = "ahead of" if difference > 0 else "behind"
    return f"{whose}: found {abs(difference) / MINUTE:.0f} minutes {way} {than}; allowed {TOLERATED // MINUTE}"
