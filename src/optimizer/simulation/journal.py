"""The journal of a rehearsal: every decision and what came of it, in columns, heard of when it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.domain.meters import UNUSED, Reading
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Reason
from optimizer.domain.trials import Trials
from optimizer.engine.choosing import NO_ARM, REASONS, Chosen
from optimizer.engine.contexts import MOST_TRIALS
from optimizer.engine.judging import NEVER, Made, assessments
from optimizer.engine.settling import Commitments, committed, released_together, settled_together
from optimizer.engine.tactic import Tactic
from optimizer.engine.tallies import Tallies
from optimizer.guardrails.groups import LEARNING
from optimizer.simulation.world import Events

_CHUNK = 100_000  # decisions that are judged together at the end, so that memory stays bounded
_WHOLE = ("recipients", "steps", "segments", "groups", "arms", "reasons", "decided_at")
_DRAWN = [REASONS.index(Reason.EXPLOIT), REASONS.index(Reason.EXPLORE)]
_MONEY = ("most", "settled", "closes_at")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard of since the last time.

    Attributes:
        recipients: ``[E]``, whom each outcome is of.
        kinds: ``[E]``, places in the world's kinds.
        decisions, decided_at: ``[E]``, rows of the journal, and their instants.
        occurred_at, values: ``[E]``, when each happened, and its value in micro-units.
        given_back: by the step of the decisions, what their outcomes changed on the meters they count on.
        withdrawn: recipient and instant of each decision that turned out to have never been sent.
    """

    recipients: NDArray[np.int64]
    kinds: NDArray[np.int64]
    decisions: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    values: NDArray[np.int64]
    given_back: dict[int, Reading]
    withdrawn: list[tuple[int, Instant]]


