"""Bytes on a socket that are no good request: each gets an answer in our shape, or none, and the service goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optimizer.web.headers import TEXT_HEADERS

BODY = b'{"campaign":"winback","recipient":"raw","request_id":"raw"}'
BATCH = b'{"campaign":"winback","recipients":[{"recipient":"a"}]}'
SIZE = len(BODY)
LENGTH = b"Content-Length: %d\r\n" % SIZE
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PATIENCE_SECONDS = 10.0
MOMENT_SECONDS = 0.2


class Reply(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


LAST = b"Connection: close\r\n"


def asked(head: bytes = LENGTH, body: bytes = BODY, *, line: bytes = b"POST /v1/decisions HTTP/1.1") -> bytes:
    """A request with the key in place of `KEY`; the connection is closed after its answer."""
    marked = b"Content-Type: application/json\r\n" + LAST
    return line + b"\r\nHost: x\r\nAuthorization: Bearer KEY\r\n" + marked + head + b"\r\n" + body


def got(path: bytes, head: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n" + LAST + head + b"\r\n"


def open_after(request: bytes) -> bytes:
    """The same, after which the connection stays open."""
    return request.replace(LAST, b"")


def in_chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def said(site: Any, request: bytes, answers: int, at_once: int | None = None) -> bytes:
    """Everything a server answers to these bytes, of which it gets so many at a time.

    While it waits for more it is told, a moment after so many answers, that there will be none; then it must let go,
    and owes no answer any more.
    """
    host, port = site.url.removeprefix("http://").split(":")
    sent = request.replace(b"KEY", site.key.encode())
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            for start in range(0, len(sent), at_once or max(1, len(sent))):
                connection.sendall(sent[start : start + (at_once or len(sent))])
            try:
                while True:
                    connection.settimeout(PATIENCE_SECONDS if begun(received) < answers else MOMENT_SECONDS)
                    if not (part := connection.recv(65_536)):
                        break
                    received += part
            except TimeoutError:
                connection.settimeout(PATIENCE_SECONDS)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65_536):  # a timeout fails the test
                    received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received


def begun(received: bytes) -> int:
    """How many answers there are so far, apart from those that only ask to go on."""
    return received.count(b"HTTP/1.1 ") - received.count(b"HTTP/1.1 100 ")


def replies(received: bytes) -> Iterator[Reply]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        if status == 100:
            received = rest
            continue
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        yield Reply(status, headers, rest[:length])
        received = rest[length:]


def statuses(site: Any, request: bytes, answers: int = 1, at_once: int | None = None) -> list[int]:
    """The statuses of the answers, each of which is in our shape; and another connection is served as ever."""
    found = list(replies(said(site, request, answers, at_once)))
    for reply in found:
        assert reply.status < 500, reply
        assert reply.headers["x-request-id"]
        assert TEXT_HEADERS.items() <= {**reply.headers, "content-security-policy": TEXT_HEADERS_POLICY}.items()
        if reply.status >= 400 and reply.body:
            assert reply.headers["content-type"] == "application/problem+json"
            problem = json.loads(reply.body)
            assert problem["status"] == reply.status
            assert "found" in problem["detail"]
            assert problem["instance"].endswith(reply.headers["x-request-id"])
    assert site.client.get("/livez").status_code == 200
    return [reply.status for reply in found]


TEXT_HEADERS_POLICY = TEXT_HEADERS["content-security-policy"]
GOOD = {
    "a body in one": asked(),
    "a body in chunks": asked(CHUNKED, in_chunks(BODY[:9], BODY[9:])),
    "an extension of a chunk": asked(CHUNKED, b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "an escaped path": asked(line=b"POST /v1/%64ecisions HTTP/1.1"),
    "a whole address": asked(line=b"POST http://x/v1/decisions HTTP/1.1"),
    "a query nobody reads": asked(line=b"POST /v1/decisions?a=%00&b=%ff&&= HTTP/1.1"),
    "an old version": asked(line=b"POST /v1/decisions HTTP/1.0"),
    "told to go on": asked(b"Expect: 100-continue\r\n" + LENGTH),
    "said twice what it is": asked(b"Content-Type: application/json\r\n" + LENGTH),
    "said to be packed": asked(b"Content-Encoding: gzip\r\n" + LENGTH),
    "an id that is none": asked(b"X-Request-ID: \xff\r\n" + LENGTH),
    "hops that are none": asked(
        b"X-Forwarded-For: \xff, [::1%\xff]:99999999, \r\nX-Forwarded-Proto: \xff\r\n" + LENGTH
    ),
    "a trace that is none": asked(b"traceparent: \xff-00\r\nbaggage: \xff\r\n" + LENGTH),
    "empty lines before it": b"\r\n\r\n" + asked(),
    "metrics of an odd version": got(b"/metrics", b"Accept: text/plain; version=x, a/b; q=\xff\r\n"),
    "metrics of an odder version": got(b"/metrics", b"Accept: application/openmetrics-text; version=\xff.\xb2\r\n"),
    "metrics escaped oddly": got(b"/metrics", b"Accept: text/plain; version=1.0.0; escaping=\xff\r\n"),
    "a fragment": got(b"/livez#a"),
}
HTTP_2 = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
UPGRADING = {
    "a decision": open_after(asked(HTTP_2 + LENGTH)),
    "a decision in chunks": open_after(asked(HTTP_2 + CHUNKED, in_chunks(BODY[:9], BODY[9:]))),
    "a decision told to go on": open_after(asked(HTTP_2 + b"Expect: 100-continue\r\n" + LENGTH)),
    "some decisions": open_after(
        asked(HTTP_2 + b"Content-Length: %d\r\n" % len(BATCH), BATCH, line=b"POST /v1/decisions/batch HTTP/1.1")
    ),
    "no body": open_after(got(b"/livez", HTTP_2)),
    "another protocol": open_after(got(b"/livez", HTTP_2.replace(b"h2c", b"websocket"))),
}
BAD = {
    "a chunk of no size": asked(CHUNKED, b"zz\r\n" + BODY),
    "a chunk of less than nothing": asked(CHUNKED, b"-5\r\n" + BODY),
    "a chunk beyond counting": asked(CHUNKED, b"ffffffffffffffffff\r\n" + BODY),
    "a chunk longer than it says": asked(CHUNKED, b"5\r\n" + BODY),
    "two ways to measure": asked(b"Content-Length: 5\r\n" + CHUNKED, in_chunks(BODY)),
    "two lengths": asked(LENGTH + LENGTH),
    "a list of lengths": asked(b"Content-Length: %d, %d\r\n" % (SIZE, SIZE)),
    "a length with a sign": asked(b"Content-Length: +%d\r\n" % SIZE),
    "an empty length": asked(b"Content-Length: \r\n"),
    "a length beyond counting": asked(b"Content-Length: 99999999999999999999999999\r\n"),
    "a coding twice": asked(CHUNKED + CHUNKED, in_chunks(BODY)),
    "another version": asked(line=b"POST /v1/decisions HTTP/9.9"),
    "another protocol": asked(line=b"POST /v1/decisions FTP/1.1"),
    "the start of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the start of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100,
    "nothing but NUL": bytes(1_000),
    "a long method": b"A" * 5_000 + b" / HTTP/1.1\r\n\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\n\r\n",
    "a method with NUL": b"G\0T /livez HTTP/1.1\r\n\r\n",
    "a path with NUL": got(b"/v1/campaigns/\0"),
    "a path with bytes": got(b"/v1/campaigns/\xff\xfe"),
    "a path with a space": got(b"/v1/cam paigns"),
    "no path": got(b""),
    "half an address": got(b"x:80"),
    "a port that is none": got(b"http://a:b@x:99999/livez"),
    "a header without a colon": got(b"/livez", b"abc\r\n"),
    "a header without a name": got(b"/livez", b": a\r\n"),
    "a header with NUL": got(b"/livez", b"X-A: a\0b\r\n"),
    "a folded header": got(b"/livez", b"X-A: a\r\n b\r\n"),
    "bare line feeds": b"GET /livez HTTP/1.1\nHost: x\n\n",
    "bare carriage returns": b"GET /livez HTTP/1.1\rHost: x\r\r",
}
OTHER = {
    "half a body": (asked(b"Content-Length: %d\r\n" % (SIZE + 10)), []),
    "chunks without an end": (asked(CHUNKED, b"%x\r\n%b\r\n" % (SIZE, BODY)), []),
    "half a head": (b"GET /livez HTTP/1.1\r\nHost", []),
    "nothing": (b"", []),
    "a large body": (asked(b"Content-Length: 9000000\r\n", b""), [413]),
    "the largest body": (asked(b"Content-Length: 9223372036854775807\r\n", b""), [413]),
    "a large body, if it may": (asked(b"Expect: 100-continue\r\nContent-Length: 9000000\r\n", b""), [413]),
    "a body of no length": (open_after(asked(b"")), [422]),
    "an empty body": (asked(b"Content-Length: 0\r\n", b""), [422]),
    "no known method": (got(b"/v1/decisions", method=b"PROPFIND"), [405]),
    "no body wanted": (got(b"/v1/decisions", method=b"HEAD"), [405]),
    "a tunnel": (got(b"x:443", method=b"CONNECT"), [400]),
    "everything": (got(b"*", method=b"OPTIONS"), [404]),
    "an upgrade": (got(b"/v1/decisions", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), [405]),
    "an escaped NUL": (got(b"/v1/campaigns/%00"), [422]),
    "escaped bytes": (got(b"/v1/campaigns/%ff%fe"), [422]),
    "an escape that is none": (got(b"/v1/campaigns/%zz%1"), [422]),
    "dots": (got(b"/v1/../../etc/passwd"), [404]),
    "slashes": (got(b"/..//..//v1//campaigns"), [404]),
    "a long path": (got(b"/" + b"a" * 60_000), [404]),
    "a query of bytes": (got(b"/v1/audit?n=%ff&&==&n"), [422]),
    "what would be a second key, but comes after the body": (
        asked(CHUNKED, b"%x\r\n%b\r\n0\r\nX-API-Key: a\r\n\r\n" % (SIZE, BODY)),
        [200],
    ),
    "a key of bytes": (b"GET /v1/campaigns HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", [401]),
    "a key in no code": (b"GET /v1/campaigns HTTP/1.1\r\nAuthorization: Basic \xff=\r\n\r\n", [401]),
    "a key without a colon": (b"GET /v1/campaigns HTTP/1.1\r\nAuthorization: Basic b3B0\r\n\r\n", [401]),
    "no key after its kind": (b"GET /v1/campaigns HTTP/1.1\r\nAuthorization: Bearer\r\n\r\n", [401]),
    "one after another": (open_after(asked()) * 4 + asked(), [200] * 5),
    "many after another": (open_after(got(b"/livez")) * 199 + got(b"/livez"), [200] * 200),
    "one after one that is wrong": (open_after(got(b"/nothing")) + asked(), [404, 200]),
    "one after one that is too large": (open_after(asked(b"Content-Length: 9000000\r\n", b"")) + asked(), [413]),
    "no request after one": (open_after(asked()) + b"\xff\xff\r\n\r\n", [200]),
    "no request after three": (open_after(asked()) * 3 + b"\xff\xff\r\n\r\n", [200] * 3),
}


@pytest.mark.parametrize("request_bytes", GOOD.values(), ids=GOOD)
def test_what_is_odd_and_clear_is_answered(site: Any, request_bytes: bytes) -> None:
    assert statuses(site, request_bytes) == [200]


@pytest.mark.parametrize("request_bytes", BAD.values(), ids=BAD)
def test_what_is_no_request_is_told_so_and_nothing_is_done(site: Any, request_bytes: bytes) -> None:
    before = site.counts()
    assert statuses(site, request_bytes) == [400]
    assert site.counts() == before


@pytest.mark.parametrize(("request_bytes", "expected"), OTHER.values(), ids=OTHER)
def test_every_other_request_has_its_answer(site: Any, request_bytes: bytes, expected: list[int]) -> None:
    assert statuses(site, request_bytes, len(expected)) == expected


@pytest.mark.parametrize("name", ["a body in one", "a body in chunks", "told to go on"])
def test_a_request_may_come_byte_by_byte(site: Any, name: str) -> None:
    assert statuses(site, GOOD[name], at_once=1) == [200]


@pytest.mark.parametrize("at_once", [None, 1, 100])
@pytest.mark.parametrize("request_bytes", UPGRADING.values(), ids=UPGRADING)
def test_another_protocol_may_be_asked_for_and_is_not_spoken(
    site: Any, request_bytes: bytes, at_once: int | None
) -> None:
    """As Java's own client does with every first request. The connection serves on, for that and for what follows."""
    for follows in (asked(), open_after(asked()) + request_bytes + asked()):
        expected = [200] * (2 if follows == asked() else 4)
        assert statuses(site, request_bytes + follows, len(expected), at_once) == expected


