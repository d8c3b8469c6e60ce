"""Target policies: the fixed policies that a log is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback

Floats = NDArray[np.float64]


class TargetPolicy(Protocol):
    """A fixed policy to be judged."""

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        """Probability of every arm for every decision, ``[N, A]``.

        A row's answer depends on that row alone; rows sum to one and are zero where an arm is not eligible.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SegmentShares:
    """The same allocation for everybody in a segment.

    Where some arms are not eligible for a decision, the allocation is scaled to those that are; when it has nothing
    for any of those, they get equal shares.

    Attributes:
        shares: ``[S, A]``; rows sum to one.

    Raises:
        ValueError: a share is negative, or those of a segment do not sum to one.
    """

    shares: Floats

    def __post_init__(self) -> None:
        sums = np.sum(self.shares, axis=1)
        if np.min(self.shares) < 0.0:
            raise ValueError(f"shares: found {np.min(self.shares):g}; allowed 0 or more")
        if not np.allclose(sums, 1.0, rtol=0.0, atol=1e-9):
            segment = int(np.argmax(np.abs(sums - 1.0)))
            raise ValueError(f"shares[{segment}]: found a sum of {sums[segment]:g}; allowed 1")

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        """Probability of every arm for every decision, ``[N, A]``.

        Raises:
            ValueError: the log has other numbers of segments or arms, or a decision with no eligible arm.
        """
        if self.shares.shape != (feedback.n_segments, feedback.n_arms):
            allowed = f"{feedback.n_segments} segments x {feedback.n_arms} arms"
            raise ValueError(f"shares: found shape {self.shares.shape}; allowed {allowed}, those of the log")
        shares = self.shares[feedback.segments]
        if feedback.eligible is None:
            return shares
        shares *= feedback.eligible
        total = shares.sum(axis=1)
        stranded = total <= 0.0
        if stranded.any():
            shares[stranded] = feedback.eligible[stranded]
            total = shares.sum(axis=1)
            if total.min() <= 0.0:
                raise ValueError(f"eligible[{int(total.argmin())}]: found no arm; allowed one or more")
        shares /= total[:, None]
        return shares


@dataclass(frozen=True, slots=True)
class Logged:
    """The policy that wrote the log: every importance weight is 1."""

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        """1 for the arm that was chosen, ``[N, A]``: a draw from the logging policy in place of its probabilities."""
        chosen = np.zeros((len(feedback), feedback.n_arms))
        chosen[np.arange(len(feedback)), feedback.arms] = 1.0
        return chosen


def uniform(n_segments: int, n_arms: int) -> SegmentShares:
    """Equal shares for all arms."""
    return SegmentShares(np.full((n_segments, n_arms), 1.0 / n_arms))


def always(arm: int, n_segments: int, n_arms: int) -> SegmentShares:
    """One arm for everybody.

    Raises:
        ValueError: there is no such arm.
    """
    if not 0 <= arm < n_arms:
        raise ValueError(f"arm: found {arm}; allowed 0 to {n_arms - 1}")
    shares = np.zeros((n_segments, n_arms))
    shares[:, arm] = 1.0
    return SegmentShares(shares)


def importance_weights(target: TargetPolicy, feedback: LoggedFeedback, probabilities: Floats) -> Floats:
    """How much likelier the target was to choose each logged arm than the log's own policy, ``[N]``.

    Args:
        target: the policy to be judged.
        feedback: ``N`` decisions.
        probabilities: the target's for them, ``[N, A]``.
    """
    if isinstance(target, Logged):
        return np.ones(len(feedback))
    chosen = probabilities[np.arange(len(feedback)), feedback.arms]
    return chosen / feedback.propensities
