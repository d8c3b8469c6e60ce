"""The parent of several workers: it starts them, starts those anew that die, and stops them all."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from optimizer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = b"ready\n"  # what a worker writes to its standard output once it answers
AT_ONCE_SECONDS = 5.0  # a worker that lived shorter than this has not really served
MOST_FAILURES = 5  # in a row, of one worker, while no other serves
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0  # before a worker that failed is started again
LISTEN_SECONDS = 0.2

log = structlog.get_logger("optimizer")


@dataclass
class _Place:
    """One of the workers, whichever process is it now."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    serving: bool = False
    failures: int = 0


class Workers:
    """N workers that are processes of their own.

    Args:
        commands: what starts each of them.
        sockets: what they listen on, inherited; this process keeps them open, so that what waits there outlives them.
        announce: called once all of them serve.
        patience_seconds: how long they may take to stop.
        environment: what theirs has besides ours.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        sockets: Sequence[socket.socket],
        announce: Callable[[], None],
        patience_seconds: float,
        environment: Mapping[str, str],
    ) -> None:
        self._environment = environment
        self._commands = commands
        self._sockets = sockets
        self._announce: Callable[[], None] | None = announce
        self._patience_seconds = patience_seconds
        self._places = [_Place(number) for number in range(1, len(commands) + 1)]
        self._asked_to_stop = False

    def run(self) -> None:
        """Keep them serving until a signal comes; then have them finish what they accepted.

        Raises:
            Unavailable: they die as soon as they are started, or did not finish in time.
        """
        with self._signals():
            try:
                while not self._asked_to_stop:
                    self._start_who_is_due()
                    self._listen()
                    self._give_up_if_hopeless()
            finally:
                in_time = self._stop()
        if not in_time:
            raise Unavailable(f"workers: found some that did not stop within {self._patience_seconds:g} seconds")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self._asked_to_stop = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_who_is_due(self) -> None:
        for place in self._places:
            if place.process is None and time.monotonic() >= place.start_at:
                place.process = subprocess.Popen(  # noqa: S603 - a command of our own
                    self._commands[place.number - 1],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    pass_fds=[each.fileno() for each in self._sockets],
                    env={**os.environ, **self._environment},
                    start_new_session=True,  # Ctrl-C at a terminal reaches us, and we tell them
                )
                place.started_at, place.serving = time.monotonic(), False
                log.info("worker started", worker=place.number, process=place.process.pid)

    def _listen(self) -> None:
        """Wait a moment for what workers say; the end of what one says is its own end."""
        talking = {
            place.process.stdout.fileno(): place
            for place in self._places
            if place.process is not None and place.process.stdout is not None
        }
        heard, _, _ = select.select(list(talking), [], [], LISTEN_SECONDS)
        for descriptor in heard:
            place = talking[descriptor]
            if os.read(descriptor, 1_024):
                place.serving = True
            else:
                self._ended(place)
        if self._announce is not None and all(place.serving for place in self._places):
            self._announce()
            self._announce = None

    def _ended(self, place: _Place) -> None:
        assert place.process is not None  # noqa: S101 - it has just told us so
        code = _reaped(place.process)
        lived = time.monotonic() - place.started_at
        place.failures = place.failures + 1 if not place.serving or lived < AT_ONCE_SECONDS else 0
        pause = (
            min(SHORTEST_PAUSE_SECONDS * 2 ** (place.failures - 1), LONGEST_PAUSE_SECONDS) if place.failures else 0.0
        )
        if not self._asked_to_stop:
            log.warning(
                "worker ended", worker=place.number, process=place.process.pid, code=code, again_after_seconds=pause
            )
        place.process, place.serving, place.start_at = None, False, time.monotonic() + pause

    def _give_up_if_hopeless(self) -> None:
        worst = max(place.failures for place in self._places)
        if worst >= MOST_FAILURES and not any(place.serving for place in self._places):
            raise Unavailable(
                f"workers: found one that ended {worst} times as soon as it was started; allowed workers that serve; "
                "the log above says why they ended"
            )

    def _stop(self) -> bool:
        """Have all of them stop; whether they did in time."""
        for each in self._sockets:
            each.close()  # once the workers have closed theirs, new connections are refused
        running = [place for place in self._places if place.process is not None]
        for place in running:
            place.process.terminate()  # type: ignore[union-attr]
        until = time.monotonic() + self._patience_seconds
        in_time = True
        for place in running:
            assert place.process is not None  # noqa: S101
            try:
                place.process.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                place.process.kill()
                in_time = False
            _reaped(place.process)
        return in_time


def _reaped(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code
