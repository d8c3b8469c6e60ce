"""Worlds of a few numbers, for tests of rehearsals: everything in them can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import HOUR, MINUTE, Duration, Instant
from optimizer.domain.micros import MICRO
from optimizer.engine.assessment import RewardRule
from optimizer.simulation.world import Events, Population


@dataclass(frozen=True)
class SmallWorld:
    """Everybody is as likely to come by as everybody else; `rates` gives each type's chance of each outcome.

    Attributes:
        rates: ``[Z, A + 1]`` per kind, the last column of nothing sent.
        delays: per kind, longest delay of an outcome; its delay is uniform up to it.
        punctual: whether each outcome comes exactly after its delay instead.
        sent: recipient, arm and instant of everything that was sent, written down as it happens.
        came: recipient, kind and instant of every outcome, likewise.
    """

    rates: Mapping[str, NDArray[np.float64]]
    people: Population
    per_hour: float
    delays: Mapping[str, Duration] = field(default_factory=dict)
    value: int = 0
    punctual: bool = False
    sent: list[tuple[int, int, Instant]] = field(default_factory=list)
    came: list[tuple[int, str, Instant]] = field(default_factory=list)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.rates)

    @property
    def population(self) -> Population:
        return self.people

    def world(self, rng: np.random.Generator) -> SmallWorld:  # noqa: ARG002
        return self

    def arrivals(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        n = rng.poisson(self.per_hour * (end - start) / HOUR)
        return rng.integers(0, len(self.people), n)

    def events(
        self,
        recipients: NDArray[np.int64],
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],  # noqa: ARG002
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        self.sent.extend((int(who), int(arm), at) for who, arm in zip(recipients, arms, strict=True) if arm >= 0)
        types = self.people.types[recipients]
        found: list[tuple[NDArray[np.int64], ...]] = []
        for place, (kind, rates) in enumerate(self.rates.items()):
            happens = np.flatnonzero(rng.random(len(arms)) < rates[types, arms])
            longest = self.delays.get(kind, MINUTE)
            delay = rng.integers(longest if self.punctual else 0, longest + 1, len(arms))[happens]
            self.came.extend((int(who), kind, int(at + d)) for who, d in zip(recipients[happens], delay, strict=True))
            found.append((happens, np.full(len(happens), place), at + delay, np.full(len(happens), self.value)))
        decisions, kinds, occurred_at, values = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Events(decisions, kinds, occurred_at, values)

    def expected_rewards(self, rule: RewardRule, at: Instant) -> NDArray[np.float64]:  # noqa: ARG002
        expected = self.rates[rule.kind].copy()
        for kind, penalty in rule.penalties:
            if kind in self.rates:
                expected -= self.rates[kind] * penalty / MICRO
        return expected


def people(n: int, *attributes: Mapping[str, Any], zones: tuple[str | None, ...] = (None,)) -> Population:
    """``n`` recipients, types and zones in turn."""
    given = attributes or ({},)
    return Population(
        attributes=[given[place % len(given)] for place in range(n)],
        types=np.arange(n) % len(given),
        zones=[None if (zone := zones[place % len(zones)]) is None else ZoneInfo(zone) for place in range(n)],
        consents=[None] * n,
    )
