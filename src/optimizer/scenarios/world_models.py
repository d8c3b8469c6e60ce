"""From the world of a scenario to a world to rehearse in: names become places, factors of odds become shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.micros import micros
from optimizer.scenarios.names import arms_of
from optimizer.scenarios.worlds import (
    AmountDocument,
    ArrivalsDocument,
    DelayDocument,
    DriftDocument,
    FatigueDocument,
    Moved,
    NoveltyDocument,
    OutcomeDocument,
    SeasonDocument,
    Synthetic,
)
from optimizer.simulation.amounts import Amount, AmountsByArm, FixedAmount, LogNormalAmount
from optimizer.simulation.arrivals import Arrivals, EachOnce, HourlyArrivals
from optimizer.simulation.delays import Delay, ExponentialDelay, LogNormalDelay, NoDelay
from optimizer.simulation.dynamics import Drift, Dynamic, Fatigue, Novelty, WeeklySeason
from optimizer.simulation.synthetic import OutcomeKind, RecipientType, SyntheticWorld
from optimizer.strategy.fields import NOTHING

NOTHING_SENT = -1  # the arm of nothing sent, where a change moves it alone


def synthetic_world(written: Synthetic, variant_ids: tuple[str, ...], starts: Instant) -> SyntheticWorld:
    """The world of a scenario.

    Args:
        written: what the scenario says of it.
        variant_ids: ``A`` variants; the place is the arm.
        starts: first instant of the rehearsal, from which changes are counted.

    Raises:
        ValueError: what is written makes no world; mistakes in names were found before.
    """
    types = [
        RecipientType(one.share, dict(one.attributes), one.time_zone, one.consent, one.activity)
        for one in written.types
    ]
    names = [one.name for one in written.types]
    kinds = [
        OutcomeKind(
            name,
            _rates(outcome, names, variant_ids),
            outcome.after,
            _delay(outcome.delay),
            _amount(outcome.amount, variant_ids),
            outcome.frailty,
        )
        for name, outcome in written.outcomes.items()
    ]
    changes = [change for key in (written.drift, written.season, written.novelty, written.fatigue) for change in key]
    dynamics = [one for change in changes for one in _dynamics(change, variant_ids, names, starts)]
    arrivals = arrivals_of(written.arrivals, written.recipients, starts)
    return SyntheticWorld(written.recipients, len(variant_ids), types, kinds, arrivals, dynamics)


def arrivals_of(written: ArrivalsDocument, n_recipients: int, starts: Instant) -> Arrivals:
    """Who comes when, among so many recipients."""
    if written.once:
        return EachOnce(starts, max(round(written.per_day), 1), DAY)
    usual = HourlyArrivals(written.per_day / n_recipients)
    hours, days = written.hours or usual.hours, written.days or usual.days
    return HourlyArrivals(usual.per_day, tuple(hours), tuple(days), local=written.clock == "recipient")


def _rates(outcome: OutcomeDocument, types: Sequence[str], variant_ids: tuple[str, ...]) -> NDArray[np.float64]:
    """Chance of an outcome, ``[Z, A + 1]``: of the type and variant, else of the variant, else of any."""
    by_type = outcome.rates_by_type or {}
    return np.array(
        [
            [
                _rate((by_type.get(of_type, {}), outcome.rates or {}), name, 0.0 if name == NOTHING else outcome.rate)
                for name in (*variant_ids, NOTHING)
            ]
            for of_type in types
        ]
    )


def _rate(said: Sequence[Mapping[str, float]], name: str, otherwise: float | None) -> float:
    for rates in said:
        for known_as in (name, name.partition(":")[0]):
            if known_as in rates:
                return rates[known_as]
    return otherwise or 0.0


def _delay(written: DelayDocument | None) -> Delay:
    if written is None:
        return NoDelay()
    if written.mean is not None:
        return ExponentialDelay(written.mean)
    assert written.median is not None  # noqa: S101 - the document has one of both
    return LogNormalDelay(written.median, written.spread)


def _amount(written: AmountDocument | None, variant_ids: tuple[str, ...]) -> Amount | None:
    if written is None:
        return None
    if written.fixed is not None:
        return FixedAmount(micros(written.fixed))
    assert written.median is not None  # noqa: S101 - the document has one of both
    if written.medians is None:
        return LogNormalAmount(written.median, written.spread)
    medians = [_rate((written.medians,), name, written.median) for name in (*variant_ids, NOTHING)]
    return AmountsByArm(tuple(LogNormalAmount(median, written.spread) for median in medians))


def _dynamics(change: Moved, variant_ids: tuple[str, ...], types: Sequence[str], starts: Instant) -> list[Dynamic]:
    """One for each arm that a change moves."""
    arms: Sequence[int | None] = (None,)
    if change.variant is not None:
        arms = (NOTHING_SENT,) if change.variant == NOTHING else arms_of(variant_ids)[change.variant]
    return [_dynamic(change, arm, types, starts) for arm in arms]


def _dynamic(change: Moved, arm: int | None, types: Sequence[str], starts: Instant) -> Dynamic:
    kinds = tuple(change.outcomes)
    match change:
        case DriftDocument():
            since, shift = starts + change.after, log(change.odds)
            of_type = None if change.type is None else list(types).index(change.type)
            if change.over is None:
                return Drift(kinds, ((since, shift),), sudden=True, arm=arm, of_type=of_type)
            return Drift(kinds, ((since, 0.0), (since + change.over, shift)), sudden=False, arm=arm, of_type=of_type)
        case SeasonDocument():
            return WeeklySeason.of_odds(change.odds, kinds, arm, local=change.clock == "recipient")
        case NoveltyDocument():
            return Novelty(log(change.odds), change.messages, change.half_life, starts, kinds, arm)
        case FatigueDocument():
            return Fatigue(log(change.odds), kinds, change.at_most, arm)
        case _:
            raise ValueError(f"change: found {type(change).__name__}; allowed drift, season, novelty, fatigue")