def failures(site: Any) -> list[str]:
    """What the metrics count of requests that failed by our own fault."""
    return [line for line in site.client.get("/metrics").text.splitlines() if 'status="5' in line and "_count" in line]


def test_whoever_leaves_before_the_answer_takes_nobody_along(site: Any) -> None:
    before = failures(site)
    host, port = site.url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall((open_after(asked()) * 3).replace(b"KEY", site.key.encode()))
    assert statuses(site, asked()) == [200]
    assert failures(site) == before


NOISE = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"\r\n", b"\r\n\r\n", b"\0", b" ", b":", b"%00", b"0\r\n\r\n", b"Content-Length: 1\r\n", CHUNKED]),
)


@settings(max_examples=60)
@given(
    base=st.sampled_from(
        [asked(), asked(CHUNKED, in_chunks(BODY)), got(b"/v1/audit?n=1"), got(b"/v1/campaigns/winback")]
    ),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), NOISE), min_size=1, max_size=3),
)
@example(base=open_after(asked()), edits=[(1.0, 0, b"\xff\r\n\r\n")])
def test_no_damage_to_a_request_is_a_defect(site: Any, base: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for where, n_removed, noise in edits:
        at = int(where * len(base))
        base = base[:at] + noise + base[at + n_removed :]
    assert len(statuses(site, base, answers=0)) <= 3
