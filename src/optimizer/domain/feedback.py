"""Logged feedback: what some policy chose, with what probability, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

PropensitySource = Literal["logged", "constant", "estimated"]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedFeedback:
    """``N`` decisions of a policy that chose among ``A`` variants in ``S`` segments; a log, or one chunk of it.

    Attributes:
        variant_ids: ``A`` names; the place is the arm.
        segment_ids: ``S`` names; whatever the propensities and the target policy depend on besides the features.
        arms: ``[N]``, the arm that was chosen.
        segments: ``[N]``, index of each decision's segment.
        propensities: ``[N]``, probability with which the chosen arm was chosen, above 0 and at most 1.
        rewards: ``[N]``, in the units of the objective.
        propensity_source: where the propensities come from; estimated ones are flagged wherever they are used.
        features: ``[N, F]``, attributes as numbers, for models of the reward; categories are one column a value.
        feature_names: ``F`` names.
        eligible: ``[N, A]``, which arms could be chosen; None when all of them could.
        decided_at: ``[N]``, instants; None when the log knows no time.
        recipients: ``[N]`` unsigned hashes; rows of one recipient are not independent. None when each row is another.
        costs: ``[N]``, units of currency; None when the log knows no cost.
        outcomes: further columns by name, ``[N]`` each, such as unsubscribes.

    Raises:
        ValueError: lengths differ, an index is out of range, or a propensity is not above 0 and at most 1.
    """

    variant_ids: tuple[str, ...]
    segment_ids: tuple[str, ...]
    arms: NDArray[np.int64]
    segments: NDArray[np.int64]
    propensities: NDArray[np.float64]
    rewards: NDArray[np.float64]
    propensity_source: PropensitySource = "logged"
    features: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    feature_names: tuple[str, ...] = ()
    eligible: NDArray[np.bool_] | None = None
    decided_at: NDArray[np.int64] | None = None
    recipients: NDArray[np.uint64] | None = None
    costs: NDArray[np.float64] | None = None
    outcomes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.feature_names and len(self.features) != len(self.arms):
            object.__setattr__(self, "features", np.zeros((len(self.arms), 0)))
        self._check()

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.arms)

    @property
    def n_arms(self) -> int:
        """``A``."""
        return len(self.variant_ids)

    @property
    def n_segments(self) -> int:
        """``S``."""
        return len(self.segment_ids)

    def taken(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> LoggedFeedback:
        """These rows of it, in this order."""
        some = {name: column[rows] for name, column in self._columns().items()}
        return replace(self, **some, outcomes={name: column[rows] for name, column in self.outcomes.items()})

    def chunks(self, size: int) -> Sequence[LoggedFeedback]:
        """The same rows in pieces of at most `size`; views, not copies."""
        return [self.taken(slice(start, start + size)) for start in range(0, len(self), size)]

    def _columns(self) -> dict[str, Any]:
        names = ("arms", "segments", "propensities", "rewards", "features")
        optional = ("eligible", "decided_at", "recipients", "costs")
        found = {name: getattr(self, name) for name in (*names, *optional)}
        return {name: column for name, column in found.items() if column is not None}

    def _check(self) -> None:
        n = len(self.arms)
        for name, column in {**self._columns(), **self.outcomes}.items():
            if len(column) != n:
                raise ValueError(f"{name}: found {len(column)} rows; allowed {n}, as many as there are arms")
        for name, index, size in (("arms", self.arms, self.n_arms), ("segments", self.segments, self.n_segments)):
            if n and not (index.min() >= 0 and index.max() < size):
                raise ValueError(f"{name}: found {index.min()} to {index.max()}; allowed 0 to {size - 1}")
        if n and not (self.propensities.min() > 0.0 and self.propensities.max() <= 1.0):
            found = f"{self.propensities.min():g} to {self.propensities.max():g}"
            raise ValueError(f"propensities: found {found}; allowed above 0 and at most 1")
        if self.features.shape != (n, len(self.feature_names)):
            allowed = f"[{n}, {len(self.feature_names)}]"
            raise ValueError(f"features: found shape {self.features.shape}; allowed {allowed}, a column for each name")


def joined(parts: Sequence[LoggedFeedback]) -> LoggedFeedback:
    """Chunks of one log, one after the other.

    Raises:
        ValueError: there is none, or they are not of one log.
    """
    if not parts:
        raise ValueError("parts: found none; allowed one or more")
    first = parts[0]
    if any(part.variant_ids != first.variant_ids or part.segment_ids != first.segment_ids for part in parts):
        raise ValueError("parts: found different variants or segments; allowed chunks of one log")
    columns: dict[str, Any] = {
        name: np.concatenate([part._columns()[name] for part in parts]) for name in first._columns()
    }
    outcomes = {name: np.concatenate([part.outcomes[name] for part in parts]) for name in first.outcomes}
    return replace(first, **columns, outcomes=outcomes)
