"""A bounded closed loop of HTTP/1.1 requests over loopback, light enough that the server is what is measured.

Each connection sends a request, waits for the whole answer, and sends the next, until the time is up or the requests
are. What is under way then is still waited for, so an answer that was given is always counted. Only as much of HTTP as
that needs: every answer must say its content-length.

Run: ``python benchmarks/load.py http://127.0.0.1:8080/livez --connections 64 --seconds 5``.
"""

import argparse
import asyncio
import gc
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

HOST = "127.0.0.1"
GRACE_SECONDS = 60  # for the answers under way when the time is up
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Load:
    """What was answered.

    Attributes:
        seconds: from the first request to the last answer.
        latencies: seconds of every answer; in order once the load is over.
        counted: how often the bytes that were looked for stand in the answers.
        lost: requests whose connection ended before their answer.
        complaint: one answer whose status was not 2xx.
        cpu_seconds: what the server used of the processors meanwhile, if the caller has looked.
    """

    seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    counted: int = 0
    lost: int = 0
    complaint: bytes = b""
    cpu_seconds: float = 0.0

    @property
    def answers(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds if self.seconds else 0.0

    def millis(self, share: float) -> float:
        """The latency in milliseconds within which this share of the answers came."""
        return 1_000 * self.latencies[min(int(share * self.answers), self.answers - 1)] if self.answers else 0.0

    def must_be(self, status: int) -> "Load":
        """This load, if every request was answered with the status; ends the program otherwise."""
        if self.lost or set(self.statuses) != {status}:
            sys.exit(
                f"statuses: found {dict(self.statuses)} and {self.lost} without an answer; allowed {status} only: "
                f"{self.complaint[:500].decode(errors='replace')}"
            )
        return self


class Exchange(asyncio.Protocol):
    """A connection that carries one request at a time; every whole answer is handed over with its status."""

    def __init__(self, answered: Callable[[int, bytes], None], lost: Callable[[], None]) -> None:
        self._answered, self._lost = answered, lost
        self._transport: asyncio.Transport | None = None
        self._early = b""  # of a head that has not all come
        self._parts: list[bytes] = []
        self._missing = 0
        self._status = 0

    def ask(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
        else:
            data = self._early + data if self._early else data
            end = data.find(_END_OF_HEAD)
            if end < 0:
                self._early = data
                return
            self._early = b""
            head = data[:end].lower() + b"\r"
            place = head.index(_LENGTH) + len(_LENGTH)
            self._status = int(head[9:12])
            self._parts = [data[end + len(_END_OF_HEAD) :]]
            self._missing = int(head[place : head.index(b"\r", place)]) - len(self._parts[0])
        if self._missing == 0:
            parts, self._parts = self._parts, []
            self._answered(self._status, parts[0] if len(parts) == 1 else b"".join(parts))


class _Client:
    """One connection's loop."""

    def __init__(self, load: Load, requests: Iterator[bytes], counted: bytes, until: float) -> None:
        self._load, self._requests, self._counted, self._until = load, requests, counted, until
        self._asked = 0.0
        self._waiting = False
        self.exchange = Exchange(self._answered, self._closed)
        self.done = asyncio.get_running_loop().create_future()

    def next(self) -> None:
        now = perf_counter()
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self.exchange.close()
            return
        self._asked, self._waiting = now, True
        self.exchange.ask(request)

    def _answered(self, status: int, body: bytes) -> None:
        load = self._load
        load.latencies.append(perf_counter() - self._asked)
        load.statuses[status] += 1
        self._waiting = False
        if status // 100 != 2:
            load.complaint = body
        elif self._counted:
            load.counted += body.count(self._counted)
        self.next()

    def _closed(self) -> None:
        self._load.lost += self._waiting
        if not self.done.done():
            self.done.set_result(None)


def drive(
    port: int, requests: Iterable[bytes], *, connections: int, seconds: float = float("inf"), counted: bytes = b""
) -> Load:
    """Send requests in a closed loop.

    Args:
        port: of the server, on loopback.
        requests: whole requests, see `request`; shared by all connections, each sent once.
        connections: how many requests are under way at once.
        seconds: no request is begun after this long.
        counted: bytes whose occurrences in answers are counted.
    """
    load = Load()
    gc.collect()
    gc.disable()  # the requests that wait are many small objects; walking them would be felt in the latencies
    try:
        uvloop.run(_driven(load, port, iter(requests), connections, seconds, counted))
    finally:
        gc.enable()
    load.latencies = array("d", sorted(load.latencies))
    return load


async def _driven(
    load: Load, port: int, requests: Iterator[bytes], connections: int, seconds: float, counted: bytes
) -> None:
    loop = asyncio.get_running_loop()
    begun = perf_counter()
    clients = [_Client(load, requests, counted, begun + seconds) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client.exchange, HOST, port)  # type: ignore[misc]
    begun = perf_counter()
    for client in clients:
        client.next()
    most = None if seconds == float("inf") else seconds + GRACE_SECONDS
    _, late = await asyncio.wait([client.done for client in clients], timeout=most)
    load.seconds = perf_counter() - begun
    load.lost += len(late)


def request(method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
    """A whole request as it goes over the wire."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{authorization}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> int:
    parser = argparse.ArgumentParser(description="Load an address of this machine.")
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--method", default="GET")
    parser.add_argument("--body", default="")
    parser.add_argument("--key", default="")
    asked = parser.parse_args()
    url = urlsplit(asked.url)
    if url.hostname not in (HOST, "localhost") or url.port is None:
        parser.error(f"url: found {asked.url}; allowed http://{HOST}:<port>/…")
    path = url.path + (f"?{url.query}" if url.query else "") or "/"
    one = request(asked.method, path, asked.body.encode(), asked.key)
    load = drive(url.port, repeat(one), connections=asked.connections, seconds=asked.seconds)
    print(f"{load.rate:,.0f} requests/s; p50 {load.millis(0.5):.2f} ms, p99 {load.millis(0.99):.2f} ms")
    print(f"{load.answers:,} answers: {dict(load.statuses)}; {load.lost} without an answer")
    return int(load.lost > 0 or set(load.statuses) != {200})


if __name__ == "__main__":
    sys.exit(main())
