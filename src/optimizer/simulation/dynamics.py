"""What moves a world's rates over time: drift, weekly season, novelty that wears off, fatigue that builds up.

Each is a shift of the log-odds, so that shifts add, in any order, and rates stay between 0 and 1. A shift of a kind
that only follows another one, such as a purchase after a click, moves its rate given that other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Duration, Instant, moment

DAYS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a shift may depend on.

    Attributes:
        kinds: ``K`` outcome kinds.
        zones: time zone of each of the ``Z`` types of recipients; None counts as UTC.
        n_arms: ``A``; arrays have one place more, the last, for nothing sent.
        at: instant of the decision.
        earlier: ``[E]``, numbers of earlier messages to tell apart.
    """

    kinds: tuple[str, ...]
    zones: Sequence[ZoneInfo | None]
    n_arms: int
    at: Instant
    earlier: NDArray[np.int64]

    def still(self) -> NDArray[np.float64]:
        """No shift, ``[K, E, Z, A + 1]``."""
        return np.zeros((len(self.kinds), len(self.earlier), len(self.zones), self.n_arms + 1))

    def places(self, kinds: Sequence[str]) -> list[int]:
        """Where these kinds are among the kinds; of all of them when none is named.

        Raises:
            ValueError: the world has no such kind.
        """
        for kind in kinds:
            if kind not in self.kinds:
                raise ValueError(f"dynamics: found the kind {kind}; allowed {', '.join(self.kinds)}")
        return [place for place, kind in enumerate(self.kinds) if not kinds or kind in kinds]

    def arms(self, arm: int | None) -> slice:
        """The place of an arm, -1 for nothing sent; None for every place.

        Raises:
            ValueError: the world has no such arm.
        """
        return _one(arm, -1, self.n_arms, "arm")

    def types(self, of_type: int | None) -> slice:
        """The place of a type of recipients; None for every place.

        Raises:
            ValueError: the world has no such type.
        """
        return _one(of_type, 0, len(self.zones), "type")


class Dynamic(Protocol):
    """One thing that moves the rates."""

    def log_odds(self, scene: Scene) -> NDArray[np.float64]:
        """By how much it shifts the log-odds of each rate, ``[K, E, Z, A + 1]``."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A rate that changes for good.

    Attributes:
        kinds: outcome kinds it moves; none named means all.
        changes: instants, in order, and the shift of the log-odds from then on.
        sudden: True: each shift holds until the next one, and there is none before the first. False: shifts lie on
            straight lines between the instants; the first also holds before and the last after.
        arm: the arm it moves, -1 for nothing sent; None for all of them and nothing sent.
        of_type: the type of recipients it moves; None for all.

    Raises:
        ValueError: no change, or changes out of order.
    """

    kinds: tuple[str, ...]
    changes: tuple[tuple[Instant, float], ...]
    sudden: bool = True
    arm: int | None = None
    of_type: int | None = None

    def __post_init__(self) -> None:
        instants = [at for at, _ in self.changes]
        if not instants or instants != sorted(set(instants)):
            raise ValueError(f"drift: found changes at {instants}; allowed one or more instants, each after the last")

    def log_odds(self, scene: Scene) -> NDArray[np.float64]:
        """The shift at the instant, the same for all numbers of earlier messages."""
        shift = scene.still()
        for kind in scene.places(self.kinds):
            shift[kind, :, scene.types(self.of_type), scene.arms(self.arm)] = self.shift(scene.at)
        return shift

    def shift(self, at: Instant) -> float:
        """The shift of the log-odds at an instant."""
        if self.sudden:
            return next((shift for since, shift in reversed(self.changes) if since <= at), 0.0)
        # From the first change on: floats hold such spans exactly, instants since 1970 hardly.
        first = self.changes[0][0]
        return float(np.interp(at - first, [since - first for since, _ in self.changes], [s for _, s in self.changes]))


