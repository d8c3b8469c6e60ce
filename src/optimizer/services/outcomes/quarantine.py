"""Quarantine: the reports that could not be used, and judging them once more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.errors import NotFound
from optimizer.insights.quarantine_words import Cause, cause
from optimizer.services.live import Live
from optimizer.services.outcomes.recording import OutcomeReport, Recorded, record_outcomes
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report in quarantine.

    Attributes:
        reason: why it could not be used, in a sentence.
        report: what was reported; a recipient only as a keyed hash.
        judged_at: when that was found last.
    """

    reason: str
    report: OutcomeReport
    judged_at: Instant


@dataclass(frozen=True, slots=True)
class Pile:
    """Reports that wait for one and the same cause.

    Attributes:
        event_ids: of all of them, those judged last first.
        kinds: the kinds of outcomes they report, the most frequent first.
        examples: the first of them.
    """

    cause: Cause
    event_ids: Sequence[str]
    kinds: Sequence[str]
    examples: Sequence[Waiting]

    @property
    def reports(self) -> int:
        """How many there are."""
        return len(self.event_ids)


@dataclass(frozen=True, slots=True)
class Piles:
    """What waits, by cause.

    Attributes:
        waiting: how many reports wait.
        looked_at: how many of them, those judged last, are in the piles.
        piles: the largest first.
    """

    waiting: int
    looked_at: int
    piles: Sequence[Pile]


MOST_LOOKED_AT = 10_000
EXAMPLES = 5


def piles(ledger: Ledger, _live: Live, _now: Instant) -> Piles:
    """The reports in quarantine by what is wrong with them."""
    found: dict[Cause, list[Waiting]] = defaultdict(list)
    newest = waiting(ledger, MOST_LOOKED_AT)
    for one in newest:
        found[cause(one.reason)].append(one)
    made = [
        Pile(
            why,
            [one.report.event_id for one in some],
            [kind for kind, _ in Counter(one.report.kind for one in some).most_common()],
            some[:EXAMPLES],
        )
        for why, some in found.items()
    ]
    made.sort(key=lambda pile: (-pile.reports, pile.cause.id))
    return Piles(ledger.quarantine.count(), len(newest), made)


def waiting(ledger: Ledger, n: int) -> list[Waiting]:
    """The reports in quarantine that were judged last, at most `n`, the newest first."""
    return [
        Waiting(kept.reason, OutcomeReport(**kept.report), kept.received_at) for kept in ledger.quarantine.latest(n)
    ]


def kept_reports(ledger: Ledger, event_ids: Sequence[str]) -> list[OutcomeReport]:
    """Reports in quarantine as they were made, each once.

    Raises:
        NotFound: one of these events is not in quarantine.
    """
    found = {kept.event_id: OutcomeReport(**kept.report) for kept in ledger.quarantine.of(event_ids)}
    for event_id in event_ids:
        if event_id not in found:
            raise NotFound(f"event_id: found {event_id}; allowed an event that waits in quarantine")
    return list(found.values())


def retry(ledger: Ledger, live: Live, event_ids: Sequence[str], now: Instant) -> list[Recorded]:
    """Judge these reports again, under the documents in force now; those that can be used leave the quarantine.

    Raises:
        NotFound: one of these events is not in quarantine.
    """
    return record_outcomes(ledger, live, kept_reports(ledger, event_ids), now)
