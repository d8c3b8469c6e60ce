"""Alikeness: how alike the trials of one recipient are, as far as anybody has looked, and what intervals make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from optimizer.domain.instants import Instant
from optimizer.evaluation.stratified import StratifiedDifference

TOLD_FROM: Final = 1.1  # design effects below this make intervals less than a twentieth wider
NOT_LOOKED_AT: Final = (
    "Nobody has looked yet how alike the trials of one recipient are: intervals of differences take every trial for "
    "another recipient's, and are too narrow where recipients come back. The measurement takes recipients as the unit."
)


@dataclass(frozen=True, slots=True)
class Alikeness:
    """How alike trials of one recipient are.

    Attributes:
        design: times by which the variance of a difference is larger for it; None where nobody has looked, so that
            trials are taken as independent. See `evaluation.clusters`.
        as_of: when somebody looked.
    """

    design: float | None = None
    as_of: Instant | None = None

    def widened(self, found: StratifiedDifference) -> StratifiedDifference:
        """A difference over trials, as sure as its recipients let it be."""
        return found if self.design is None else found.widened(self.design)

    @property
    def sentence(self) -> str:
        """What to mind in intervals; empty where that is nothing."""
        return NOT_LOOKED_AT if self.design is None else alike_words(self.design)


def alike_words(design: float) -> str:
    """What a design effect does to intervals; empty where that is next to nothing."""
    if design <= TOLD_FROM:
        return ""
    return (
        f"Recipients have several trials and are alike in themselves: intervals are {design**0.5:.2f} "
        "times as wide as those of as many different recipients."
    )
