"""Sockets to listen on, and a server that shares their connections fairly with others like it.

One listening socket for all workers would be simplest, but whichever worker wakes first takes everything that waits:
of 64 connections made at once, one of two workers got 3 to 21 and the other the rest. So every worker has a socket of
its own on the same port (``SO_REUSEPORT``), among which the kernel shares connections by a hash. A socket that dies
with its worker would reset the connections waiting on it; here the parent keeps all of them open, the worker that takes
the dead one's place finds them waiting, and until then the others look after its socket too.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

import uvicorn

from optimizer.errors import ConfigurationError

BACKLOG = 2_048
DRAIN_SECONDS = 25  # less than the 30 that orchestrators usually grant


def listeners(host: str, port: int, n: int) -> list[socket.socket]:
    """Sockets of ours, so that the address is known before anyone can be told a wrong one.

    Args:
        host: address to listen on.
        port: port; 0 takes a free one.
        n: how many, all on one port.

    Raises:
        ConfigurationError: it cannot be listened on.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # One without the option first: it finds out whether somebody else, who has set it too, listens there already.
        first = socket.create_server((host, port), family=family, backlog=BACKLOG)
        if n == 1:
            return [first]
        address = first.getsockname()[:2]
        first.close()
        return [socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True) for _ in range(n)]
    except (OSError, UnicodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {reason}; allowed an address of this machine and a free port "
            "(--port 0 takes one)"
        ) from None


def url_of(listener: socket.socket) -> str:
    """Where a listener is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A server that says when it answers, turns callers away before it stops, and looks after its neighbours' sockets.

    Args:
        config: of uvicorn.
        announce: called once it answers.
        drain: called at the first signal: the service is not ready from here on.
        drain_delay_seconds: how long it goes on serving after that.
        neighbours: sockets of other workers, any of which may have died.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        drain: Callable[[], None],
        *,
        drain_delay_seconds: float = 0.0,
        neighbours: Sequence[socket.socket] = (),
    ) -> None:
        super().__init__(config)
        self._announce, self._drain = announce, drain
        self._drain_delay_seconds = drain_delay_seconds
        self._neighbours = neighbours
        self._parent = os.getppid()
        self._stop_at: float | None = None
        for neighbour in neighbours:
            neighbour.setblocking(False)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            try:
                self._announce()
            except BrokenPipeError:
                if not self._neighbours:
                    raise
                self._parent = 0  # it ended while we started: what was accepted is finished, and so are we

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Be not ready at once, and stop after the delay; a second signal does not wait for that."""
        self._drain()
        if self._stop_at is None and self._drain_delay_seconds > 0:
            self._stop_at = time.monotonic() + self._drain_delay_seconds
            self._captured_signals.append(sig)
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """What is looked after ten times a second; whether it is time to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        if self._neighbours:
            if os.getppid() != self._parent:  # nobody would start us again, nor end us
                self.should_exit = True
            await self._adopt()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and finish what was accepted."""
        for neighbour in self._neighbours:
            neighbour.close()
        await super().shutdown(sockets)

    async def _adopt(self) -> None:
        """Serve the connections that wait on neighbours' sockets: those neighbours are busy, or gone."""
        loop = asyncio.get_running_loop()
        for neighbour in self._neighbours:
            with suppress(OSError):  # BlockingIOError: nobody waits there
                while True:
                    connection, _ = neighbour.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for every connection."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made
