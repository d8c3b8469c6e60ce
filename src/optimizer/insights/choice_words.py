"""What people's choices say, in words that promise no more than they can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

FEW: Final = 30  # trials of people under which nothing is said of a rate

_CAUTION: Final = (
    "People chose for the customers they talked to, the policy for whoever came: a difference may lie in the customers "
    "and not in the choice, so it is no proof either way. Nothing of it is learned from."
)


def choices_in_words(trials: Sequence[int]) -> str:
    """What may be said of people's choices beside the policy's.

    Args:
        trials: choices of people that count as trials, by segment.
    """
    n = sum(trials)
    if n == 0:
        return "Nobody has recorded a choice that counts yet."
    times = "once" if n == 1 else f"{n:,} times"
    if n < FEW:
        return f"People have chosen {times} so far: too few to compare. {_CAUTION}"
    return f"People have chosen {times}. {_CAUTION}"
