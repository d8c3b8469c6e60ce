"""Requests of somebody who means harm: each gets one clear answer, and the service goes on."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any
from urllib.parse import quote

import pytest

DECISION = {"campaign": "winback", "recipient": "ann", "request_id": "hostile"}
HOSTILE = [
    "'; DROP TABLE decisions; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "..\\..\\etc\\passwd",
    "%00",
    "a\r\nSet-Cookie: a=b",
    "\u202eevil",
    "\U0001f600",
    "a" * 100_000,
    "",
]


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def raw(url: str, request: bytes) -> bytes:
    """What a server answers to these very bytes until it closes the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65_536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received


def test_two_keys_in_one_request_are_refused_whichever_is_right(site: Any) -> None:
    wrong = site.key[:-1] + ("0" if site.key[-1] != "0" else "1")
    pairs: list[list[tuple[str, str]]] = [
        [("Authorization", f"Bearer {site.key}"), ("X-API-Key", wrong)],
        [("X-API-Key", site.key), ("Authorization", f"Bearer {wrong}")],
        [("Authorization", basic(site.key)), ("X-API-Key", site.key)],
        [("Authorization", f"Bearer {site.key}"), ("Authorization", f"Bearer {wrong}")],
        [("X-API-Key", site.key), ("X-API-Key", site.key)],
    ]
    with site.calling() as client:
        for headers in pairs:
            answer = client.post("/v1/decisions", json=DECISION, headers=headers)
            assert answer.status_code == 401, (headers, answer.text)
            assert answer.json()["detail"] == ("API key: found 2 of them in one request; allowed one, in one header")
        empty = [("Authorization", f"Bearer {site.key}"), ("X-API-Key", "")]
        assert client.post("/v1/decisions", json=DECISION, headers=empty).status_code == 200, "an empty one is none"


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/batch"])
def test_fields_that_come_after_the_body_say_nothing(site: Any, path: str) -> None:
    """A proxy in front has looked at those before it only: no key, no address and no id is taken from there."""
    batch = {"campaign": "winback", "recipients": [{"recipient": "a"}]}
    one = json.dumps(DECISION if path == "/v1/decisions" else batch)
    kind = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    start = b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (path.encode(), kind)
    key = b"Authorization: Bearer %b\r\n" % site.key.encode()
    body = b"%x\r\n%b\r\n0\r\n" % (len(one), one.encode())
    assert raw(site.url, start + b"\r\n" + body + key + b"\r\n").startswith(b"HTTP/1.1 401 ")
    for trailer in (key, b"X-API-Key: a\r\n", b"X-Request-ID: of-the-trailer\r\n"):
        answer = raw(site.url, start + key + b"\r\n" + body + trailer + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert b"of-the-trailer" not in answer
    odd = start + key + b"\r\n" + b"1\r\n{\r\n0\r\n" + key + b"\r\n"
    assert raw(site.url, odd).startswith(b"HTTP/1.1 400 "), "nor where the body is handed on"


def test_a_key_is_taken_as_it_is_and_not_normalised(site: Any) -> None:
    full_width = site.key.translate({ord("a"): "\uff41", ord("o"): "\uff4f"})
    spellings = [site.key.upper(), f"{site.key},", f"\u200b{site.key}", full_width, site.key.replace("_", "\u2017")]
    with site.calling() as client:
        for spelling in spellings:
            answer = client.post("/v1/decisions", json=DECISION, headers={"X-API-Key": spelling.encode()})
            assert answer.status_code == 401, spelling
            assert spelling not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1//campaigns",
        "//v1/campaigns",
        "/v1/./campaigns",
        "/V1/campaigns",
        "/v1/campaigns/",
        "/v1/campaigns;a=b",
        "/livez/../v1/campaigns",
        "/livez/%2e%2e/v1/campaigns",
        "/docs/../v1/campaigns",
        "/%76%31/campaigns",
        "/v1/campaigns%00",
        "/v1/campaigns%2fwinback",
    ],
)
def test_no_spelling_of_a_path_gets_past_the_key(site: Any, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status = int(raw(site.url, head.encode()).split()[1])
    assert status in {400, 401, 404, 405}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_no_identifier_takes_what_could_be_meant_for_a_database_a_page_or_a_header(site: Any, text: str) -> None:
    before = site.counts()
    at = "2026-01-01T00:00:00Z"
    event = {"event_id": "e", "decision_id": "d", "kind": "purchase", "occurred_at": at}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/decisions", {**DECISION, "campaign": text}),
        ("/v1/decisions", {**DECISION, "recipient": text}),
        ("/v1/decisions", {**DECISION, "request_id": text}),
        ("/v1/decisions", {**DECISION, "exclude": [text]}),
        ("/v1/decisions", {**DECISION, "time_zone": text}),
        ("/v1/decisions/batch", {"campaign": text, "recipients": [{"recipient": "a"}]}),
        ("/v1/outcomes", {**event, "event_id": text}),
        ("/v1/outcomes", {**event, "decision_id": text}),
        ("/v1/outcomes", {**event, "kind": text}),
        ("/v1/outcomes", {**event, "currency": text}),
    ]
    for path, body in bodies:
        answer = site.client.post(path, json=body)
        assert answer.status_code in {404, 422}, (path, body, answer.text[:500])
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 5_000, "what was found is shortened"
        assert "set-cookie" not in answer.headers
    assert site.counts() == before


