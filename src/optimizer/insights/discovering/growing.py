"""Growing: the tree that gives each recipient the arm with the best score, as far as luck alone would not.

The search looks two splits ahead (as policy trees do; Zhou, Athey and Wager 2023), since two attributes may only tell
together whom an arm suits. What another arm improves counts less one standard error, so that leaves do not change arms
for nothing. A step is taken if it improves the scores it was found on by more standard errors than the best of as many
useless steps would by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from optimizer.insights.discovering.cuts import Cuts
from optimizer.insights.discovering.rules import Condition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEWEST_CHOSEN = 20  # decisions with an arm before it is trusted with a leaf
_LUCKY_CUTS = 5  # cuts of one attribute have most of their rows in common: however many, they are as lucky as so many


@dataclass(slots=True, eq=False)
class Node:
    """Rows that share what leads to them.

    Attributes:
        rows: their places.
        arm: the best for them.
        condition: what parts them; None for a leaf.
        opposite: the condition that all others meet; None where some are unknown, and so meet neither.
        yes: those that meet it.
        no: the others.
    """

    rows: NDArray[np.intp]
    arm: int
    condition: Condition | None = None
    opposite: Condition | None = None
    yes: Node | None = None
    no: Node | None = None

    def leaves(self) -> list[Node]:
        """Those beneath it, or itself."""
        return [self] if self.yes is None or self.no is None else [*self.yes.leaves(), *self.no.leaves()]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a tree is grown on.

    Attributes:
        cuts: attributes in bins, ``N`` rows each.
        scores: ``[N, A]``; 0 in rows that are not to be learned from.
        chosen: ``[N]``, the arm each row had; -1 where it is not to be learned from.
        recipients: ``[N]``, number of each row's recipient, from 0.
        sizes: ``[N]``, one over how many rows a recipient has, so that sums count recipients.
        min_size: fewest recipients of a leaf, among all rows.
        bins: ``[N, B]`` of 0 and 1, which bins of all attributes each row is in.
        are_alone: whether no recipient has two rows.
    """

    cuts: Sequence[Cuts]
    scores: Floats
    chosen: Ints
    recipients: Ints
    sizes: Floats
    min_size: float
    bins: csr_array = field(init=False)
    are_alone: bool = field(init=False)

    def __post_init__(self) -> None:
        starts = np.cumsum([0, *(one.n_bins for one in self.cuts)])
        n, width = len(self.scores), len(self.cuts)
        columns = np.stack([one.codes for one in self.cuts], axis=1) + starts[:-1]
        shape = (n, int(starts[-1]))
        bins = csr_array((np.ones(n * width), columns.ravel(), np.arange(0, n * width + 1, width)), shape=shape)
        object.__setattr__(self, "bins", bins)
        object.__setattr__(self, "are_alone", bool((self.sizes == 1.0).all()))

    def best_arm(self, rows: NDArray[np.intp], before: int) -> int:
        """The arm with the best score among those tried often enough in these rows.

        Args:
            rows: their places.
            before: arm they would have otherwise; another one must be better by more than a standard error.
        """
        more = self.scores[rows] - self.scores[rows, before, None]
        tried = np.bincount(self.chosen[rows] + 1, minlength=more.shape[1] + 1)[1:] >= _FEWEST_CHOSEN
        worth = more.sum(axis=0) - np.array([self.error(column, rows) for column in more.T])
        return int(np.argmax(np.where(tried | (np.arange(len(tried)) == before), worth, -np.inf)))

    def error(self, values: Floats, rows: NDArray[np.intp]) -> float:
        """Standard error of a sum over rows about 0, with those of one recipient together."""
        sums = values if self.are_alone else np.bincount(self.recipients[rows], weights=values)
        return sqrt(float(sums @ sums))


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A way to part a node: one condition, and perhaps one more on either side; places among the candidates."""

    first: int
    yes: int | None = None
    no: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Conditions a node may be parted by.

    Attributes:
        masks: ``[M, B]``, bins of all attributes that each accepts.
        attribute: ``[M]``, which attribute each is about.
        sums: ``[A + 2, M, M]``, of rows that meet both of two conditions: by arm how much more it scores than the one
            they have, then how many are learned from, then recipients.
        total: ``[A + 2]``, of all rows.
        errors: ``[A]``, standard error of one row's score.
    """

    masks: NDArray[np.bool_]
    attribute: Ints
    sums: Floats
    total: Floats
    errors: Floats

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def tried(self) -> int:
        """As how many that have nothing in common they count."""
        return int(np.minimum(np.bincount(self.attribute), _LUCKY_CUTS).sum())

    def worth(self, sums: Floats) -> Floats:
        """What the best arm improves in sets of rows, less a standard error; ``[A + 2, ...]`` to ``[...]``."""
        spread = np.sqrt(np.maximum(sums[-2], 0.0))
        errors = self.errors.reshape(-1, *(1,) * spread.ndim)
        return np.asarray((sums[:-2] - errors * spread).max(axis=0))


