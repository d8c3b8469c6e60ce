"""What a serving process does once a day: let go of what `data.retention` says is old enough.

And soon after an erasure that could not do it itself: take what was erased out of the files.
"""

from __future__ import annotations

from time import monotonic

import structlog

from optimizer.deployment import now, random_id
from optimizer.services.live import Live
from optimizer.services.recipients.retention import Retained, retain
from optimizer.storage.store import Ledger
from optimizer.web.desk import Desk

PORTION = 500  # records of one transaction, between two turns of the keeper: others are served meanwhile
LOOK_SECONDS = 900.0  # between two looks whether a new day has begun
SCRUB_SECONDS = 5.0  # between two attempts to take old bytes out of a file that somebody reads: writers wait meanwhile

log = structlog.get_logger("optimizer")


class LettingGo:
    """The day's work on old records, a portion at each turn; of all workers, whichever comes first does it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._look_at = 0.0
        self._scrub_at = 0.0
        self._total = Retained()

    async def turn(self) -> None:
        """One portion, if any is left to do; and what an erasure could not take out of the files yet."""
        if self._desk.owes_scrub and monotonic() >= self._scrub_at:
            await self._desk.scrub()
            self._scrub_at = monotonic() + SCRUB_SECONDS
        if monotonic() < self._look_at:
            return
        done = await self._desk.change(_portion)
        total = self._total
        total.decisions += done.decisions
        total.profiles += done.profiles
        total.quarantined += done.quarantined
        total.happenings += done.happenings
        if done.looked:
            return
        self._look_at, self._total = monotonic() + LOOK_SECONDS, Retained()
        if total != Retained():
            scrubbed = await self._desk.scrub()
            log.info(
                "retention",
                decisions=total.decisions,
                profiles=total.profiles,
                quarantined=total.quarantined,
                happenings=total.happenings,
                scrubbed=scrubbed,
            )


def _portion(ledger: Ledger, live: Live) -> Retained:
    return retain(ledger, live, now(), PORTION, random_id=random_id)
