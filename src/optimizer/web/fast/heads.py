"""What comes over a connection before it is a request: its head is bounded, and what is none is told so.

A head may ask for another protocol: Java's own client and ``curl --http2`` ask for HTTP/2 in every first request. A
server need not want that (RFC 9110, section 7.8) and then answers the request as it is, with its body. The parser sees
no body in such a request, so what follows its head is given to another parser, which is told of the length alone.

Fields may come after a body, too, and say nothing here: what is in front of us has looked at those before it, and a
server need not use any (RFC 9110, section 6.5.1).
"""

from __future__ import annotations

import httptools
import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from optimizer.deployment import random_id
from optimizer.web.headers import SECURITY_HEADERS
from optimizer.web.observing.request_ids import CURRENT, HEADER
from optimizer.web.problems import MEDIA_TYPE, problem

MOST_HEAD_BYTES = 64 * 1024  # as most proxies and servers have it, or less


class BoundedHeads(HttpToolsProtocol):
    """A connection that is closed with a 400 when a head is longer than `MOST_HEAD_BYTES`, or cannot be read.

    uvicorn's parser would keep headers for as long as somebody sends them. What is counted are the reads after the one
    in which the head began, so that an ordinary request, which comes in one read, costs nothing.
    """

    _in_head = False
    _head_bytes = 0
    _goes_on = False  # while another parser is told how long the body is
    _answering: RequestResponseCycle | None = None  # of several requests on their way, the one the app has in hand

    def data_received(self, data: bytes) -> None:
        """Count, and parse."""
        if self._in_head:
            self._head_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse("request: found bytes that cannot be read as one; allowed HTTP/1.1")
            return
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:  # still: it may have ended where a large body begins
            self._refuse(f"head: found more than {MOST_HEAD_BYTES:,} bytes; allowed at most that many")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It ends."""
        self._in_head = False
        if not self._goes_on:
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins. It may be the last, after which come fields again; the next read tells."""
        self._in_head, self._head_bytes = True, 0
        self.headers = []  # those before the body are in the scope by now

    def on_body(self, body: bytes) -> None:
        """Some of the body, or all of it."""
        self._in_head = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """So does its body; where another protocol was asked for, it only begins."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _go_on(self, data: bytes) -> None:
        """Read the body of a request that has asked for another protocol, and whatever comes after it."""
        url, headers, scope, expects = self.url, self.headers, self.scope, self.expect_100_continue
        framed = [b"%b: %b\r\n" % pair for pair in headers if pair[0] in (b"content-length", b"transfer-encoding")]
        keeps = b"" if self.parser.should_keep_alive() else b"connection: close\r\n"
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has its own
        self._goes_on = True
        self.data_received(b"POST / HTTP/1.1\r\n" + b"".join(framed) + keeps + b"\r\n")
        self._goes_on = False
        self.url, self.headers, self.scope, self.expect_100_continue = url, headers, scope, expects
        if data:
            self.data_received(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller left: uvicorn says so to the newest request only; an older one would be answered to nobody."""
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def _refuse(self, detail: str) -> None:
        """Close the connection, as nothing that still comes can be understood. What was asked before is answered."""
        request_id = random_id()
        CURRENT.set(request_id)  # what stands there is of a request before, maybe of another connection
        self.logger.warning("bytes that are no request")
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = True  # it waits for a body that never comes
            cycle.message_event.set()
        body = orjson.dumps(
            {**problem(400, "not-a-request", detail), "instance": f"urn:optimizer:request:{request_id}"}
        )
        headers = (
            *(
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ),
            *((HEADER, request_id.encode()), *SECURITY_HEADERS),
        )
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + body)
        self.transport.close()
