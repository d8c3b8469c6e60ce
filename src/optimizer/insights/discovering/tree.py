"""Segments whose best variant differs: an honest tree of effect differences, as rules that are asked in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.fitted_models import one_thread
from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS, Column, usable
from optimizer.insights.discovering.cuts import Cuts, cuts_of
from optimizer.insights.discovering.found import Amount, Found, FoundSegment
from optimizer.insights.discovering.gains import amount, gain, with_substitutes
from optimizer.insights.discovering.growing import Scored, grown
from optimizer.insights.discovering.listing import Listing, listing_of, short_ids
from optimizer.insights.discovering.rules import Rule, segment_of
from optimizer.insights.discovering.scores import GROUPS, Scorer

MAX_SEGMENTS = 4
MOST_SEGMENTS = 10
MIN_SIZE = 200
FOLDS = 5

_GROWING = tuple(range(GROUPS // 2))  # groups of recipients that grow the tree; the others judge it
_JUDGING = tuple(range(GROUPS // 2, GROUPS))

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def found_segments(
    feedback: LoggedFeedback,
    columns: Sequence[Column],
    *,
    max_segments: int = MAX_SEGMENTS,
    min_size: int = MIN_SIZE,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Found:
    """Segments for which another variant is best than for all, if the evidence says so twice.

    One half of the recipients grows a tree on doubly robust scores; the other half judges it. Only when choosing by its
    leaves beats *every* single variant there is anything proposed, so that where no segment differs nothing is, in
    97.5 of 100 logs (the test is one-sided, and one test alone: it needs no correction for how much was searched).

    Args:
        feedback: arms, propensities, rewards, which arms were eligible, and whose decisions they are; its features and
            segments are not looked at.
        columns: what is known of the recipients, ``[N]`` each; `declared_column` makes one of a declared attribute.
            Sensitive ones may be among them, and are left out unread.
        max_segments: most segments, everyone else counted.
        min_size: fewest recipients of a segment.
        seed: of the halves and folds.
        progress: told how many of the `FOLDS` + 1 searches are done.

    Raises:
        ValueError: lengths differ, there are no decisions or fewer than two variants, or a bound that cannot be kept.
    """
    _check(feedback, columns, max_segments, min_size)
    with one_thread():  # equal seeds give equal bytes, and no thread that decides is kept waiting
        return _found(feedback, columns, max_segments, min_size, seed, progress)


def _found(
    feedback: LoggedFeedback,
    columns: Sequence[Column],
    max_segments: int,
    min_size: int,
    seed: int,
    progress: Callable[[int], None],
) -> Found:
    recipients = numbers_of(feedback)
    kept, left_out = usable(columns)
    cuts = cuts_of(kept, recipients)
    cut = {one.column.name for one in cuts}
    left_out |= {column.name: "too few recipients to tell apart" for column in kept if column.name not in cut}
    search = _Search(
        Scorer.of(feedback, cuts, seed), recipients, cuts, _sizes(recipients), max_segments, float(min_size)
    )
    nothing = Found(
        segments=(),
        everyone_else=None,
        best_for_all=feedback.variant_ids[search.best_for_all(range(GROUPS))],
        gain=None,
        honest=None,
        why_not="no attribute can be looked at",
        decisions=len(feedback),
        recipients=int(recipients.max()) + 1,
        looked_at=tuple(one.column.name for one in cuts),
        left_out=left_out,
    )
    return search.concluded(nothing, progress) if cuts else nothing


def numbers_of(feedback: LoggedFeedback) -> Ints:
    """Number of each row's recipient, from 0, ``[N]``; each row's own where recipients are not known."""
    if feedback.recipients is None:
        return np.arange(len(feedback))
    _, numbers = np.unique(feedback.recipients, return_inverse=True)
    return numbers.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """Rules learned from some recipients, and the scores all rows are judged by.

    Attributes:
        listing: the rules.
        best_for_all: the single arm that was best.
        scores: ``[N, A]``, of each arm as its own.
        judged: ``[N, A]``, the same with substitutes where an arm was not eligible.
        segments: ``[N]``, place in the listing.
    """

    listing: Listing
    best_for_all: int
    scores: Floats
    judged: Floats
    segments: Ints

    @property
    def rewards(self) -> Floats:
        """Score of what the rules give each row, ``[N]``."""
        arms = np.array(self.listing.arms)[self.segments]
        return np.asarray(self.judged[np.arange(len(arms)), arms])


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """One log, ready to be searched more than once."""

    scorer: Scorer
    recipients: Ints
    cuts: Sequence[Cuts]
    sizes: Floats
    max_segments: int
    min_size: float

    @property
    def feedback(self) -> LoggedFeedback:
        return self.scorer.feedback

    def best_for_all(self, groups: Sequence[int]) -> int:
        """The single arm that is best for the recipients of these groups."""
        return self._order(self.scorer.scores(groups), self.scorer.rows(groups))[0]

    def learned(self, groups: Sequence[int]) -> _Learned:
        """Rules learned from the recipients of these groups."""
        scores, taught = self.scorer.scores(groups), self.scorer.rows(groups)
        order = self._order(scores, taught)
        judged = with_substitutes(scores, self.feedback.eligible, order)
        chosen = np.where(taught, self.feedback.arms, -1)
        shown = np.where(taught[:, None], judged, 0.0)
        scored = Scored(self.cuts, shown, chosen, self.recipients, self.sizes, self.min_size)
        listing = listing_of(grown(scored, self.max_segments), order[0])
        columns = {one.column.name: one.column for one in self.cuts}
        return _Learned(listing, order[0], scores, judged, segment_of(listing.rules, columns, len(self.feedback)))

    def concluded(self, found: Found, progress: Callable[[int], None]) -> Found:
        """What the search says, in place of finding nothing."""
        learned = self.learned(_GROWING)
        progress(1)
        if not learned.listing.rules:
            return replace(found, why_not="no rule did better than luck on the recipients it was learned from")
        rows = self.scorer.rows(_JUDGING)
        honest = gain(learned.rewards[rows], learned.judged[rows], self.recipients[rows])
        folds = self._cross_fitted(progress)
        found = replace(found, gain=folds, honest=honest, best_for_all=self.feedback.variant_ids[learned.best_for_all])
        if not honest.low > 0.0:
            return replace(found, why_not="the best rules found did not beat one variant for all on other recipients")
        if not folds.low > 0.0:
            return replace(found, why_not="other recipients led to rules that did not beat one variant for all")
        *segments, rest = self._segments(learned)
        return replace(found, segments=tuple(segments), everyone_else=rest, why_not=None)

    def _cross_fitted(self, progress: Callable[[int], None]) -> Amount:
        """The gain of the whole search: each fold of recipients is judged by rules learned without it."""
        rewards, singles = np.empty(len(self.feedback)), np.empty((len(self.feedback), self.feedback.n_arms))
        for fold in range(FOLDS):
            taught = [group for group in range(GROUPS) if group % FOLDS != fold]
            learned, rows = self.learned(taught), ~self.scorer.rows(taught)
            rewards[rows], singles[rows] = learned.rewards[rows], learned.judged[rows]
            progress(fold + 2)
        return gain(rewards, singles, self.recipients)

    def _segments(self, learned: _Learned) -> Iterator[FoundSegment]:
        """The segments with what they earn on the judging half, everyone else last."""
        rules, n_recipients = (*learned.listing.rules, Rule()), int(self.recipients.max()) + 1
        judging = self.scorer.rows(_JUDGING)
        for place, (name, rule) in enumerate(zip([*short_ids(rules[:-1]), "everyone-else"], rules, strict=True)):
            mine = learned.segments == place
            best, size = learned.listing.arms[place], len(np.unique(self.recipients[mine]))
            shown = self._shown(mine)
            differs = best != learned.best_for_all and {best, learned.best_for_all} <= set(shown)
            yield FoundSegment(
                id=name,
                rule=rule,
                recipients=size,
                share=size / n_recipients,
                decisions=int(mine.sum()),
                best=self.feedback.variant_ids[best],
                more=self._more(learned, mine & judging, best) if differs else None,
                values={self.feedback.variant_ids[arm]: self._value(learned, mine & judging, arm) for arm in shown},
            )

    def _shown(self, mine: NDArray[np.bool_]) -> list[int]:
        """Arms that enough recipients of a segment have had, in all and on the half that judges."""
        judging = mine & self.scorer.rows(_JUDGING)
        had = [np.unique(self.recipients[judging & (self.feedback.arms == arm)]) for arm in range(self.feedback.n_arms)]
        return [arm for arm, some in enumerate(had) if len(some) >= FEWEST_RECIPIENTS]

    def _more(self, learned: _Learned, rows: NDArray[np.bool_], best: int) -> Amount:
        rewards = learned.judged[rows]
        return amount(rewards[:, best] - rewards[:, learned.best_for_all], self.recipients[rows])

    def _value(self, learned: _Learned, rows: NDArray[np.bool_], arm: int) -> Amount:
        if self.feedback.eligible is not None:
            rows = rows & self.feedback.eligible[:, arm]
        return amount(learned.scores[rows, arm], self.recipients[rows])

    def _order(self, scores: Floats, rows: NDArray[np.bool_]) -> list[int]:
        """Arms by what each earns where it is eligible, the best first."""
        eligible = self.feedback.eligible
        mask = np.broadcast_to(rows[:, None], scores.shape) if eligible is None else rows[:, None] & eligible
        counts = mask.sum(axis=0)
        means = np.where(mask, scores, 0.0).sum(axis=0) / np.maximum(counts, 1)
        return [int(arm) for arm in np.argsort(-np.where(counts > 0, means, -np.inf), kind="stable")]


def _sizes(recipients: Ints) -> Floats:
    """One over how many rows each row's recipient has, ``[N]``."""
    return np.asarray(1.0 / np.bincount(recipients)[recipients])


def _check(feedback: LoggedFeedback, columns: Sequence[Column], max_segments: int, min_size: int) -> None:
    if not len(feedback):
        raise ValueError("feedback: found no decisions; allowed one or more")
    if feedback.n_arms < 2:
        raise ValueError(f"variants: found {feedback.n_arms}; allowed two or more, else there is nothing to choose")
    for column in columns:
        if len(column.values) != len(feedback):
            raise ValueError(f"{column.name}: found {len(column.values)} rows; allowed {len(feedback)}")
    if not 2 <= max_segments <= MOST_SEGMENTS:
        raise ValueError(f"max_segments: found {max_segments}; allowed 2 to {MOST_SEGMENTS}, everyone else counted")
    if min_size < FEWEST_RECIPIENTS:
        allowed = f"{FEWEST_RECIPIENTS} or more, so that no rule is about somebody"
        raise ValueError(f"min_size: found {min_size}; allowed {allowed}")
