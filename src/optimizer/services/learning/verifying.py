"""Verify: fold the whole ledger again and compare, and recompute past decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optimizer.domain.decision import Decision
from optimizer.domain.meters import MeterKey, Reading
from optimizer.domain.outcome import Outcome
from optimizer.domain.statistics import ZERO, Cell, Sums, Tally
from optimizer.engine.assessment import RewardRule, fold
from optimizer.services.budgets import reading_of
from optimizer.services.decisions.proving import comes_out_the_same, table_of
from optimizer.services.live import Live
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify_ledger` found.

    Attributes:
        mismatches: cells whose stored sums are not those of the fold, as ``(cell, stored, folded)``.
        recomputed: past decisions that were recomputed from snapshot and request.
        anonymous: how many were not, because nothing is left of their recipients; they are folded all the same.
        differing: ids of those that came out differently.
        meters: how many meters were compared with the commitments they count.
        false_meters: those that say something else, as ``(meter, stored, summed)``.
    """

    decisions: int
    outcomes: int
    cells: int
    mismatches: tuple[tuple[Cell, Sums, Sums], ...]
    recomputed: int
    anonymous: int
    differing: tuple[str, ...]
    meters: int
    false_meters: tuple[tuple[MeterKey, Reading, Reading], ...]

    @property
    def clean(self) -> bool:
        """Whether everything agrees."""
        return not self.mismatches and not self.differing and not self.false_meters


def verify_ledger(
    ledger: Ledger, live: Live, *, recompute_decisions: int, progress: Callable[[int], None] = lambda _: None
) -> Verification:
    """Refold every decision and outcome, compare with `statistics`, and recompute some decisions.

    Args:
        ledger: a reading transaction, so that traffic meanwhile does not disturb the comparison.
        live: gives the rules past decisions are judged by.
        recompute_decisions: how many past decisions to recompute from snapshot and request.
        progress: told the number of decisions folded so far.
    """
    counts = Counts()
    folded = Tally()
    folded.add(fold(judged(ledger, live, counts, progress)))
    stored = dict(ledger.statistics.all())
    mismatches = tuple(
        (cell, stored.get(cell, ZERO), folded.get(cell, ZERO))
        for cell in sorted(stored.keys() | folded.keys())
        if stored.get(cell, ZERO) != folded.get(cell, ZERO)
    )
    drawn = ledger.decisions.sample(recompute_decisions)
    sample = [decision for decision in drawn if not decision.is_anonymous]
    return Verification(
        counts.decisions,
        counts.outcomes,
        len(stored),
        mismatches,
        len(sample),
        len(drawn) - len(sample),
        _differing(ledger, live, sample),
        len(ledger.meters.all()),
        _false_meters(ledger, live),
    )


def _false_meters(ledger: Ledger, live: Live) -> tuple[tuple[MeterKey, Reading, Reading], ...]:
    """Meters that are not the sum of the commitments made in their scope and period."""
    workspace = live.at(ledger).workspace
    if workspace is None:
        return ()
    zone, found = workspace.strategy.time_zone, []
    for key, stored in sorted(ledger.meters.all().items()):
        summed = reading_of(ledger, key, zone)
        if summed != stored:
            found.append((key, stored, summed))
    return tuple(found)


@dataclass(slots=True)
class Counts:
    """How many decisions and outcomes have gone by."""

    decisions: int = 0
    outcomes: int = 0


def judged(
    ledger: Ledger, live: Live, counts: Counts, progress: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[RewardRule, Decision, Sequence[Outcome]]]:
    """Every decision with its outcomes: two streams in order of the decision's id, merged."""
    with_outcomes = ledger.outcomes.stream()
    upcoming = next(with_outcomes, None)
    for decision in ledger.decisions.stream():
        outcomes: Sequence[Outcome] = ()
        if upcoming is not None and upcoming[0] == decision.decision_id:
            outcomes = upcoming[1]
            upcoming = next(with_outcomes, None)
        counts.decisions += 1
        counts.outcomes += len(outcomes)
        if counts.decisions % 1_000 == 0:
            progress(counts.decisions)
        yield live.reward_rule(ledger, decision), decision, outcomes
    progress(counts.decisions)


def _differing(ledger: Ledger, live: Live, decisions: Sequence[Decision]) -> tuple[str, ...]:
    tables = {name: table_of(ledger, name) for name in {decision.snapshot_id for decision in decisions}}
    persons = live.at(ledger).pseudonyms.persons_of([decision.recipient_key for decision in decisions])
    return tuple(
        decision.decision_id
        for decision, person in zip(decisions, persons, strict=True)
        if not comes_out_the_same(ledger, live, decision, person, tables[decision.snapshot_id])
    )
