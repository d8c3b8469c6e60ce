"""A receiver of webhooks on this machine: it keeps what it was sent, and answers what it is told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server on a free port.

    Attributes:
        received: everything that was posted, in order.
        answers: statuses of the next answers; then `status`.
        answer: body of every answer, repeated so many times.
        silent: not set: it says nothing until it is.
    """

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    answer: tuple[bytes, int] = (b"", 0)
    talks: Event = field(default_factory=Event)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver, until the block ends."""
    here = Receiver()
    here.talks.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.received.append(Received(self.path, headers, body))
            here.talks.wait(30)
            self.send_response(here.answers.pop(0) if here.answers else here.status)
            for name, value in here.headers.items():
                self.send_header(name, value)
            text, times = here.answer
            if times > 1_000:
                self.send_header("connection", "close")
            else:
                self.send_header("content-length", str(len(text) * times))
            self.end_headers()
            try:
                for _ in range(times):
                    self.wfile.write(text)
            except OSError:  # nobody listens any more
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here.url = f"http://127.0.0.1:{server.server_port}/hook/s3cret-path"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.talks.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
