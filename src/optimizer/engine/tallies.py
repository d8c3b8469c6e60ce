"""Statistics in columns: the sums of `assessment.contributions` over thousands of decisions at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.delays import delay_bins
from optimizer.domain.instants import Instant, bucket
from optimizer.domain.logarithms import micro_logs
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    Cell,
    Sums,
    amount_metric,
    delay_metric,
    machine_metric,
    outcome_metric,
    penalty_metric,
    reward_metric,
)
from optimizer.engine.assessment import LARGEST_SQUARED
from optimizer.engine.choosing import NO_ARM, REASONS
from optimizer.engine.judging import Assessments, Made
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import GROUPS

_WITHHELD = REASONS.index(Reason.WITHHELD)
_Name = tuple[str, str, str, str, str]  # campaign, segment, variant, its words and the group


class Tallies:
    """What decisions of one campaign add up to, by segment, variant, group and bucket.

    Args:
        tactic: the campaign.
        kinds: ``K`` outcome kinds, the columns of what is added.
    """

    def __init__(self, tactic: Tactic, kinds: Sequence[str]) -> None:
        self._tactic, self._kinds = tactic, tuple(kinds)
        rule = tactic.reward_rule
        self._penalties = [kind for kind, _ in rule.penalties]
        # Columns: decided, four of the reward, two of logarithms, penalties, two of each kind, the same of machines.
        self._of_people = 7 + len(self._penalties)
        self._of_machines = self._of_people + 2 * len(kinds)
        self._in_amounts = rule.in_amounts
        n_columns = self._of_machines + (2 * len(kinds) if rule.machines.kinds else 0)
        self._n_slots = len(tactic.variants) + 2  # the variants, nothing, and withheld
        n_places = len(GROUPS) * (len(tactic.rules.segment_ids) + 1) * self._n_slots
        self._row_of = np.full(n_places, -1)
        self._places: list[int] = []
        self._buckets: list[Instant] = []  # in the order of their first decision
        self._sums = np.zeros((1, 1, n_columns), np.int64)
        self._delays = _Delays()

    def add(self, made: Made, found: Assessments) -> None:
        """Add what these decisions amount to."""
        self._change(made, found, 1)

    def subtract(self, made: Made, found: Assessments) -> None:
        """Take what these decisions amounted to out again."""
        self._change(made, found, -1)

    def clear(self) -> None:
        """Begin again with nothing."""
        self._buckets.clear()
        self._sums[...] = 0
        self._delays = _Delays()

    def cells(self, edges: Sequence[Instant] | None = None) -> Iterator[tuple[Cell, Sums]]:
        """The sums, none of which is zero.

        Args:
            edges: instants. Buckets from one of them up to the next, before the first and from the last on, come as
                one, called by its first bucket: for readers to whom nothing else about the time of a decision matters.
                None: each bucket by itself.
        """
        starts = np.array(self._buckets, np.int64)
        sums = self._sums[: len(starts), : len(self._places)]
        if (np.diff(starts) < 0).any():
            order = np.argsort(starts)
            starts, sums = starts[order], sums[order]
        if edges is not None and len(starts):
            parts = np.unique([0, *np.searchsorted(starts, np.array(edges, np.int64)).tolist(), len(starts)])[:-1]
            starts, sums = starts[parts], np.add.reduceat(sums, parts, axis=0)
        yield from self._delayed(starts)
        names = [self._named(place) for place in self._places]
        for start, by_row in zip(starts.tolist(), sums.tolist(), strict=True):
            for named, row in zip(names, by_row, strict=True):
                yield from self._cells_of(start, named, row)

    def sent(self) -> Iterator[tuple[Cell, Sums]]:
        """The sums of everything that was sent, each bucket by itself, under the name of no variant, segment or group.

        As often as they are asked for, variant by variant would take longer than all decisions.
        """
        rows = [row for row, place in enumerate(self._places) if place % self._n_slots < len(self._tactic.variants)]
        sums = self._sums[: len(self._buckets), rows].sum(axis=1).tolist()
        named = (self._tactic.campaign_id, "", "", "", "")
        for start, row in zip(self._buckets, sums, strict=True):
            yield from self._cells_of(start, named, row)
        for start, delay, n in self._delays.of_rows(rows):
            yield Cell(*named, delay_metric(self._tactic.reward_rule.objective_id, delay), start), Sums(n, n, 0, 0)

    def _cells_of(self, start: Instant, named: _Name, row: Sequence[int]) -> Iterator[tuple[Cell, Sums]]:
        objective_id = self._tactic.reward_rule.objective_id

        def cell(metric: str) -> Cell:
            return Cell(*named, metric, start)

        if row[0]:
            yield cell(DECIDED), Sums(row[0], 0, 0, 0)
        if any(row[1:5]):
            yield cell(reward_metric(objective_id)), Sums(*row[1:5])
        if self._in_amounts and (row[2] or any(row[5:7])):
            yield cell(amount_metric(objective_id)), Sums(row[2], row[2], *row[5:7])
        for kind, n in zip(self._penalties, row[7:], strict=False):
            if n:
                yield cell(penalty_metric(objective_id, kind)), Sums(n, n, 0, 0)
        for metric, sums in self._outcomes_of(row):
            yield cell(metric), sums

    def _outcomes_of(self, row: Sequence[int]) -> Iterator[tuple[str, Sums]]:
        for first, metric in ((self._of_people, outcome_metric), (self._of_machines, machine_metric)):
            counts = row[first : first + 2 * len(self._kinds)]
            for kind, n, total in zip(self._kinds, counts[::2], counts[1::2], strict=False):
                if n or total:
                    yield metric(kind), Sums(n, n, total, 0)

    def _delayed(self, starts: NDArray[np.int64]) -> Iterator[tuple[Cell, Sums]]:
        """Rewarded trials by their delay, in the buckets that begin at `starts`."""
        objective_id = self._tactic.reward_rule.objective_id
        for start, row, delay, n in self._delays.sums(starts):
            cell = Cell(*self._named(self._places[row]), delay_metric(objective_id, delay), start)
            yield cell, Sums(n, n, 0, 0)

    def _named(self, place: int) -> _Name:
        """Campaign, segment, variant, its words and the group."""
        tactic = self._tactic
        of_group, slot = divmod(place, self._n_slots)
        group, segment = divmod(of_group, len(tactic.rules.segment_ids) + 1)
        segment_id = ("", *tactic.rules.segment_ids)[segment]
        variant_id = (*tactic.variant_ids, NOTHING, WITHHELD)[slot]
        content_hash = (*tactic.content_hashes, "", "")[slot]
        return tactic.campaign_id, segment_id, variant_id, content_hash, GROUPS[group].value

    def _columns(self, made: Made, found: Assessments) -> NDArray[np.int64]:
        """What each decision adds to every column, ``[D, columns]``."""
        columns = np.zeros((len(made), self._sums.shape[2]), np.int64)
        columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3] = 1, found.exposed, found.rewarded, found.reward
        limited = np.minimum(np.abs(found.reward), LARGEST_SQUARED)
        whole, part = np.divmod(limited, MICRO)  # the square itself may be too large for an integer
        columns[:, 4] = whole * whole * MICRO + 2 * whole * part + part * part // MICRO
        if self._in_amounts:
            columns[found.rewarded, 5:7] = np.column_stack(micro_logs(found.earned[found.rewarded]))
        for place, kind in enumerate(self._penalties, start=7):
            if kind in self._kinds:
                columns[:, place] = found.exposed & found.counted[:, self._kinds.index(kind)]
        for first, counted in ((self._of_people, found.counted), (self._of_machines, found.machines)):
            if first < columns.shape[1]:
                mine = columns[:, first : first + 2 * len(self._kinds)]
                mine[:, ::2], mine[:, 1::2] = counted, np.where(counted, made.values, 0)
        return columns

    def _change(self, made: Made, found: Assessments, sign: int) -> None:
        if not len(made):
            return
        n_arms, n_segments = len(self._tactic.variants), len(self._tactic.rules.segment_ids)
        nothing = np.where(made.reasons == _WITHHELD, n_arms + 1, n_arms)
        slots = np.where(made.arms == NO_ARM, nothing, made.arms)
        places = (made.groups * (n_segments + 1) + made.segments + 1) * self._n_slots + slots
        starts, of_bucket = np.unique(bucket_of(made.decided_at), return_inverse=True)
        for place in np.unique(places[self._row_of[places] < 0]).tolist():
            self._row_of[place] = len(self._places)
            self._places.append(place)
        for start in starts.tolist():
            if start not in self._buckets:
                self._buckets.append(start)
        self._grow()
        bucket_rows = np.array([self._buckets.index(start) for start in starts.tolist()])
        rows, earned = self._row_of[places], found.rewarded
        np.add.at(self._sums, (bucket_rows[of_bucket], rows), sign * self._columns(made, found))
        delays = delay_bins(found.rewarded_at[earned] - found.exposed_at[earned])
        self._delays.add(starts[of_bucket][earned], rows[earned], delays, sign)

    def _grow(self) -> None:
        n_buckets, n_rows, n_columns = self._sums.shape
        if len(self._buckets) > n_buckets or len(self._places) > n_rows:
            more = (max(2 * n_buckets, len(self._buckets)), max(2 * n_rows, len(self._places)), n_columns)
            sums = np.zeros(more, np.int64)
            sums[:n_buckets, :n_rows] = self._sums
            self._sums = sums


class _Delays:
    """Counts by bucket, row and delay; nearly all of them zero, so only the others are kept."""

    def __init__(self) -> None:
        self._counts = np.zeros((4, 0), np.int64)  # bucket, row, delay, how many
        self._fresh: list[NDArray[np.int64]] = []

    def add(self, starts: NDArray[np.int64], rows: NDArray[np.int64], delays: NDArray[np.int64], sign: int) -> None:
        """Count one, or take one out, at each of these places."""
        if len(starts):
            self._fresh.append(np.stack([starts, rows, delays, np.full(len(starts), sign)]))

    def sums(self, starts: NDArray[np.int64]) -> Iterator[tuple[Instant, int, int, int]]:
        """Bucket, row, delay and count wherever that is not zero; buckets from one of `starts` to the next are one."""
        counts = self._all().copy()
        counts[0] = starts[np.searchsorted(starts, counts[0], side="right") - 1] if len(starts) else 0
        yield from zip(*_summed(counts).tolist(), strict=True)

    def of_rows(self, rows: Sequence[int]) -> Iterator[tuple[Instant, int, int]]:
        """Bucket, delay and count of some rows together, wherever that is not zero."""
        counts = self._all()
        counts = counts[:, np.isin(counts[1], rows)]
        counts[1] = 0
        yield from zip(*_summed(counts)[[0, 2, 3]].tolist(), strict=True)

    def _all(self) -> NDArray[np.int64]:
        if self._fresh:
            self._counts = _summed(np.concatenate([self._counts, *self._fresh], axis=1))
            self._fresh.clear()
        return self._counts


def _summed(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns of equal places as one, in their order, without those that sum to zero."""
    if not counts.shape[1]:
        return counts
    counts = counts[:, np.lexsort(counts[2::-1])]
    begins = np.flatnonzero(np.append(True, (np.diff(counts[:3]) != 0).any(axis=0)))
    sums = np.add.reduceat(counts[3], begins)
    return np.vstack([counts[:3, begins], sums])[:, sums != 0]


def bucket_of(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Start of the time bucket that holds each of some instants; see `domain.instants.bucket`."""
    return np.asarray(bucket(at), np.int64)  # type: ignore[arg-type]
