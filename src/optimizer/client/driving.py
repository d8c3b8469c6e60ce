"""Drivers: the two that send what steps ask for, one for threads and one for event loops."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import TypeVar

import httpx

from optimizer.client.calls import Reply
from optimizer.client.errors import Conflict, TimedOut, Unavailable
from optimizer.client.exchange import Attempt, Pause, Steps

T = TypeVar("T")
CLOCK = time.monotonic


def _headers(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}", "User-Agent": "optimizer-python"}


def check_process(made_in: int) -> None:
    """Only the process that made connections may use them: two that read from one get each other's answers.

    Args:
        made_in: number of that process.

    Raises:
        Conflict: this one is another.
    """
    if os.getpid() != made_in:
        raise Conflict("client: found one made before a fork; allowed one that this process has made")


class Driver:
    """Sends over connections that it keeps; for any number of threads."""

    def __init__(self, url: str, key: str) -> None:
        self._made_in = os.getpid()
        self._http = httpx.Client(base_url=url, headers=_headers(key))

    def run(self, steps: Steps[T]) -> T:
        """The result of steps; what they raise."""
        check_process(self._made_in)
        came: Reply | Unavailable | None = None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    came = None
                else:
                    came = self._sent(step)
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _sent(self, attempt: Attempt) -> Reply | Unavailable:
        call = attempt.call
        try:
            with self._http.stream(
                call.method, call.path, content=call.body, headers=call.headers, timeout=_timeout(attempt)
            ) as answer:
                parts = []
                for part in answer.iter_bytes():
                    parts.append(part)
                    if CLOCK() > attempt.ends:
                        return _too_late(attempt)
                return _reply(answer, parts)
        except httpx.HTTPError as error:
            return _trouble(attempt, error)


class AsyncDriver:
    """The same on an event loop."""

    def __init__(self, url: str, key: str) -> None:
        self._made_in = os.getpid()
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(key))

    async def run(self, steps: Steps[T]) -> T:
        """The result of steps; what they raise."""
        check_process(self._made_in)
        came: Reply | Unavailable | None = None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    came = None
                else:
                    came = await self._sent(step)
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _sent(self, attempt: Attempt) -> Reply | Unavailable:
        call = attempt.call
        try:
            async with self._http.stream(
                call.method, call.path, content=call.body, headers=call.headers, timeout=_timeout(attempt)
            ) as answer:
                parts = []
                async for part in answer.aiter_bytes():
                    parts.append(part)
                    if CLOCK() > attempt.ends:
                        return _too_late(attempt)
                return _reply(answer, parts)
        except httpx.HTTPError as error:
            return _trouble(attempt, error)


def _timeout(attempt: Attempt) -> httpx.Timeout:
    return httpx.Timeout(attempt.read, connect=attempt.connect)


def _reply(answer: httpx.Response, parts: list[bytes]) -> Reply:
    return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, b"".join(parts))


def _too_late(attempt: Attempt) -> TimedOut:
    return TimedOut(f"{attempt.call.path}: found an answer that was not whole when the time for it was over")


def _trouble(attempt: Attempt, error: httpx.HTTPError) -> Unavailable:
    """Why there is no reply; says nothing of what was sent."""
    kind = TimedOut if isinstance(error, httpx.TimeoutException) else Unavailable
    return kind(f"{attempt.call.path}: found no service that answers ({type(error).__name__})")