def grown(scored: Scored, max_leaves: int) -> Node:
    """The tree, with leaves joined again whose arms turn out the same."""
    every = np.arange(len(scored.scores))
    root = Node(every, int(np.argmax(scored.scores.sum(axis=0))))
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        room = max_leaves - len(root.leaves())
        if room > 0 and _parted(scored, node, room, len(root.leaves())):
            waiting += node.leaves()
            waiting.sort(key=lambda one: -len(one.rows))
    for leaf in root.leaves():  # a leaf stays with what is best for all, unless another arm is clearly better there
        leaf.arm = scored.best_arm(leaf.rows, root.arm)
    _join(root)
    return root


def _parted(scored: Scored, node: Node, room: int, doubt: int) -> bool:
    """Whether a step was found that luck alone would not explain; then it is taken.

    Args:
        scored: what is known.
        node: a leaf.
        room: how many leaves more there may be.
        doubt: as if so many times as many had been tried. The first step is judged by others again; a later one might
            hide behind it.
    """
    if scored.sizes[node.rows].sum() < 2.0 * scored.min_size:
        return False
    candidates = _candidates(scored, node)
    if not len(candidates):
        return False
    one, two = _best_steps(candidates, scored.min_size)
    if _take(scored, node, candidates, one, tried=doubt * candidates.tried):
        return True
    is_deep = two is not None and (two.yes is not None) + (two.no is not None) < room
    return is_deep and two is not None and _take(scored, node, candidates, two, tried=2 * doubt * candidates.tried**2)


def _candidates(scored: Scored, node: Node) -> _Candidates:
    bins, scores = scored.bins[node.rows], scored.scores[node.rows]
    more, learned = scores - scores[:, node.arm, None], (scored.chosen[node.rows] >= 0).astype(np.float64)
    columns = np.column_stack([more, learned, scored.sizes[node.rows]])
    by_bin = bins.T @ columns  # [B, A + 2]
    means = by_bin[:, :-2] / np.maximum(by_bin[:, -2:-1], 1.0)
    starts = np.cumsum([0, *(one.n_bins for one in scored.cuts)])
    masks, attribute = [], []
    for place, one in enumerate(scored.cuts):
        mine = slice(int(starts[place]), int(starts[place + 1]))
        found = one.masks(means[mine], by_bin[mine, -1] > 0.0)
        sizes = found @ by_bin[mine, -1]
        found = found[(sizes >= scored.min_size) & (by_bin[mine, -1].sum() - sizes >= scored.min_size)]
        wide = np.zeros((len(found), int(starts[-1])), dtype=bool)
        wide[:, mine] = found
        masks.append(wide)
        attribute.append(np.full(len(found), place))
    every = np.concatenate(masks)
    sums = np.stack([_both(bins, column, every) for column in columns.T])
    errors = np.array([scored.error(column, node.rows) for column in more.T]) / sqrt(max(learned.sum(), 1.0))
    return _Candidates(every, np.concatenate(attribute), sums, columns.sum(axis=0), errors)


