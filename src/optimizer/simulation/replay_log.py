"""A randomised log as a learning policy meets it: batch by batch, how many rows of each kind.

Rows of one kind have the same menu (segment and eligible variants), the same variant, and the same outcome as far as
the policy reads it. Neither acceptance nor learning can tell them apart, so their number is all that matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback, PropensitySource
from optimizer.domain.instants import Duration
from optimizer.simulation.learner import Counts, Floats, Menus, menus_of

_ROUNDING = 1e-9  # by which reward and penalties may miss a sum of zero
_MOST_POINTS = 200
_SAME = 1e-6  # by which propensities written as decimals may differ, relatively


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How a replay goes through a log.

    Attributes:
        sizes: rows of each batch (:func:`batches_of_rows`, :func:`batches_of_time`); the policy learns after each.
        order: ``shuffled`` deals the rows to the batches anew for each permutation, as if they had come in another
            order; ``logged`` keeps their order, with whatever drift there was, and leaves the draws alone to chance.
        penalties: what each kind of outcome, a column of ``feedback.outcomes``, has taken off the rewards, in reward
            units; a row is a positive where its reward without them is above zero.
    """

    sizes: Sequence[int] | Counts
    order: Literal["shuffled", "logged"] = "shuffled"
    penalties: Mapping[str, float] = field(default_factory=dict)

    def sizes_of(self, feedback: LoggedFeedback) -> Counts:
        """The sizes, as those of one log.

        Raises:
            ValueError: there is none, one is not at least 1, or they do not sum to the rows.
        """
        sizes, n = np.asarray(self.sizes, np.int64), len(feedback)
        if len(sizes) == 0 or sizes.min() < 1 or sizes.sum() != n:
            raise ValueError(
                f"sizes: found {len(sizes)} that sum to {sizes.sum()}; allowed {n}, the rows, each above 0"
            )
        return sizes


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """``D`` kinds of rows that occur in the log.

    Attributes:
        menus: ``[D]``, menu the row was chosen from.
        arms: ``[D]``, the arm logged.
        segments: ``[D]``, the menu's segment.
        events: ``[1 + K, D]``, whether the row is a positive, and whether each penalised kind of outcome happened.
        acceptance: ``[D]``, probability with which a row is accepted, as a multiple of the allocation of its arm.
    """

    menus: Counts
    arms: Counts
    segments: Counts
    events: Floats
    acceptance: Floats

    def sums(self, numbers: Counts, n_segments: int, n_arms: int) -> Floats:
        """What the policy learns from so many rows of each kind, ``[L, D]``, in each of ``L`` lanes.

        Returns:
            Trials, positives, and trials on which each penalised outcome happened, ``[2 + K, L, S, A]``.
        """
        n_cells = n_segments * n_arms
        cells = (np.arange(len(numbers))[:, None] * n_cells + self.segments * n_arms + self.arms).ravel()
        weighted = [numbers, *(numbers * happened for happened in self.events)]
        sums = [np.bincount(cells, of_kinds.ravel(), len(numbers) * n_cells) for of_kinds in weighted]
        return np.array(sums, np.float64).reshape(-1, len(numbers), n_segments, n_arms)


@dataclass(frozen=True, slots=True, eq=False)
class ReplayLog:
    """A log in ``T`` batches; small, whatever the number of rows, so it travels well to other processes.

    Attributes:
        variant_ids, segment_ids: ``A`` and ``S`` names.
        menus: what could be chosen, without its rows.
        kinds: the kinds of rows.
        sizes: ``[T]``, rows of each batch.
        opens: ``[T]``, instant of each batch; None when the log knows no time.
        counts: rows of each kind: ``[T, D]`` where batches keep the log's order, ``[1, D]`` of the whole log where each
            permutation deals it anew.
        rewards, squares: mean reward and mean squared reward of those rows, the shape of ``counts``.
        penalties: what each penalised kind costs, in reward units.
        fixed: ``[A]``, mean reward of always the one variant, self-normalised where propensities differ, over the menus
            that have it; nan where the log never shows it.
        equal_split: mean reward of an equal split among the eligible variants, likewise.
        propensity_source: where the propensities come from.
    """

    variant_ids: tuple[str, ...]
    segment_ids: tuple[str, ...]
    menus: Menus
    kinds: Kinds
    sizes: Counts
    opens: Counts | None
    counts: Counts
    rewards: Floats
    squares: Floats
    penalties: tuple[float, ...]
    fixed: Floats
    equal_split: float
    propensity_source: PropensitySource

    @property
    def is_shuffled(self) -> bool:
        """Whether each permutation deals the rows anew."""
        return len(self.counts) == 1


