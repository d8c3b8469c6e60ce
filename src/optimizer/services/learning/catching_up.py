"""Catch up: statistics that an earlier release wrote come to hold what this one counts."""

from __future__ import annotations

from optimizer.domain.statistics import Tally
from optimizer.engine.assessment import fold
from optimizer.services.learning.verifying import Counts, judged
from optimizer.services.live import Live
from optimizer.storage.store import Ledger

COUNTED = "counted"  # counter: the newest kind of facts that the statistics hold
FACTS = 1  # 1: how late rewards came, logarithms of amounts, events of machines


def is_behind(ledger: Ledger) -> bool:
    """Whether the statistics lack facts that this release counts."""
    return ledger.revisions.all().get(COUNTED, 0) < FACTS


def catch_up(ledger: Ledger, live: Live) -> int:
    """Fold the whole ledger again and add what its statistics lack, in one transaction; how many cells changed.

    A ledger that is up to date, or empty, is left as it is. Of several processes that start together, one does it.

    Args:
        ledger: a transaction of its own, alone.
        live: gives the rules past decisions are judged by.
    """
    ledger.revisions.hold(COUNTED)
    if not is_behind(ledger):
        return 0
    ledger.statistics.flush()
    missing = Tally()
    missing.add(fold(judged(ledger, live, Counts())))
    missing.subtract(ledger.statistics.all())
    changes = missing.changes()
    ledger.statistics.pending.add(changes)
    for _ in range(FACTS - ledger.revisions.all()[COUNTED]):
        ledger.revisions.bump(COUNTED)
    return len(changes)
