"""Guardrail metrics: outcomes nobody wants, such as unsubscribes, watched by the rate at which they come.

A rule is breached when its rate is above the limit with at least the confidence the rule asks for. Rules are asked
again at every refresh, and looking often finds more false alarms than looking once: how many is measured in
``simulations/guardrail_false_alarms``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log, log1p
from sys import float_info
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc

PAUSE_VARIANT: Final = "pause_variant"
ALERT: Final = "alert"
STOP_CAMPAIGN: Final = "stop_campaign"
CONSEQUENCES: tuple[str, ...] = (PAUSE_VARIANT, ALERT, STOP_CAMPAIGN)


@dataclass(frozen=True, slots=True)
class MetricRule:
    """How often an unwanted outcome may come, and what follows when it comes more often.

    Attributes:
        outcome: kind of the outcome.
        at_most: largest rate that is accepted, of exposed decisions with at least one such outcome.
        confidence: posterior probability of a higher rate from which the rule is breached. One half or less would be
            an alarm before anything happened.
        then: one of `CONSEQUENCES`. ``pause_variant`` judges each variant by itself, the others all of them together.

    Raises:
        ValueError: a number is out of range, or ``then`` is none of those.
    """

    outcome: str
    at_most: float
    confidence: float
    then: str

    def __post_init__(self) -> None:
        _check_limit(self.at_most)
        if not 0.5 < self.confidence < 1.0:
            raise ValueError(f"confidence: found {self.confidence}; allowed a number above 0.5 and below 1")
        if self.then not in CONSEQUENCES:
            raise ValueError(f"then: found {self.then}; allowed one of: {', '.join(CONSEQUENCES)}")


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that is breached, with the evidence.

    Attributes:
        outcome: kind of the outcome.
        arm: index of the variant; None when the campaign's variants were judged together.
        events: exposed decisions with at least one such outcome.
        exposures: exposed decisions; never fewer than the events.
        rate: events by exposures.
        at_most: the rule's limit.
        probability: that the rate is above the limit, given the evidence.
        then: what the rule says must follow.
    """

    outcome: str
    arm: int | None
    events: int
    exposures: int
    rate: float
    at_most: float
    probability: float
    then: str

    @property
    def sentence(self) -> str:
        """``unsubscribed 14 of 1,200 (1.17 %) is above 0.5 % with probability 0.996``."""
        limit, rate = _percent(self.at_most, 6), _percent(self.rate, 3)
        rate = _percent(self.rate, 6) if rate == limit else rate
        # No evidence is certain, so a probability that would round to one is not written as one.
        probability = f"{self.probability:.3f}" if self.probability < 0.9995 else "above 0.999"
        return (
            f"{self.outcome} {self.events:,} of {self.exposures:,} ({rate} %) is above {limit} % "
            f"with probability {probability}"
        )


def breach_probability(events: ArrayLike, exposures: ArrayLike, at_most: float) -> NDArray[np.float64]:
    """P(rate > at_most) given the evidence, under a prior that takes no side about the limit.

    The prior is ``Beta(1, b)`` with ``b = ln(1/2) / ln(1 - at_most)``. As ``Beta(1, b)`` exceeds ``x`` with probability
    ``(1 - x)^b``, its median is the limit itself: before any evidence the answer is exactly one half, which is no alarm
    at any confidence a rule may ask for. A uniform prior would believe in rates around one half and so begin with an
    alarm (P(rate > 0.5 %) = 0.995); a prior with its mean at the limit would begin at 0.37 and be slower to warn. The
    prior is worth about ``0.7 / at_most`` exposures without an event (0.7 of an event expected at the limit), so the
    limit sets how much evidence an alarm needs: one event is never enough for a confidence of 0.85 (it reaches
    ``(1 + ln 2) / 2`` at most, for small limits), two can be enough for 0.95, three for 0.99.

    The posterior after ``k`` events in ``n`` exposures is ``Beta(1 + k, b + n - k)``; its upper tail is taken directly,
    not as one minus the lower, so small probabilities keep their digits.

    Late and odd reports can bring more events than exposures. An event proves that its decision reached somebody, so
    then every event counts as an exposure; cutting the events down instead would hide complaints for as long as
    exposures are not reported.

    Args:
        events: decisions with at least one such outcome, of any shape.
        exposures: exposed decisions, of a shape that broadcasts with it.
        at_most: the limit, above 0 and below 1.

    Returns:
        Probabilities of the broadcast shape. They rise with events and fall with exposures.

    Raises:
        ValueError: a count is negative or not finite, or the limit is out of range.
    """
    _check_limit(at_most)
    happened, exposed = np.asarray(events, np.float64), np.asarray(exposures, np.float64)
    for name, count in (("events", happened), ("exposures", exposed)):
        wrong = ~(np.isfinite(count) & (count >= 0.0))
        if wrong.any():
            raise ValueError(f"{name}: found {count[wrong].flat[0]}; allowed counts of 0 or more")
    b = log(0.5) / log1p(-at_most)
    return np.asarray(betaincc(1.0 + happened, b + np.maximum(exposed - happened, 0.0), at_most), np.float64)


def breaches(
    rules: Iterable[MetricRule], events: Mapping[str, NDArray[np.int64]], exposures: NDArray[np.int64]
) -> list[Breach]:
    """The rules that are breached now, in the order of the rules and within a rule of the variants.

    The answer follows from the evidence alone: a breach that somebody has dealt with is found again as long as the
    evidence says so.

    Args:
        rules: the strategy's rules.
        events: decisions with at least one outcome of a kind, ``[A]`` per kind; an absent kind never happened.
        exposures: exposed decisions, ``[A]``.

    Raises:
        ValueError: the shapes are not one ``[A]``, or a count is negative.
    """
    never: NDArray[np.int64] = np.zeros_like(exposures)
    return [breach for rule in rules for breach in _of_rule(rule, events.get(rule.outcome, never), exposures)]


def _of_rule(rule: MetricRule, events: NDArray[np.int64], exposures: NDArray[np.int64]) -> list[Breach]:
    if events.shape != exposures.shape or events.ndim != 1:
        raise ValueError(
            f"{rule.outcome}: found events {events.shape} and exposures {exposures.shape}; allowed one [A]"
        )
    exposed = np.maximum(exposures, events)  # by variant, so that variants and campaign count the same people
    arms: Sequence[int | None] = range(len(events))
    if rule.then != PAUSE_VARIANT:
        arms, events, exposed = (None,), events.sum(keepdims=True), exposed.sum(keepdims=True)
    probability = breach_probability(events, exposed, rule.at_most)
    return [
        Breach(
            outcome=rule.outcome,
            arm=arms[place],
            events=int(events[place]),
            exposures=int(exposed[place]),
            rate=float(events[place] / exposed[place]),  # without exposures the probability is 1/2: no breach
            at_most=rule.at_most,
            probability=float(probability[place]),
            then=rule.then,
        )
        for place in np.flatnonzero(probability >= rule.confidence).tolist()
    ]


def _check_limit(at_most: float) -> None:
    # The smallest numbers a float can hold would make the prior infinite.
    if not float_info.min <= at_most < 1.0:
        raise ValueError(f"at_most: found {at_most}; allowed a rate above 0 and below 1")


def _percent(rate: float, digits: int) -> str:
    """A rate as people read it: so many significant digits, no trailing zeros, no exponent."""
    return np.format_float_positional(100.0 * rate, precision=digits, fractional=False, trim="-")