def _both(bins: csr_array, column: Floats, masks: NDArray[np.bool_]) -> Floats:
    """Sum of a column over rows that meet both of two conditions, for every two; ``[M, M]``."""
    scaled = csr_array((bins.data * np.repeat(column, np.diff(bins.indptr)), bins.indices, bins.indptr), bins.shape)
    wide = masks.astype(np.float64)
    return np.asarray(wide @ (bins.T @ scaled).toarray() @ wide.T)


def _best_steps(found: _Candidates, min_size: float) -> tuple[_Step, _Step | None]:
    """The condition that parts best alone, and the one that does with one more on either side."""
    sums = found.sums
    alone = np.einsum("kmm->km", sums)  # [A + 2, M], of rows that meet each condition
    others = found.total[:, None] - alone
    worth, worth_of_others = found.worth(alone), found.worth(others)
    one = _Step(int(np.argmax(worth + worth_of_others)))
    met_second = alone[:, None, :] - sums  # of rows that meet the second, but not the first
    yes, yes_at = _best_second(found, sums, alone[:, :, None] - sums, min_size)
    no, no_at = _best_second(found, met_second, others[:, :, None] - met_second, min_size)
    yes, yes_at = _or_none(yes, yes_at, worth)
    no, no_at = _or_none(no, no_at, worth_of_others)
    first = int(np.argmax(yes + no))
    second, third = int(yes_at[first]), int(no_at[first])
    two = _Step(first, second if second >= 0 else None, third if third >= 0 else None)
    return one, two if two.yes is not None or two.no is not None else None


def _best_second(found: _Candidates, met: Floats, unmet: Floats, min_size: float) -> tuple[Floats, Ints]:
    """For each first condition, the worth of the best second one and its place."""
    allowed = (met[-1] >= min_size) & (unmet[-1] >= min_size)
    values = np.where(allowed, found.worth(met) + found.worth(unmet), -np.inf)
    return values.max(axis=1), np.argmax(values, axis=1)


def _or_none(values: Floats, places: Ints, without: Floats) -> tuple[Floats, Ints]:
    """The better of a second condition and none."""
    return np.maximum(values, without), np.where(values > without, places, -1)


def _take(scored: Scored, node: Node, found: _Candidates, step: _Step, *, tried: int) -> bool:
    """Take a step, if what it improves is more than the luckiest of so many would."""
    new = Node(node.rows, node.arm)
    yes, no = _split(scored, new, found, step.first)
    if step.yes is not None:
        _split(scored, yes, found, step.yes)
    if step.no is not None:
        _split(scored, no, found, step.no)
    leaves = new.leaves()
    more = [scored.scores[leaf.rows, leaf.arm] - scored.scores[leaf.rows, node.arm] for leaf in leaves]
    better = np.concatenate(more)
    error = scored.error(better, np.concatenate([leaf.rows for leaf in leaves]))
    if not float(better.sum()) > sqrt(2.0 * log(max(tried, 2))) * error > 0.0:
        return False
    node.condition, node.opposite, node.yes, node.no = new.condition, new.opposite, new.yes, new.no
    return True


def _split(scored: Scored, node: Node, found: _Candidates, place: int) -> tuple[Node, Node]:
    """Part a node by one of the candidates."""
    attribute = int(found.attribute[place])
    cuts = scored.cuts[attribute]
    start = sum(one.n_bins for one in scored.cuts[:attribute])
    mask, codes = found.masks[place, start : start + cuts.n_bins], cuts.codes[node.rows]
    met = mask[codes]
    if not cuts.has_unknown:
        other = ~mask
        other[-1] = False
        if cuts.named:
            other &= np.bincount(codes, minlength=cuts.n_bins) > 0
        node.opposite = cuts.condition(other)
    node.condition = cuts.condition(mask)
    node.yes, node.no = (Node(rows, scored.best_arm(rows, node.arm)) for rows in (node.rows[met], node.rows[~met]))
    return node.yes, node.no


def _join(node: Node) -> None:
    """Make a leaf of every node beneath which all arms are the same."""
    if node.yes is None or node.no is None:
        return
    _join(node.yes)
    _join(node.no)
    if node.yes.yes is None and node.no.yes is None and node.yes.arm == node.no.arm:
        node.arm, node.condition, node.opposite, node.yes, node.no = node.yes.arm, None, None, None, None
