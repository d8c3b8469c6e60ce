"""Intervals of estimates that are means of bounded values: true at every length of a log, whatever the rewards' law.

They need bounds that are known beforehand: of the rewards and, but for clipped weights, of the importance weights. Only
``ips`` and ``clipped_ips`` are such means; the interval of the latter is of what it estimates, clipping included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.betting import BettingSequence, weighted_range
from optimizer.evaluation.settings import BOUNDED, Settings
from optimizer.evaluation.targets import TargetPolicy, importance_weights

Interval = tuple[float, float]


def value_ranges(settings: Settings) -> Mapping[str, Interval]:
    """Lowest and highest possible value of a row, by estimator; only of those that have such bounds."""
    if settings.reward_range is None:
        return {}
    most = {"ips": settings.largest_weight, "clipped_ips": min(settings.weight_clip, settings.largest_weight)}
    return {
        name: weighted_range(settings.reward_range, weight) for name, weight in most.items() if 0.0 < weight < np.inf
    }


def check_rewards(chunk: LoggedFeedback, settings: Settings) -> None:
    """Where bounded means are asked for, whether rewards keep to the range they are said to have.

    Raises:
        ValueError: one does not.
    """
    if settings.reward_range is None or len(chunk) == 0 or not {*BOUNDED} & {*settings.intervals}:
        return
    (low, high), found = settings.reward_range, chunk.rewards
    if found.min() < low or found.max() > high:
        some = f"rewards of {found.min():g} to {found.max():g}"
        raise ValueError(f"reward_range: found {some}; allowed {low:g} to {high:g}, as the settings say")


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """Betting sequences of every target and estimator. They follow the rows of a log in their order and do not add.

    Attributes:
        sequences: by target policy and estimator.
        settings: what they were begun with.
    """

    sequences: Mapping[str, Mapping[str, BettingSequence]]
    settings: Settings

    @classmethod
    def begin(cls, targets: Mapping[str, TargetPolicy], settings: Settings) -> Bets:
        """Before the first row."""
        ranges = value_ranges(settings)
        begun = {name: BettingSequence.begin(*ends, settings.level) for name, ends in ranges.items()}
        return cls(dict.fromkeys(targets, begun), settings)

    def after(self, chunk: LoggedFeedback, targets: Mapping[str, TargetPolicy]) -> Bets:
        """After further rows of the log.

        Raises:
            ValueError: a reward or a weight is not within its bounds.
        """
        check_rewards(chunk, self.settings)
        followed = {}
        for target, sequences in self.sequences.items():
            policy = targets[target]
            weights = importance_weights(policy, chunk, policy.probabilities(chunk))
            followed[target] = {
                name: sequence.after(self._values(name, weights, chunk)) for name, sequence in sequences.items()
            }
        return Bets(followed, self.settings)

    def _values(self, name: str, weights: NDArray[np.float64], chunk: LoggedFeedback) -> NDArray[np.float64]:
        if name == "clipped_ips":
            weights = np.minimum(weights, self.settings.weight_clip)
        return weights * chunk.rewards
