"""The head of a request, read part by part."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from optimizer.web.fast.heads import MOST_HEAD_BYTES, BoundedHeads
from optimizer.web.observing.request_ids import CURRENT

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
    wire = connected(*parts)
    return wire.written.count(b"HTTP/1.1 200"), wire.written.count(b"HTTP/1.1 400"), wire.closed


def connected(*parts: bytes) -> Wire:
    """The wire after these reads."""

    async def run() -> Wire:
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
        connection.connection_lost(ConnectionResetError())
        return wire

    return asyncio.run(run())


def test_a_head_in_one_read_passes() -> None:
    assert told(START + b"a" + END) == (1, 0, False)


@pytest.mark.parametrize(("more", "answers"), [(MOST_HEAD_BYTES, (1, 0, False)), (MOST_HEAD_BYTES + 2, (0, 1, True))])
def test_a_head_in_parts_passes_up_to_the_limit(more: int, answers: tuple[int, int, bool]) -> None:
    rest = b"a" * (more - len(END)) + END
    assert told(START, rest[: more // 2], rest[more // 2 : -1], rest[-1:]) == answers


def test_every_head_is_counted_from_nothing() -> None:
    part = b"a" * (MOST_HEAD_BYTES // 2)
    assert told(*[START, part, part[:1000] + END] * 4) == (4, 0, False)


def test_a_body_is_no_head() -> None:
    body = b"a" * MOST_HEAD_BYTES
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (4 * len(body))
    assert told(head, *[body] * 4, START + b"a" + END)[1:] == (0, False)


def test_a_head_that_ends_in_a_read_full_of_other_things_is_not_taken_for_long() -> None:
    body = b"a" * (2 * MOST_HEAD_BYTES)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert told(post[:20], post[20:])[1:] == (0, False)
    assert told(START, b"a" + END + 2000 * (START + b"a" + END))[1:] == (0, False)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
READ = 256 * 1024  # as much as a loop reads at once


def test_fields_after_a_body_are_as_bounded_as_those_before_it() -> None:
    for line in (b"X-A: " + b"a" * 990 + b"\r\n", b"a" * 997):
        assert told(CHUNKED + b"0\r\nX-A: ", *[line * 60] * 8)[1:] == (1, True)


def test_chunks_are_no_fields_however_large_and_however_they_are_cut() -> None:
    chunks = [b"%x\r\n" % (3 * READ), *[b"a" * READ] * 3, b"\r\n"] * 2
    assert told(CHUNKED, *chunks, b"0\r\n", b"X-A: a\r\n\r\n", START + b"a" + END)[1:] == (0, False)


def test_what_is_no_request_is_found_in_the_log_by_the_id_of_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(lambda record: setattr(record, "request_id", CURRENT.get()) or True)
    answer = connected(b"no request\r\n\r\n").written
    assert [f"urn:optimizer:request:{record.request_id}" for record in caplog.records] == [
        json.loads(answer.partition(b"\r\n\r\n")[2])["instance"]
    ]
