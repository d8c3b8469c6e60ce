"""Who comes by, and when: a Poisson process that follows the hours of the week, or everyone once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, HOUR, MINUTE, Duration, Instant, moment
from optimizer.simulation.world import Population

_HOURS, _DAYS = 24, 7
_PIECE: Duration = 15 * MINUTE  # offsets of time zones are multiples of it, so an hour of a local day is four of them
_SINCE_MONDAY: Duration = 3 * DAY  # 1970 began on a Thursday


class Comings(Protocol):
    """The arrivals of one population."""

    def between(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        """Who comes by from `start` up to, and without, `end`: places in the population, in order of coming."""


class Arrivals(Protocol):
    """A law of arrivals, of any population."""

    def of(self, population: Population, activity: NDArray[np.float64], rng: np.random.Generator) -> Comings:
        """The arrivals of this population.

        Args:
            population: ``M`` recipients of ``Z`` types.
            activity: ``[Z]``, how often a recipient of each type comes, in proportion.
            rng: chance that is settled once, such as an order.
        """


@dataclass(frozen=True, slots=True)
class EachOnce:
    """Every recipient comes once, in random order, a number of them together at every step: a mailing.

    Attributes:
        starts_at: when the first come.
        per_step: how many come together.
        step: microseconds until the next.

    Raises:
        ValueError: nobody comes, or all at once for ever.
    """

    starts_at: Instant
    per_step: int
    step: Duration = DAY

    def __post_init__(self) -> None:
        if self.per_step < 1 or self.step < 1:
            found = f"{self.per_step} in {self.step} microseconds"
            raise ValueError(f"arrivals: found {found}; allowed at least 1 in at least 1")

    def of(self, population: Population, activity: NDArray[np.float64], rng: np.random.Generator) -> Comings:  # noqa: ARG002  # all are as active
        """An order, settled now."""
        return _InOrder(self, rng.permutation(len(population)))

    def before(self, at: Instant, n: int) -> int:
        """How many of `n` have come before an instant."""
        steps = -((self.starts_at - at) // self.step)  # those that began, the first at `starts_at` itself
        return min(max(steps, 0) * self.per_step, n)


@dataclass(frozen=True, slots=True, eq=False)
class _InOrder:
    law: EachOnce
    order: NDArray[np.int64]

    def between(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002  # settled
        n = len(self.order)
        return self.order[self.law.before(start, n) : self.law.before(end, n)]


@dataclass(frozen=True, slots=True)
class HourlyArrivals:
    """Recipients come independently, again and again, more often at some hours of the week than at others.

    Attributes:
        per_day: how often a recipient comes a day, in the mean over a week and over all recipients.
        hours: 24 factors, in proportion, by hour of the day.
        days: 7 factors, in proportion, Monday first.
        local: whether hours and days are the recipients' own, or those of UTC; an unknown zone counts as UTC.

    Raises:
        ValueError: another number of factors, one below 0, all 0, or a rate that is not above 0.
    """

    per_day: float
    hours: tuple[float, ...] = (1.0,) * _HOURS
    days: tuple[float, ...] = (1.0,) * _DAYS
    local: bool = False

    def __post_init__(self) -> None:
        for name, factors, n in (("hours", self.hours, _HOURS), ("days", self.days, _DAYS)):
            if len(factors) != n or min(factors) < 0 or max(factors) <= 0:
                raise ValueError(f"{name}: found {list(factors)}; allowed {n} factors from 0 up, one of them above 0")
        if not self.per_day > 0:
            raise ValueError(f"per_day: found {self.per_day:g}; allowed above 0")

    @classmethod
    def observed(cls, times: NDArray[np.int64], n_recipients: int) -> HourlyArrivals:
        """The arrivals of a history, in UTC.

        Hours and days at which the history did not run are taken to be as busy as it was in the mean; a factor of
        the day times one of the hour is all that is kept of the shape of the week.

        Args:
            times: ``[n]`` instants.
            n_recipients: how many recipients they are arrivals of.

        Raises:
            ValueError: no arrival, or no recipient.
        """
        if not len(times) or n_recipients < 1:
            found = f"{len(times)} of {n_recipients} recipients"
            raise ValueError(f"arrivals: found {found}; allowed one or more of one or more")
        hour = times // HOUR
        ran = np.arange(hour.min(), hour.max() + 1)
        overall = len(times) / len(ran)
        factors = []
        for width, since, n in ((HOUR, 0, _HOURS), (DAY, _SINCE_MONDAY, _DAYS)):
            came = np.bincount((hour * HOUR + since) // width % n, minlength=n)
            lasted = np.bincount((ran * HOUR + since) // width % n, minlength=n)
            factors.append(np.where(lasted > 0, came / np.maximum(lasted, 1) / overall, 1.0))
        return cls(overall * _HOURS / n_recipients, tuple(factors[0].tolist()), tuple(factors[1].tolist()))

    @property
    def curve(self) -> NDArray[np.float64]:
        """Factor of each hour of the week, ``[168]``, Monday first; their mean is 1."""
        product = np.outer(self.days, self.hours).ravel()
        return product / product.mean()

    def of(self, population: Population, activity: NDArray[np.float64], rng: np.random.Generator) -> Comings:  # noqa: ARG002  # nothing to settle
        """The process of this population, whose recipients together come ``M * per_day`` times a day."""
        of_each = activity[population.types]
        places: dict[tuple[ZoneInfo | None, float], list[int]] = {}
        for place, (zone, active) in enumerate(zip(population.zones, of_each.tolist(), strict=True)):
            places.setdefault((zone if self.local else None, active), []).append(place)
        crowds = [np.array(members, dtype=np.int64) for members in places.values()]
        total = max(float(of_each.sum()), np.finfo(np.float64).tiny)
        per_day = np.array([active * len(members) for (_, active), members in places.items()])
        per_day *= self.per_day * len(population) / total
        return _Poisson(self.curve, [zone for zone, _ in places], crowds, per_day)


@dataclass(frozen=True, slots=True, eq=False)
class _Poisson:
    """``G`` crowds of recipients who share a clock and a rate."""

    curve: NDArray[np.float64]
    zones: Sequence[ZoneInfo | None]
    crowds: Sequence[NDArray[np.int64]]
    per_day: NDArray[np.float64]

    def between(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        """A Poisson number in each piece of an hour, then who and when, uniformly."""
        edges = np.unique([start, *range(start - start % _PIECE + _PIECE, end, _PIECE), max(start, end)])
        begins, lasts = edges[:-1], np.diff(edges)
        came: list[NDArray[np.int64]] = []
        times: list[NDArray[np.float64]] = []
        hours = {zone: _hours_of_week(begins, zone) for zone in set(self.zones)}
        for zone, crowd, per_day in zip(self.zones, self.crowds, self.per_day, strict=True):
            counts = rng.poisson(per_day * self.curve[hours[zone]] * lasts / DAY)
            n = int(counts.sum())
            came.append(crowd[rng.integers(len(crowd), size=n)])
            times.append(np.repeat(begins - start, counts) + np.repeat(lasts, counts) * rng.random(n))
        if not came:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate(came)[np.argsort(np.concatenate(times), kind="stable")]


def _hours_of_week(instants: NDArray[np.int64], zone: ZoneInfo | None) -> NDArray[np.int64]:
    """Hour of the week, 0 to 167 from Monday on, that a clock shows."""
    shown = instants + _SINCE_MONDAY
    if zone is not None:
        offsets = [moment(int(at)).astimezone(zone).utcoffset() or timedelta() for at in instants]
        shown = shown + np.array([offset // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
    return shown // HOUR % (_DAYS * _HOURS)
