"""The head of a request, read part by part."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from optimizer.web.fast.heads import MOST_HEAD_BYTES, BoundedHeads

START = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "
END = b"\r\n\r\n"


class Wire(asyncio.Transport):
    """What a connection was told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def told(*parts: bytes) -> tuple[int, int, bool]:
    """What comes of these reads: answers of 200, answers of 400, and whether the connection is closed."""

    async def run() -> tuple[int, int, bool]:
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http=BoundedHeads)
        config.load()
        wire = Wire()
        connection = BoundedHeads(config, ServerState(), {})
        connection.connection_made(wire)
        for part in parts:
            if not wire.closed:
                connection.data_received(part)
                await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        found = wire.written.count(b"HTTP/1.1 200"), wire.written.count(b"HTTP/1.1 400"), wire.closed
        connection.connection_lost(None)
        return found

    return asyncio.run(run())


def test_a_head_in_one_read_passes() -> None:
    assert told(START + b"a" + END) == (1, 0, False)


@pytest.mark.parametrize(("more", "answers"), [(MOST_HEAD_BYTES, (1, 0, False)), (MOST_HEAD_BYTES + 1, (0, 1, True))])
def test_a_head_in_parts_passes_up_to_the_limit(more: int, answers: tuple[int, int, bool]) -> None:
    rest = b"a" * (more - len(END)) + END
    assert told(START, rest[: more // 2], rest[more // 2 :]) == answers


def test_every_head_is_counted_from_nothing() -> None:
    part = b"a" * (MOST_HEAD_BYTES // 2)
    assert told(*[START, part, part[:1000] + END] * 4) == (4, 0, False)


def test_a_body_is_no_head() -> None:
    body = b"a" * MOST_HEAD_BYTES
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (4 * len(body))
    assert told(head, *[body] * 4, START + b"a" + END)[1:] == (0, False)
