"""What a serving process does all the time, a little at a turn: find out who has changed segments by time alone."""

from __future__ import annotations

from time import monotonic

from optimizer.deployment import now
from optimizer.services.live import Live
from optimizer.services.recipients.memberships import Swept, is_sweep_due, sweep
from optimizer.storage.store import Ledger
from optimizer.web.desk import Desk

PORTION = 200  # recipients of one transaction, between two turns of the keeper: others are served meanwhile
LOOK_SECONDS = 5.0  # between two looks whether there is anything to do


class Sweeping:
    """The sweeps over memberships; of all workers, whichever comes first does a portion."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._look_at = 0.0

    async def turn(self) -> None:
        """One portion, if any is due."""
        if monotonic() < self._look_at:
            return
        due = await self._desk.read(lambda ledger, _: is_sweep_due(ledger, now()))
        if due and (await self._desk.change(_portion)).looked:
            return
        self._look_at = monotonic() + LOOK_SECONDS


def _portion(ledger: Ledger, live: Live) -> Swept:
    return sweep(ledger, live, now(), PORTION)