@pytest.mark.parametrize("text", [text for text in HOSTILE if text], ids=lambda text: text[:12])
def test_no_part_of_a_path_takes_it_either(site: Any, text: str) -> None:
    part = quote(text[:2_000].encode("utf-8", "surrogatepass"), safe="")
    before = site.counts()
    for method, path in (
        ("GET", f"/v1/decisions/{part}"),
        ("GET", f"/v1/decisions/{part}/explain"),
        ("GET", f"/v1/campaigns/{part}"),
        ("GET", f"/v1/campaigns/{part}/report"),
        ("POST", f"/v1/campaigns/{part}/learn"),
        ("GET", f"/v1/recipients/{part}"),
        ("DELETE", f"/v1/suppressions/{part}"),
    ):
        answer = site.client.request(method, path)
        assert answer.status_code in {400, 404, 405, 422}, (method, path, answer.text[:500])
        assert answer.headers["content-type"] == "application/problem+json"
    assert site.counts() == before


def test_a_note_is_kept_as_it_is_written(site: Any) -> None:
    for text in HOSTILE[:6]:
        put = site.client.put("/v1/suppressions/hostile", json={"note": text})
        assert put.status_code == 200, put.text
    notes = [entry["note"] for entry in site.client.get("/v1/audit").json()["entries"]]
    assert [note for note in notes if note in HOSTILE]
    assert site.client.get("/v1/campaigns").status_code == 200


def test_headers_that_never_end_are_refused_and_the_service_goes_on(site: Any) -> None:
    many = b"".join(b"X-A-%d: %s\r\n" % (number, b"a" * 1_000) for number in range(2_000))
    for head in (b"X-A: " + b"a" * 2_000_000 + b"\r\n", many):
        key = f"X-API-Key: {site.key}\r\n".encode()
        start = b"GET /v1/campaigns HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + key
        answer = raw(site.url, start + head + b"\r\n")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), "refused, or reset while still sending"
    assert site.client.get("/v1/campaigns").status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x10\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Authorization: Bearer a\r\n folded\r\n",
        b"X-API-Key\x00: a\r\n",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(site: Any, head: bytes) -> None:
    """Smuggling: what a proxy took for a body must never be run as a second request of somebody else."""
    before = site.counts()
    smuggled = b"POST /v1/campaigns/winback/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    answer = raw(site.url, b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + smuggled)
    assert b" 200 OK" not in answer
    assert site.counts() == before
    assert site.client.get("/readyz").status_code == 200
