"""Statistics in columns: the sums of `assessment.contributions` over thousands of decisions at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant, bucket
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    Cell,
    Sums,
    outcome_metric,
    penalty_metric,
    reward_metric,
)
from optimizer.engine.choosing import NO_ARM, REASONS
from optimizer.engine.judging import Assessments, Made
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import GROUPS

_WITHHELD = REASONS.index(Reason.WITHHELD)


class Tallies:
    """What decisions of one campaign add up to, by segment, variant, group and bucket.

    Args:
        tactic: the campaign.
        kinds: ``K`` outcome kinds, the columns of what is added.
    """

    def __init__(self, tactic: Tactic, kinds: Sequence[str]) -> None:
        self._tactic, self._kinds = tactic, tuple(kinds)
        self._penalties = [kind for kind, _ in tactic.reward_rule.penalties]
        self._n_slots = len(tactic.variants) + 2  # the variants, nothing, and withheld
        n_places = len(GROUPS) * (len(tactic.rules.segment_ids) + 1) * self._n_slots
        self._row_of = np.full(n_places, -1)
        self._places: list[int] = []
        self._buckets: list[Instant] = []  # in the order of their first decision
        self._sums = np.zeros((1, 1, 5 + len(self._penalties) + 2 * len(kinds)), np.int64)

    def add(self, made: Made, found: Assessments) -> None:
        """Add what these decisions amount to."""
        self._change(made, self._columns(made, found))

    def subtract(self, made: Made, found: Assessments) -> None:
        """Take what these decisions amounted to out again."""
        self._change(made, -self._columns(made, found))

    def clear(self) -> None:
        """Begin again with nothing."""
        self._buckets.clear()
        self._sums[...] = 0

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
        for start, by_row in zip(starts.tolist(), sums.tolist(), strict=True):
            for place, row in zip(self._places, by_row, strict=True):
                yield from self._cells_of(start, place, row)

    def _cells_of(self, start: Instant, place: int, row: Sequence[int]) -> Iterator[tuple[Cell, Sums]]:
        tactic, objective_id = self._tactic, self._tactic.reward_rule.objective_id
        of_group, slot = divmod(place, self._n_slots)
        group, segment = divmod(of_group, len(tactic.rules.segment_ids) + 1)
        segment_id = ("", *tactic.rules.segment_ids)[segment]
        variant_id = (*tactic.variant_ids, NOTHING, WITHHELD)[slot]
        content_hash = (*tactic.content_hashes, "", "")[slot]

        def cell(metric: str) -> Cell:
            key = (tactic.campaign_id, segment_id, variant_id, content_hash, GROUPS[group].value, metric)
            return Cell(*key, start)

        if row[0]:
            yield cell(DECIDED), Sums(row[0], 0, 0, 0)
        if any(row[1:5]):
            yield cell(reward_metric(objective_id)), Sums(*row[1:5])
        for kind, n in zip(self._penalties, row[5:], strict=False):
            if n:
                yield cell(penalty_metric(objective_id, kind)), Sums(n, n, 0, 0)
        outcomes = row[5 + len(self._penalties) :]
        for kind, n, total in zip(self._kinds, outcomes[::2], outcomes[1::2], strict=True):
            if n or total:
                yield cell(outcome_metric(kind)), Sums(n, n, total, 0)

    def _columns(self, made: Made, found: Assessments) -> NDArray[np.int64]:
        """What each decision adds, ``[D, 5 + penalties + 2 K]``: decided, four of the reward, penalties, outcomes."""
        columns = np.zeros((len(made), self._sums.shape[2]), np.int64)
        columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3] = 1, found.exposed, found.rewarded, found.reward
        whole, part = np.divmod(found.reward, MICRO)  # the square itself may be too large for an integer
        columns[:, 4] = whole * whole * MICRO + 2 * whole * part + part * part // MICRO
        for place, kind in enumerate(self._penalties, start=5):
            if kind in self._kinds:
                columns[:, place] = found.exposed & found.counted[:, self._kinds.index(kind)]
        first = 5 + len(self._penalties)
        columns[:, first::2] = found.counted
        columns[:, first + 1 :: 2] = np.where(found.counted, made.values, 0)
        return columns

    def _change(self, made: Made, columns: NDArray[np.int64]) -> None:
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
        np.add.at(self._sums, (bucket_rows[of_bucket], self._row_of[places]), columns)

    def _grow(self) -> None:
        n_buckets, n_rows, n_columns = self._sums.shape
        if len(self._buckets) > n_buckets or len(self._places) > n_rows:
            more = (max(2 * n_buckets, len(self._buckets)), max(2 * n_rows, len(self._places)), n_columns)
            sums = np.zeros(more, np.int64)
            sums[:n_buckets, :n_rows] = self._sums
            self._sums = sums


def bucket_of(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Start of the time bucket that holds each of some instants; see `domain.instants.bucket`."""
    return np.asarray(bucket(at), np.int64)  # type: ignore[arg-type]
