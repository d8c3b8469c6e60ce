"""How to evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from optimizer.evaluation.estimators.every import ESTIMATORS

INTERVALS = ("normal", "bootstrap", "empirical_bernstein", "betting")
BOUNDED = ("empirical_bernstein", "betting")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate.

    Attributes:
        level: how often intervals should cover the truth.
        bootstraps: resamples of the log.
        n_blocks: blocks of rows that are resampled together; memory and time grow with them, not with the log.
        seed: of the resamples.
        weight_clip: the most an importance weight counts in ``clipped_ips``; without end, nothing is clipped.
        switch_at: the largest importance weight on which ``switch_dr`` relies; 0 is ``dm``, without end is ``dr``.
        estimators: names, in this order; none given: all that can be had.
        intervals: kinds of intervals, of `INTERVALS`; those of `BOUNDED` are for ``ips`` and ``clipped_ips``, and need
            bounds that are known beforehand, not taken from the log.
        reward_range: lowest and highest possible reward.
        largest_weight: the largest importance weight that the policies allow; without end, ``ips`` has no bounds.
    """

    level: float = 0.95
    bootstraps: int = 1_000
    n_blocks: int = 4_096
    seed: int = 0
    weight_clip: float = 10.0
    switch_at: float = 10.0
    estimators: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ("normal", "bootstrap")
    reward_range: tuple[float, float] | None = None
    largest_weight: float = inf

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"level: found {self.level}; allowed above 0 and below 1")
        for name, least in (
            ("bootstraps", 1),
            ("n_blocks", 2),
            ("weight_clip", 0),
            ("switch_at", 0),
            ("largest_weight", 0),
        ):
            if not getattr(self, name) >= least:  # also true of nan
                raise ValueError(f"{name}: found {getattr(self, name)}; allowed {least} or more")
        for name, known in (("estimators", tuple(ESTIMATORS)), ("intervals", INTERVALS)):
            unknown = [found for found in getattr(self, name) if found not in known]
            if unknown:
                raise ValueError(f"{name}: found {unknown[0]}; allowed {', '.join(known)}")
        bounded = [name for name in self.intervals if name in BOUNDED]
        if bounded and self.reward_range is None:
            raise ValueError(f"reward_range: found none; allowed lowest and highest reward, for {bounded[0]} intervals")
