"""The exchange: one call until it is answered, with patience that ends. It asks; whoever drives it sends and sleeps.

Every use of the service is a generator of *steps*: it yields an `Attempt` to be sent or a `Pause` to be waited for, and
is given what came of it. So what is tried again, how long is waited and what is given in the end is written once, for
threads and for event loops.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from optimizer.client.calls import Call, Reply, read_reply
from optimizer.client.errors import TimedOut, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds.

    Attributes:
        connect: to reach the service.
        read: between two parts of an answer.
        total: of the call, with all it tries again.
    """

    connect: float = 2.0
    read: float = 5.0
    total: float = 10.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is sent, and how long is waited in between.

    Attributes:
        attempts: at most, the first one included.
        first_wait: the most that is waited before the second attempt, seconds; twice as much before each one after.
        longest_wait: but never more than this, unless the service asks for it (`Retry-After`).
    """

    attempts: int = 4
    first_wait: float = 0.1
    longest_wait: float = 5.0

    def wait(self, attempt: int, retry_after: float | None, chance: float) -> float:
        """Seconds until the next attempt: by chance, so that callers who failed together do not come back together.

        Args:
            attempt: 0 for the first.
            retry_after: what the service asked for.
            chance: in [0, 1).
        """
        longest = min(self.longest_wait, self.first_wait * 2.0**attempt)
        return longest * chance if retry_after is None else retry_after + longest * chance


@dataclass(frozen=True, slots=True)
class Attempt:
    """To be sent. What comes of it is a `Reply`, or an `Unavailable` that says why there is none.

    Attributes:
        ends: when nobody waits for it any more, by the clock of the exchange.
    """

    call: Call[Any]
    connect: float
    read: float
    ends: float


@dataclass(frozen=True, slots=True)
class Pause:
    """To be waited for, in seconds."""

    seconds: float


Steps = Generator[Attempt | Pause, Reply | Unavailable | None, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """By what an exchange is bound.

    Attributes:
        clock: seconds that never run backwards.
        chance: gives numbers in [0, 1).
    """

    timeouts: Timeouts
    retries: Retries
    clock: Callable[[], float]
    chance: Callable[[], float]

    def exchange(self, call: Call[T]) -> Steps[T]:
        """The result of a call.

        Raises:
            Refused: the service said no.
            Unavailable: it could not be asked, or could not say, in the time and the attempts there are.
        """
        ends = self.clock() + self.timeouts.total
        trouble: Unavailable = TimedOut(f"{call.path}: found no time to ask; allowed a total above 0")
        for attempt in range(self.retries.attempts):
            left = ends - self.clock()
            if left <= 0:
                break
            came = yield Attempt(call, min(self.timeouts.connect, left), min(self.timeouts.read, left), ends)
            try:
                if isinstance(came, Reply):
                    return read_reply(call, came)
                trouble = came or trouble
            except Unavailable as error:
                trouble = error
            wait = self.retries.wait(attempt, trouble.retry_after_seconds, self.chance())
            if attempt + 1 == self.retries.attempts or self.clock() + wait >= ends:
                break
            yield Pause(wait)
        raise trouble
