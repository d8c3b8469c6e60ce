"""What a combination of outcomes is worth under a reward rule, before anyone knows how long each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from optimizer.domain.instants import Duration
from optimizer.domain.micros import units
from optimizer.domain.outcome import BOUNCED, WITHDRAWN
from optimizer.engine.assessment import EXPOSURE_KINDS, RewardRule
from optimizer.simulation.delays import Delay

FROM_DECISION = -1  # parent of a kind that follows the decision itself
_LOG_POINTS = 16  # 65,536 points integrate up to six delays to 1e-4 of a probability


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """When each of ``K`` kinds happens, if it does.

    Attributes:
        parents: ``K``, the kind that each follows, always an earlier one; `FROM_DECISION` for none.
        delays: ``K``, from the parent, or the decision, on.
    """

    parents: tuple[int, ...]
    delays: Sequence[Delay]
    _chances: dict[tuple[int, frozenset[int] | None, Duration], float] = field(default_factory=dict, init=False)

    def drawn(self, happened: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
        """Microseconds from the decision to each outcome, ``[D, K]``; 0 where it does not happen, ``[D, K]``."""
        after = np.zeros(happened.shape, dtype=np.int64)
        for kind, (parent, delay) in enumerate(zip(self.parents, self.delays, strict=True)):
            rows = np.flatnonzero(happened[:, kind])
            since = 0 if parent == FROM_DECISION else after[rows, parent]
            after[rows, kind] = since + delay.draw(len(rows), rng)
        return after

    def points(self) -> NDArray[np.float64]:
        """Points that stand for all that the delays can be, ``[L, K]`` microseconds from the decision.

        Their quantiles are the first points of Sobol's sequence (1967), each in the middle of its cell; the mean over
        them is the integral over the delays, with nothing left to chance.
        """
        levels = qmc.Sobol(len(self.delays), scramble=False).random_base2(_LOG_POINTS) + 0.5 / 2**_LOG_POINTS
        after = np.empty(levels.shape)
        for kind, (parent, delay) in enumerate(zip(self.parents, self.delays, strict=True)):
            after[:, kind] = delay.quantile(levels[:, kind])
            if parent != FROM_DECISION:
                after[:, kind] += after[:, parent]
        return after

    def in_time(self, kind: int, exposures: frozenset[int] | None, window: Duration) -> float:
        """Chance that an outcome of this kind, which happens, does so before the window closes; computed once.

        The last delay is integrated by its own distribution, exactly; only those before it need points. An exposure
        that is this outcome, or follows it, never closes the window before it.

        Args:
            kind: its place.
            exposures: the kinds that happen of those that open the window; None: the decision opens it.
            window: microseconds.
        """
        if exposures is not None:
            exposures = frozenset(exposure for exposure in exposures if not self.follows(exposure, kind))
            if not exposures:
                return 1.0
        key = (kind, exposures, window)
        if key not in self._chances:
            parent = self.parents[kind]
            points = np.empty((0, 0)) if parent == FROM_DECISION and exposures is None else self.points()
            since = 0.0 if parent == FROM_DECISION else points[:, parent]
            opens = 0.0 if exposures is None else points[:, sorted(exposures)].min(axis=1)
            age = np.asarray(opens - since + window, dtype=np.float64)
            self._chances[key] = float(self.delays[kind].cdf(age).mean())
        return self._chances[key]

    def follows(self, kind: int, other: int) -> bool:
        """Whether a kind is the other one or comes after it."""
        while kind not in (other, FROM_DECISION):
            kind = self.parents[kind]
        return kind == other


def worth(
    rule: RewardRule,
    kinds: Sequence[str],
    patterns: NDArray[np.bool_],
    timing: Timing,
    *,
    sent: bool,
    value: float = 1.0,
) -> NDArray[np.float64]:
    """Expected reward of a decision of which these outcomes come, ``[P]``.

    What `engine.assessment.assess` gives, over all that the delays can be: an outcome counts up to the window's end,
    which begins at the exposure; without an exposure nothing counts, and so after `bounced` and `withdrawn`.

    Args:
        rule: what is rewarded.
        kinds: ``K`` names.
        patterns: ``[P, K]``, which kinds happen.
        timing: how long they take.
        sent: False: nothing was, which counts from the decision.
        value: what the rewarded outcome is worth: 1, or where rewards are amounts, the expected amount that counts.
    """
    gains = np.array([-sum(units(off) for name, off in rule.penalties if name == kind) for kind in kinds], float)
    gains[kinds.index(rule.kind)] += value  # at most one event of a kind: the first is every one
    exposing = [kind for kind, name in enumerate(kinds) if name in EXPOSURE_KINDS[rule.counts_from]]
    from_decision = not sent or rule.counts_from == "decision"
    undone = [kind for kind, name in enumerate(kinds) if sent and name in (WITHDRAWN, BOUNCED)]
    counted = np.zeros(patterns.shape)
    for row, pattern in enumerate(patterns):
        exposures = frozenset(kind for kind in exposing if pattern[kind])
        if pattern[undone].any() or not (from_decision or exposures):
            continue
        for kind in np.flatnonzero(pattern & (gains != 0.0)).tolist():
            counted[row, kind] = timing.in_time(kind, None if from_decision else exposures, rule.window)
    return counted @ gains
