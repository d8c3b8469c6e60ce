"""Trends: whether an effect fades as time goes by, or as contacts mount up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan, log2, nan, sqrt

import numpy as np

from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.measures.comparison import Comparison


class Course(StrEnum):
    """Where an effect goes."""

    FADES = "fades"
    GROWS = "grows"
    STEADY = "no trend seen"
    EARLY = "too early to say"


@dataclass(frozen=True, slots=True)
class Step:
    """Days since the first sending, or contacts of a recipient, from `first` to `last`; None: and all later ones."""

    first: int
    last: int | None
    compared: Comparison

    @property
    def label(self) -> str:
        """``3``, ``4 to 7`` or ``16 and later``."""
        if self.last is None:
            return f"{self.first} and later"
        return str(self.first) if self.last == self.first else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Trend:
    """How an effect changes each time the days, or contacts, double.

    Attributes:
        steps: the effect in each stretch, each about twice as long as the one before.
        slope: change of the effect per doubling, in its unit; nan while it is too early.
        low: lower end of the 95 % interval, which holds at every look.
        high: upper end.
        course: what that says of the effect's distance from nothing.
    """

    steps: tuple[Step, ...]
    slope: float
    low: float
    high: float
    course: Course


def stretches(first: int, most: int | None = None) -> list[tuple[int, int | None]]:
    """Stretches that double: from 0 they are 0, 1, 2 to 3, 4 to 7 and so on; from 1 they are the same without 0.

    Args:
        first: where to begin, 0 or 1.
        most: the number from which on all are one; None: fifteen doublings.
    """
    found: list[tuple[int, int | None]] = [(0, 0)] if first == 0 else []
    start = 1
    while start < (2**15 if most is None else most):
        found.append((start, 2 * start - 1))
        start *= 2
    return [*found, (start, None)]


def trend(steps: Sequence[Step]) -> Trend:
    """A line through the effects of the steps, against the logarithm of where they are, weighted by what each can say.

    The steps are made of different trials, and where the same recipients are in several, their being alike makes the
    slope more certain than is said here, not less.
    """
    usable = [step for step in steps if not isnan(step.compared.low)]
    if len(usable) < 2:
        return Trend(tuple(steps), nan, nan, nan, Course.EARLY)
    x = np.array([_place(step) for step in usable])
    y = np.array([step.compared.found.value for step in usable])
    weights = np.array([step.compared.found.standard_error for step in usable]) ** -2.0
    middle = float((weights * x).sum() / weights.sum())
    spread = float((weights * (x - middle) ** 2).sum())
    slope = float((weights * (x - middle) * y).sum()) / spread
    level = float((weights * y).sum() / weights.sum())
    pairs = sum(step.compared.found.pairs for step in usable)
    least = min(usable, key=lambda step: step.compared.found.seen).compared.found
    line = StratifiedDifference(nan, slope, sqrt(1.0 / spread), 0.0, pairs, least.seen, least.enough)
    low, high = line.anytime_interval()
    course = Course.STEADY
    if low > 0.0 or high < 0.0:
        course = Course.GROWS if slope * level > 0.0 else Course.FADES
    return Trend(tuple(steps), slope, low, high, course)


def _place(step: Step) -> float:
    """Middle of the step, in doublings; days are counted from 0, so that the first is 1."""
    last = step.first if step.last is None else step.last
    return log2(1.0 + (step.first + last) / 2.0)