def batches_of_rows(n: int, size: int) -> Counts:
    """Sizes of batches of `size` rows that make up `n`; the last may be smaller.

    Replay accepts about one row in ``A``, so a policy that is refreshed every 100 decisions has batches of ``100 A``.

    Raises:
        ValueError: the size is not at least 1.
    """
    if size < 1:
        raise ValueError(f"size: found {size}; allowed at least 1 row")
    whole, rest = divmod(n, size)
    return np.array([size] * whole + [rest] * (rest > 0), np.int64)


def batches_of_time(decided_at: NDArray[np.int64], refresh: Duration) -> Counts:
    """Sizes of the batches between refreshes of the clock, those without a row left out, in order of time.

    Raises:
        ValueError: the refresh is not above 0.
    """
    if refresh <= 0:
        raise ValueError(f"refresh: found {refresh} microseconds; allowed above 0")
    return np.unique(decided_at // refresh, return_counts=True)[1].astype(np.int64)


def replay_log(feedback: LoggedFeedback, course: Course) -> ReplayLog:
    """A log made ready to be replayed.

    Args:
        feedback: rows logged by chance. Where their time is known they are put into its order.
        course: batches, order and penalties.

    Raises:
        ValueError: sizes do not sum to the rows, a penalised outcome is no column, or propensities cannot be
            replayed: rows of one segment and variant have different ones, or an eligible variant was never logged.
    """
    sizes = course.sizes_of(feedback)
    feedback = in_time_order(feedback)
    menus = menus_of(feedback)
    propensities = cell_propensities(feedback, menus)
    kinds, of_rows = _kinds(feedback, menus, propensities, course.penalties)
    n_kinds = len(kinds.arms)
    if course.order == "logged":
        of_rows = of_rows + np.repeat(np.arange(len(sizes)) * n_kinds, sizes)
    shape = (len(sizes) if course.order == "logged" else 1, n_kinds)
    n_cells = shape[0] * shape[1]
    counts = np.bincount(of_rows, minlength=n_cells).reshape(shape)
    seen = np.maximum(counts, 1)
    totals = np.bincount(of_rows, feedback.rewards, n_cells).reshape(shape)
    squares = np.bincount(of_rows, feedback.rewards**2, n_cells).reshape(shape) / seen
    fixed, equal_split = _baselines(menus, kinds, propensities, counts.sum(axis=0), totals.sum(axis=0))
    first = np.cumsum(sizes) - sizes
    return ReplayLog(
        variant_ids=feedback.variant_ids,
        segment_ids=feedback.segment_ids,
        menus=Menus(menus.segments, menus.eligible, np.zeros(0, np.int64)),
        kinds=kinds,
        sizes=sizes,
        opens=None if feedback.decided_at is None else feedback.decided_at[first],
        counts=counts,
        rewards=totals / seen,
        squares=squares,
        penalties=tuple(course.penalties.values()),
        fixed=fixed,
        equal_split=equal_split,
        propensity_source=feedback.propensity_source,
    )


def curve_points(n_batches: int) -> Counts:
    """The batches after which a curve has a point: all, or a number of them; the last is one."""
    return np.linspace(0, n_batches - 1, min(n_batches, _MOST_POINTS)).astype(np.int64)


def in_time_order(feedback: LoggedFeedback) -> LoggedFeedback:
    """The rows in order of their time, those of one instant in the log's order; as they are where time is not known."""
    if feedback.decided_at is None or bool((feedback.decided_at[1:] >= feedback.decided_at[:-1]).all()):
        return feedback
    return feedback.taken(np.argsort(feedback.decided_at, kind="stable"))


def positives_of(feedback: LoggedFeedback, penalties: Mapping[str, float]) -> NDArray[np.bool_]:
    """Which rows are positives, ``[N]``: those whose reward, what penalties took off put back, is above zero.

    Raises:
        ValueError: a penalised outcome is no column of the log.
    """
    gross = feedback.rewards
    for kind, penalty in penalties.items():
        if kind not in feedback.outcomes:
            raise ValueError(f"penalties: found {kind}; allowed outcomes of the log: {sorted(feedback.outcomes)}")
        gross = gross + penalty * (feedback.outcomes[kind] > 0)
    return np.asarray(gross > _ROUNDING)


def cell_propensities(feedback: LoggedFeedback, menus: Menus) -> Floats:
    """The propensity of each variant in each menu, ``[M, A]``; 0 where it was never logged.

    Raises:
        ValueError: rows of one menu and variant have different propensities, or a variant that is eligible was never
            logged although the others' propensities leave nothing for it.
    """
    n_menus, n_arms = menus.eligible.shape
    cells = menus.of_rows * n_arms + feedback.arms
    found = np.zeros(n_menus * n_arms)
    found[cells] = feedback.propensities
    differs = np.abs(feedback.propensities - found[cells]) > _SAME * feedback.propensities
    if differs.any():
        row = int(differs.argmax())
        place = f"{feedback.variant_ids[feedback.arms[row]]} in {feedback.segment_ids[feedback.segments[row]]}"
        raise ValueError(
            f"propensities of {place}: found {feedback.propensities[row]:g} and {found[cells[row]]:g}; allowed one for "
            "all rows of a segment and variant: replay such a log doubly robustly"
        )
    by_menu = found.reshape(n_menus, n_arms)
    hidden = menus.eligible & (by_menu == 0.0) & (by_menu.sum(axis=1, keepdims=True) >= 1.0 - _SAME)
    if hidden.any():
        menu, arm = (int(i) for i in np.argwhere(hidden)[0])
        raise ValueError(
            f"{feedback.variant_ids[arm]} in {feedback.segment_ids[menus.segments[menu]]}: found no chance of being "
            "logged; allowed above 0 for each variant that the policy may choose"
        )
    return by_menu


def _kinds(
    feedback: LoggedFeedback, menus: Menus, propensities: Floats, penalties: Mapping[str, float]
) -> tuple[Kinds, Counts]:
    """The kinds of rows, and the kind of each row, ``[N]``."""
    n_menus, n_arms = menus.eligible.shape
    code = menus.of_rows * n_arms + feedback.arms
    events = [positives_of(feedback, penalties), *(feedback.outcomes[kind] > 0 for kind in penalties)]
    for happened in events:
        code = 2 * code + happened
    present = np.flatnonzero(np.bincount(code, minlength=n_menus * n_arms << len(events)))
    place = np.zeros(n_menus * n_arms << len(events), np.int64)
    place[present] = np.arange(len(present))
    cell, flags = present >> len(events), present & ((1 << len(events)) - 1)
    menu, arm = np.divmod(cell, n_arms)
    propensity = propensities[menu, arm]
    happened_flags = [(flags >> (len(events) - 1 - i)) & 1 for i in range(len(events))]
    return Kinds(
        menus=menu,
        arms=arm,
        segments=menus.segments[menu],
        events=np.array(happened_flags, np.float64),
        acceptance=propensity.min() / propensity,
    ), place[code]


def _baselines(
    menus: Menus, kinds: Kinds, propensities: Floats, counts: Counts, totals: Floats
) -> tuple[Floats, float]:
    """Self-normalised mean reward of always each variant, ``[A]``, and of an equal split."""
    importance = 1.0 / propensities[kinds.menus, kinds.arms]
    n_arms = menus.eligible.shape[1]
    earned, drawn = (np.bincount(kinds.arms, importance * of, n_arms) for of in (totals, counts))
    fixed = np.divide(earned, drawn, out=np.full(n_arms, np.nan), where=drawn > 0)
    share = importance / menus.eligible[kinds.menus].sum(axis=1)
    return fixed, float((share * totals).sum() / (share * counts).sum())