@dataclass(frozen=True, slots=True)
class WeeklySeason:
    """Days of the week that are better or worse than others.

    Attributes:
        days: shift of the log-odds on each day, Monday first.
        kinds: outcome kinds it moves; none named means all.
        arm: the arm it moves, -1 for nothing sent; None for all of them and nothing sent.
        local: whether the day is the recipients' own, or that of UTC.

    Raises:
        ValueError: not seven days.
    """

    days: tuple[float, ...]
    kinds: tuple[str, ...] = ()
    arm: int | None = None
    local: bool = False

    def __post_init__(self) -> None:
        if len(self.days) != DAYS:
            raise ValueError(f"season: found {len(self.days)} days; allowed 7, Monday first")

    @classmethod
    def of_odds(
        cls, factors: Sequence[float], kinds: tuple[str, ...] = (), arm: int | None = None, *, local: bool = False
    ) -> WeeklySeason:
        """A season that multiplies the odds, and so nearly multiplies rates that are small.

        Raises:
            ValueError: not seven factors, or one that is not above 0.
        """
        if not all(factor > 0 for factor in factors):
            raise ValueError(f"season: found factors {list(factors)}; allowed above 0")
        return cls(tuple(log(factor) for factor in factors), kinds, arm, local)

    def log_odds(self, scene: Scene) -> NDArray[np.float64]:
        """The shift of the day, for each type of recipients of its own day when it is local."""
        today = moment(scene.at)
        of_type = [
            self.days[(today.astimezone(zone) if self.local and zone else today).weekday()] for zone in scene.zones
        ]
        shift = scene.still()
        for kind in scene.places(self.kinds):
            shift[kind, :, :, scene.arms(self.arm)] = np.array(of_type)[np.newaxis, :, np.newaxis]
        return shift


@dataclass(frozen=True, slots=True)
class Novelty:
    """What is new does better, until it is not new any more.

    Attributes:
        boost: shift of the log-odds while it is all new; negative for what people must get used to.
        messages: the boost halves with this many earlier messages; None when they do not matter.
        half_life: the boost halves in this time, microseconds; None when time does not matter.
        since: when that time begins; before it the boost is whole.
        kinds: outcome kinds it moves; none named means all.
        arm: the arm it moves; None for all of them. Sending nothing is never new.

    Raises:
        ValueError: neither messages nor a half-life, or one that is not above 0.
    """

    boost: float
    messages: float | None = 1.0
    half_life: Duration | None = None
    since: Instant = 0
    kinds: tuple[str, ...] = ()
    arm: int | None = None

    def __post_init__(self) -> None:
        given = [halving for halving in (self.messages, self.half_life) if halving is not None]
        if not given or min(given) <= 0:
            found = f"messages {self.messages} and half_life {self.half_life}"
            raise ValueError(f"novelty: found {found}; allowed one or both, above 0")

    def log_odds(self, scene: Scene) -> NDArray[np.float64]:
        """What is left of the boost."""
        halvings = np.zeros(len(scene.earlier))
        if self.messages is not None:
            halvings += scene.earlier / self.messages
        if self.half_life is not None:
            halvings += max(scene.at - self.since, 0) / self.half_life
        return _of_messages(scene, self.boost * 0.5**halvings, self.kinds, self.arm)


@dataclass(frozen=True, slots=True)
class Fatigue:
    """Each earlier message changes the odds by the same factor: more unsubscribes, or fewer clicks.

    Attributes:
        per_message: shift of the log-odds for each earlier message.
        most: earlier messages beyond so many change nothing more; None for no such end.
        kinds: outcome kinds it moves; none named means all.
        arm: the arm it moves; None for all of them. Sending nothing tires nobody.
    """

    per_message: float
    kinds: tuple[str, ...] = ("unsubscribed",)
    most: int | None = None
    arm: int | None = None

    def log_odds(self, scene: Scene) -> NDArray[np.float64]:
        """The shift by the number of earlier messages."""
        counted = scene.earlier if self.most is None else np.minimum(scene.earlier, self.most)
        return _of_messages(scene, self.per_message * counted.astype(np.float64), self.kinds, self.arm)


def shifts(dynamics: Sequence[Dynamic], scene: Scene) -> NDArray[np.float64]:
    """All shifts of the log-odds together, ``[K, E, Z, A + 1]``."""
    total = scene.still()
    for dynamic in dynamics:
        total += dynamic.log_odds(scene)
    return total


def _of_messages(
    scene: Scene, of_earlier: NDArray[np.float64], kinds: tuple[str, ...], arm: int | None
) -> NDArray[np.float64]:
    """A shift that depends on the number of earlier messages, for what is sent."""
    shift = scene.still()
    arms = slice(scene.n_arms) if arm is None else scene.arms(arm)
    for kind in scene.places(kinds):
        shift[kind, :, :, arms] = of_earlier[:, np.newaxis, np.newaxis]
    return shift


def _one(place: int | None, first: int, n: int, what: str) -> slice:
    if place is None:
        return slice(None)
    if not first <= place < n:
        raise ValueError(f"dynamics: found the {what} {place}; allowed {first} to {n - 1}")
    return slice(place, place + 1 or None)