class Journal:
    """Decisions of one campaign, their outcomes and their commitments.

    Args:
        tactic: the campaign; what people and guardrails decide about it later changes nothing here.
        kinds: the world's ``K`` outcome kinds.

    Attributes:
        tallies: what everything heard of so far adds up to.
        news: what of it is new since it was last cleared, where the time of a trial may matter; else nothing.
    """

    def __init__(self, tactic: Tactic, kinds: tuple[str, ...]) -> None:
        self.tallies, self.news = Tallies(tactic, kinds), Tallies(tactic, kinds)
        self._counted_in = (self.tallies, self.news) if tactic.policy.reads_time else (self.tallies,)
        self._tactic, self._kinds, self._n = tactic, kinds, 0
        self._columns: dict[str, NDArray[np.int64]] = {name: np.zeros(1, np.int64) for name in (*_WHOLE, *_MONEY)}
        self._columns |= {name: np.zeros((1, len(kinds)), np.int64) for name in ("occurred_at", "values")}
        self._flags: dict[str, NDArray[np.bool_]] = {name: np.zeros(1, np.bool_) for name in ("open", "withdrawn")}
        self._flags["heard"] = np.zeros((1, len(kinds)), np.bool_)
        nothing = np.zeros(0, np.int64)
        self._coming = (nothing, nothing, nothing)  # row, kind and instant of outcomes nobody has heard of yet

    def append(self, step: int, recipients: NDArray[np.int64], found: Chosen, events: Events, now: Instant) -> Reading:
        """Write down decisions made now, and what will come of them; what they take up on their meters."""
        n, columns = len(recipients), self._grown(len(recipients))
        rows = np.arange(self._n, self._n + n)
        whole = (recipients, np.full(n, step), found.segments, found.groups, found.arms, found.reasons, np.full(n, now))
        for name, column in zip(_WHOLE, whole, strict=True):
            columns[name][rows] = column
        columns["occurred_at"][rows] = NEVER
        of_events = self._n + events.decisions
        columns["occurred_at"][of_events, events.kinds] = events.occurred_at
        columns["values"][of_events, events.kinds] = events.values
        fresh = (of_events, events.kinds, events.occurred_at)
        coming, kinds, at = (np.concatenate(pair) for pair in zip(self._coming, fresh, strict=True))
        self._coming, self._n = (coming, kinds, at), self._n + n
        commitments = committed(self._tactic, found.arms, now)
        self._write(rows, commitments)
        made = self._made(rows)
        found_out = assessments(self._tactic.reward_rule, self._kinds, made)
        for tallies in self._counted_in:
            tallies.add(made, found_out)
        return Reading(*commitments.used.sum(axis=0).tolist())

    def hear(self, now: Instant) -> Heard:
        """Hear of every outcome up to now: judge anew what it changes, settle it, and release what has matured."""
        rows, kinds, at = self._coming
        due = at <= now
        self._coming = (rows[~due], kinds[~due], at[~due])
        rows, kinds, at = rows[due], kinds[due], at[due]
        changed = np.unique(rows)
        rule = self._tactic.reward_rule
        before = self._made(changed)
        self._flags["heard"][rows, kinds] = True
        after = self._made(changed)
        found = assessments(rule, self._kinds, after)
        found_before = assessments(rule, self._kinds, before)
        for tallies in self._counted_in:
            tallies.subtract(before, found_before)
            tallies.add(after, found)

        given_back: dict[int, Reading] = {}
        owed = self._commitments(changed)
        settled = settled_together(owed, self._tactic.costs, self._kinds, found)
        self._exchange(changed, owed, settled, given_back)
        gone = changed[settled.withdrawn & ~owed.withdrawn]
        still_open = np.flatnonzero(self._flags["open"][: self._n])
        owed = self._commitments(still_open)
        self._exchange(still_open, owed, released_together(owed, now), given_back)
        columns = self._columns
        withdrawn = list(zip(columns["recipients"][gone].tolist(), columns["decided_at"][gone].tolist(), strict=True))
        return Heard(
            recipients=columns["recipients"][rows],
            kinds=kinds,
            decisions=rows,
            decided_at=columns["decided_at"][rows],
            occurred_at=at,
            values=columns["values"][rows, kinds],
            given_back=given_back,
            withdrawn=withdrawn,
        )

    def trials(self, tactic: Tactic, numbers: NDArray[np.float64], *, of_decisions: bool = False) -> Trials:
        """The newest trials that were drawn, judged by everything heard of so far.

        Args:
            tactic: the campaign; it looks at attributes.
            numbers: attributes of everyone in the world, as its features read them, ``[M, …]``.
            of_decisions: they are of each decision instead, in order: attributes that follow from behaviour change.
        """
        columns, n = self._columns, self._n
        drawn = (columns["groups"][:n] == LEARNING) & (columns["arms"][:n] != NO_ARM)
        drawn &= np.isin(columns["reasons"][:n], _DRAWN)
        rows = np.flatnonzero(drawn)[-MOST_TRIALS:]
        parts = [Trials.none(numbers.shape[1], (len(tactic.rules.segment_ids), len(tactic.variants)))]
        for start in range(0, len(rows), _CHUNK):
            here = rows[start : start + _CHUNK]
            made = self._made(here)
            found = assessments(self._tactic.reward_rule, self._kinds, made)
            trials, recipients = found.exposed, here if of_decisions else columns["recipients"][here]
            judged = (made.segments, made.arms, found.rewarded, made.decided_at, np.ones(len(here)))
            of_trials = [column[trials] for column in (numbers[recipients], *judged)]
            parts.append(Trials.of_columns(of_trials, parts[0].shape))
        return Trials.joined(parts)

    def rewards(self, n_steps: int) -> NDArray[np.float64]:
        """Reward of each step's decisions, given everything heard of so far, ``[T]``, in units."""
        total = np.zeros(n_steps, np.int64)
        for start in range(0, self._n, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, self._n))
            found = assessments(self._tactic.reward_rule, self._kinds, self._made(rows))
            np.add.at(total, self._columns["steps"][rows], found.reward)
        return total / MICRO

    def outcomes(self) -> dict[str, int]:
        """How many outcomes of each kind were heard of, within their window or not."""
        counts = self._flags["heard"][: self._n].sum(axis=0).tolist()
        return dict(zip(self._kinds, counts, strict=True))

    def by_arm(self, n_arms: int) -> NDArray[np.int64]:
        """How often each arm was sent, and how often each of ``K`` kinds came of it, ``[A, 1 + K]``."""
        found = np.zeros((n_arms, len(self._kinds) + 1), np.int64)
        arms = self._columns["arms"][: self._n]
        sends = arms != NO_ARM
        heard = np.column_stack([np.ones(self._n, np.int64), self._flags["heard"][: self._n]])
        np.add.at(found, arms[sends], heard[sends])
        return found

    def spend(self) -> int:
        """Money due or still reserved, micro-units."""
        return int(self._commitments(np.arange(self._n)).used[:, :2].sum())

    def _made(self, rows: NDArray[np.int64]) -> Made:
        """Some decisions with the outcomes that have been heard of."""
        heard, columns = self._flags["heard"][rows], self._columns
        return Made(
            columns["segments"][rows],
            columns["groups"][rows],
            columns["arms"][rows],
            columns["reasons"][rows],
            columns["decided_at"][rows],
            np.where(heard, columns["occurred_at"][rows], NEVER),
            np.where(heard, columns["values"][rows], 0),
        )

    def _commitments(self, rows: NDArray[np.int64]) -> Commitments:
        columns, flags = self._columns, self._flags
        return Commitments(
            columns["arms"][rows],
            columns["most"][rows],
            columns["settled"][rows],
            flags["open"][rows],
            columns["closes_at"][rows],
            flags["withdrawn"][rows],
        )

    def _write(self, rows: NDArray[np.int64], commitments: Commitments) -> None:
        for name in _MONEY:
            self._columns[name][rows] = getattr(commitments, name)
        for name in ("open", "withdrawn"):
            self._flags[name][rows] = getattr(commitments, name)

    def _exchange(
        self, rows: NDArray[np.int64], before: Commitments, after: Commitments, given_back: dict[int, Reading]
    ) -> None:
        """Write changed commitments, and add what they change on the meters to that of their steps."""
        self._write(rows, after)
        differences = after.used - before.used
        differs = differences.any(axis=1)
        steps, of_row = np.unique(self._columns["steps"][rows[differs]], return_inverse=True)
        by_step = np.zeros((len(steps), 3), np.int64)
        np.add.at(by_step, of_row, differences[differs])
        for step, difference in zip(steps.tolist(), by_step.tolist(), strict=True):
            given_back[step] = given_back.get(step, UNUSED).plus(Reading(*difference))

    def _grown(self, more: int) -> dict[str, NDArray[np.int64]]:
        """The columns with room for more decisions."""
        wanted, room = self._n + more, len(self._columns["steps"])
        if wanted > room:
            size = max(wanted, 2 * room)
            self._columns = {name: _with_room(column, size) for name, column in self._columns.items()}
            self._flags = {name: _with_room(column, size) for name, column in self._flags.items()}
        return self._columns


def _with_room(column: NDArray[Any], n_rows: int) -> NDArray[Any]:
    roomy = np.zeros((n_rows, *column.shape[1:]), column.dtype)
    roomy[: len(column)] = column
    return roomy
