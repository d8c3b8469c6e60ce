"""Bad input gets one clear error that names place, value found and value allowed, and changes nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

HOSTILE = {
    "sql": "'; DROP TABLE decisions; --",
    "html": "<script>alert(1)</script>",
    "emoji": "🦊",
    "nul": "a\x00b",
    "newline": "a\nb",
    "trailing newline": "ann\n",
    "empty": "",
    "space": " ann",
    "long": "x" * 129,
    "very long": "x" * 1_000_000,
    "slashes": "../../etc/passwd",
    "percent": "%00%0a",
    "arabic digits": "٣",
    "template": "{{7*7}}${7*7}",
}
NOW = datetime.now(UTC)
numbers = count(1)


def decision(**changes: Any) -> dict[str, Any]:
    return {"campaign": "winback", "recipient": "ann", "request_id": "bad", **changes}


def outcome(**changes: Any) -> dict[str, Any]:
    event = {"event_id": "bad", "decision_id": "0" * 32, "kind": "purchase", "occurred_at": NOW.isoformat()}
    return {**event, **changes}


def is_problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The problem an answer carries, after checking its shape."""
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail"}
    assert problem["type"].startswith("urn:optimizer:problem:")
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    for error in problem.get("errors", []):
        assert error.keys() == {"pointer", "found", "allowed"}
        assert all(isinstance(text, str) and text for text in error.values())
    if answer.status_code == 422:
        assert problem["errors"]
    assert len(answer.content) < 20_000, "an error shall not repeat what it was sent"
    assert "Traceback" not in answer.text
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return sorted(error["pointer"] for error in problem["errors"])


@pytest.fixture
def unchanged(site: Any) -> Iterator[Any]:
    """The site, after whose test no table has another number of rows."""
    before = site.counts()
    yield site
    assert site.counts() == before
    assert site.client.get("/readyz").status_code == 200


# ---------------------------------------------------------------- bodies that are not JSON

NOT_JSON = {
    "nothing": b"",
    "half an object": b'{"campaign": "winback"',
    "a word": b"winback",
    "invalid utf-8": b'{"campaign": "winb\xff\xfeack", "recipient": "ann"}',
    "utf-16": '{"campaign": "winback"}'.encode("utf-16"),
    "a lone surrogate": b'{"campaign": "winback", "recipient": "\\ud800"}',
    "half a pair": b'{"campaign": "winback", "recipient": "\\udc00\\ud800"}',
    "nan": b'{"campaign": "winback", "recipient": "ann", "attributes": {"days": NaN}}',
    "infinity": b'{"campaign": "winback", "recipient": "ann", "attributes": {"days": -Infinity}}',
    "a trailing comma": b'{"campaign": "winback", "recipient": "ann",}',
    "two values": b'{"campaign": "winback", "recipient": "ann"} {}',
    "a comment": b'{"campaign": "winback" /* here */}',
    "a raw nul": b'{"campaign": "win\x00back"}',
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand closed brackets": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand braces": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/batch", "/v1/outcomes"])
@pytest.mark.parametrize("name", NOT_JSON)
def test_a_body_that_is_not_json_is_one_clear_problem(unchanged: Any, path: str, name: str) -> None:
    answer = unchanged.client.post(path, content=NOT_JSON[name], headers={"Content-Type": "application/json"})
    problem = is_problem(answer, 400, 422)
    assert "body" in problem["detail"] or name == "nothing"


@pytest.mark.parametrize("body", [None, [], [1], "text", 17, True, 1.5, {}])
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/batch", "/v1/outcomes"])
def test_json_of_another_shape_is_refused_with_place_and_shape(unchanged: Any, path: str, body: Any) -> None:
    problem = is_problem(unchanged.client.post(path, json=body), 422)
    assert all(error["pointer"].startswith("/") for error in problem["errors"]), problem


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/octet-stream"])
def test_a_body_that_is_not_marked_as_json_is_refused_and_told_so(unchanged: Any, kind: str) -> None:
    answer = unchanged.client.post(
        "/v1/decisions", content=json.dumps(decision()).encode(), headers={"Content-Type": kind}
    )
    assert "application/json" in is_problem(answer, 422)["detail"]


# ---------------------------------------------------------------- decisions

BAD_DECISIONS: list[tuple[dict[str, Any], list[str]]] = [
    (decision(campaign=None), ["/campaign"]),
    (decision(campaign=7), ["/campaign"]),
    (decision(recipient=7), ["/recipient"]),
    (decision(recipient=["ann"]), ["/recipient"]),
    (decision(request_id=7), ["/request_id"]),
    (decision(request_id="r" * 65), ["/request_id"]),
    (decision(attributes=[]), ["/attributes"]),
    (decision(attributes={"days": [1]}), ["/attributes/days"]),
    (decision(attributes={"days": {"a": 1}}), ["/attributes/days"]),
    (decision(attributes={"days": "12"}), ["/attributes/days"]),
    (decision(attributes={"days": True}), ["/attributes/days"]),
    (decision(attributes={"days": -0.001}), ["/attributes/days"]),
    (decision(attributes={"days": 10**15}), ["/attributes/days"]),
    (decision(attributes={"days": 10**40}), ["/attributes/days"]),
    (decision(attributes={"days": 1e308}), ["/attributes/days"]),
    (decision(attributes={"country": "Atlantis"}), ["/attributes/country"]),
    (decision(attributes={"country": "x" * 1_000_000}), ["/attributes/country"]),
    (decision(attributes={"vip": 1}), ["/attributes/vip"]),
    (decision(attributes={"shoe_size": 43}), ["/attributes/shoe_size"]),
    (decision(attributes={"a/b~c": 43}), ["/attributes/a~1b~0c"]),
    (decision(attributes={"days": -1, "vip": "yes"}), ["/attributes/days", "/attributes/vip"]),
    (decision(attributes={f"a{n}": 1 for n in range(201)}), ["/attributes"]),
    (decision(exclude="hello"), ["/exclude"]),
    (decision(exclude=["hello", "no such id!"]), ["/exclude/1"]),
    (decision(exclude=["x"] * 101), ["/exclude"]),
    (decision(defer_exposure="yes"), ["/defer_exposure"]),
    (decision(defer_exposure=1), ["/defer_exposure"]),
    (decision(colour="red"), ["/colour"]),
    ({"campaign": "winback"}, ["/recipient"]),
    ({}, ["/campaign", "/recipient"]),
]


@pytest.mark.parametrize(("body", "places"), BAD_DECISIONS, ids=range(len(BAD_DECISIONS)))
def test_a_wrong_decision_request_names_every_place(unchanged: Any, body: dict[str, Any], places: list[str]) -> None:
    assert pointers(is_problem(unchanged.client.post("/v1/decisions", json=body), 422)) == places


def test_an_undeclared_attribute_is_told_what_is_declared(unchanged: Any) -> None:
    problem = is_problem(unchanged.client.post("/v1/decisions", json=decision(attributes={"dayz": 1})), 422)
    assert problem["errors"] == [
        {"pointer": "/attributes/dayz", "found": "dayz", "allowed": problem["errors"][0]["allowed"]}
    ]
    assert "days" in problem["errors"][0]["allowed"]


@pytest.mark.parametrize(("value", "found"), [({"x": 1}, "an object with 1 key"), (["US"], "a list of 1")])
def test_an_attribute_that_is_no_plain_value_is_told_what_one_may_be(unchanged: Any, value: Any, found: str) -> None:
    problem = is_problem(unchanged.client.post("/v1/decisions", json=decision(attributes={"country": value})), 422)
    allowed = "true or false, or a number, or text"
    assert problem["errors"] == [{"pointer": "/attributes/country", "found": found, "allowed": allowed}]


def test_an_amount_that_is_none_is_told_what_one_may_be_in_words_of_json(unchanged: Any) -> None:
    problem = is_problem(unchanged.client.post("/v1/outcomes", json=outcome(value=True)), 422)
    allowed = "a number, or a decimal number as text"
    assert problem["errors"] == [{"pointer": "/value", "found": "true", "allowed": allowed}]


def test_an_unknown_campaign_is_not_found_and_told_which_there_are(unchanged: Any) -> None:
    problem = is_problem(unchanged.client.post("/v1/decisions", json=decision(campaign="nonsense")), 404)
    assert problem["detail"] == "campaign: found 'nonsense'; allowed members, newsletter, winback"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("field", ["campaign", "recipient", "request_id", "exclude"])
def test_hostile_text_in_an_id_of_a_decision_is_refused(unchanged: Any, field: str, name: str) -> None:
    value: Any = [HOSTILE[name]] if field == "exclude" else HOSTILE[name]
    allowed = {("recipient", "slashes")}
    if (field, name) in allowed:
        pytest.skip("a recipient id may hold slashes")
    problem = is_problem(unchanged.client.post("/v1/decisions", json=decision(**{field: value})), 422)
    assert pointers(problem)[0].startswith(f"/{field}")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("field", ["event_id", "decision_id", "kind", "reverses", "currency", "recipient", "campaign"])
def test_hostile_text_in_an_id_of_an_outcome_is_refused(unchanged: Any, field: str, name: str) -> None:
    if (field, name) == ("recipient", "slashes"):
        pytest.skip("a recipient id may hold slashes")
    event = outcome(**{field: HOSTILE[name]})
    if field in {"recipient", "campaign"}:
        event = {"recipient": "ann", "campaign": "winback", **event}
        del event["decision_id"]
    problem = is_problem(unchanged.client.post("/v1/outcomes", json=event), 422)
    assert f"/{field}" in pointers(problem)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in {"very long", "empty"}])
def test_hostile_text_in_a_path_is_refused(unchanged: Any, name: str) -> None:
    text = quote(HOSTILE[name], safe="")
    for path in (f"/v1/decisions/{text}", f"/v1/campaigns/{text}/report", f"/v1/recipients/{text}"):
        is_problem(unchanged.client.get(path), 404, 422)
    if name != "slashes":  # a recipient id may hold some
        is_problem(unchanged.client.put(f"/v1/recipients/{text}", json={"attributes": {}}), 404, 422)


def test_bytes_in_a_path_that_are_no_text_are_refused(unchanged: Any) -> None:
    for path in ("/v1/decisions/%ff%fe", "/v1/recipients/%ed%a0%80", "/v1/campaigns/%00"):
        is_problem(unchanged.client.get(path), 404, 422)


# ---------------------------------------------------------------- outcomes

BAD_OUTCOMES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/event_id", "/kind", "/occurred_at"]),
    (outcome(event_id=None), ["/event_id"]),
    (outcome(occurred_at="yesterday"), ["/occurred_at"]),
    (outcome(occurred_at="2026-12-01T09:00:00"), ["/occurred_at"]),
    (outcome(occurred_at="2026-13-01T09:00:00Z"), ["/occurred_at"]),
    (outcome(occurred_at="2026-12-01"), ["/occurred_at"]),
    (outcome(occurred_at=None), ["/occurred_at"]),
    (outcome(occurred_at=True), ["/occurred_at"]),
    (outcome(occurred_at=[]), ["/occurred_at"]),
    (outcome(occurred_at=1e300), ["/occurred_at"]),
    (outcome(occurred_at=0), ["/occurred_at"]),
    (outcome(occurred_at="1700000000"), ["/occurred_at"]),
    (outcome(value="a lot"), ["/value"]),
    (outcome(value="NaN"), ["/value"]),
    (outcome(value="Infinity"), ["/value"]),
    (outcome(value="sNaN"), ["/value"]),
    (outcome(value="1e999999999999"), ["/value"]),
    (outcome(value="9" * 1_000_000), ["/value"]),
    (outcome(value=1e300), ["/value"]),
    (outcome(value=10**10), ["/value"]),
    (outcome(value=-(10**40)), ["/value"]),
    (outcome(value=True), ["/value"]),
    (outcome(value=[1]), ["/value"]),
    (outcome(value="1\x00"), ["/value"]),
    (outcome(currency="usd"), ["/currency"]),
    (outcome(currency="US"), ["/currency"]),
    (outcome(colour="red"), ["/colour"]),
    (outcome(decision_id=None), ["/"]),
    (outcome(recipient="ann"), ["/"]),
    (outcome(recipient="ann", campaign="winback"), ["/"]),
    (outcome(decision_id=None, recipient="ann"), ["/"]),
    ({"outcomes": []}, ["/outcomes"]),
    ({"outcomes": {}}, ["/outcomes"]),
    ({"outcomes": None}, ["/outcomes"]),
    ({"outcomes": [outcome()], "more": 1}, ["/more"]),
]


@pytest.mark.parametrize(("body", "places"), BAD_OUTCOMES, ids=range(len(BAD_OUTCOMES)))
def test_a_wrong_outcome_names_every_place(unchanged: Any, body: dict[str, Any], places: list[str]) -> None:
    problem = is_problem(unchanged.client.post("/v1/outcomes", json=body), 422)
    assert pointers(problem) == places
    assert all("another value" not in error["allowed"] for error in problem["errors"]), problem


@pytest.mark.parametrize(
    "at",
    [
        timedelta(hours=1),  # from when the test runs, which may be long after it was collected
        timedelta(days=36_500),
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
    ],
    ids=range(7),
)
def test_an_outcome_at_an_impossible_time_is_rejected_with_the_bounds_and_counts_for_nothing(
    site: Any, at: str | timedelta
) -> None:
    at = at if isinstance(at, str) else (datetime.now(UTC) + at).isoformat()
    made = site.client.post("/v1/decisions", json=decision(recipient="time", request_id="time")).json()
    before = site.counts()
    event = outcome(event_id=f"time-{next(numbers)}", decision_id=made["decision_id"], occurred_at=at)
    for body in (event, {"outcomes": [event]}):
        answer = site.client.post("/v1/outcomes", json=body)
        assert answer.status_code == 200, answer.text
        (one,) = answer.json()["outcomes"]
        assert one["status"] == "rejected"
        assert one["detail"].startswith("occurred_at: found ")
        assert "allowed" in one["detail"]
    after = site.counts()
    assert {name for name in after if after[name] != before[name]} == {"quarantine"}


def test_an_outcome_of_an_unknown_decision_is_told_so_and_kept_aside(site: Any) -> None:
    before = site.counts()
    answer = site.client.post("/v1/outcomes", json=outcome(event_id="unknown-1"))
    (one,) = answer.json()["outcomes"]
    assert one["status"] == "unknown"
    assert one["detail"].startswith("decision_id: found ")
    assert site.counts() == {**before, "quarantine": before["quarantine"] + 1}


def test_an_exposure_in_the_future_is_rejected(site: Any) -> None:
    made = site.client.post("/v1/decisions", json=decision(recipient="future", request_id="future")).json()
    path = f"/v1/decisions/{made['decision_id']}/expose"
    answer = site.client.post(path, json={"occurred_at": "9999-12-31T23:59:59-12:00"})
    assert answer.status_code in {200, 422}
    assert "occurred_at" in answer.text
    assert site.client.post(path).json()["status"] == "accepted"
    is_problem(site.client.post("/v1/decisions/nobody/expose"), 404)
    is_problem(site.client.post(path, json={"occurred_at": "noon"}), 422)


# ---------------------------------------------------------------- size and depth


@pytest.mark.parametrize(("path", "key"), [("/v1/decisions/batch", "recipients"), ("/v1/outcomes", "outcomes")])
def test_ten_thousand_and_one_items_are_too_many_and_nothing_is_done(unchanged: Any, path: str, key: str) -> None:
    item = {"recipient": "a"} if key == "recipients" else outcome()
    body: dict[str, Any] = {key: [item] * 10_001}
    if key == "recipients":
        body["campaign"] = "winback"
    problem = is_problem(unchanged.client.post(path, json=body), 422)
    assert pointers(problem) == [f"/{key}"]
    assert "10,000" in problem["errors"][0]["allowed"]
    is_problem(unchanged.client.post(path, json={**body, key: []}), 422)


@pytest.mark.parametrize("depth", [10, 250, 260, 900])
@pytest.mark.parametrize("place", ["recipient", "attributes", "exclude", "event_id", "value"])
def test_deep_nesting_in_an_item_is_a_problem_of_that_item(unchanged: Any, depth: int, place: str) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    if place in {"event_id", "value"}:
        answers = [
            unchanged.client.post("/v1/outcomes", json={"outcomes": [outcome(**{place: deep})]}),
            unchanged.client.post("/v1/outcomes", json=outcome(**{place: deep})),
        ]
    else:
        item = {"recipient": "deep", place: deep}
        answers = [
            unchanged.client.post("/v1/decisions/batch", json={"campaign": "winback", "recipients": [item]}),
            unchanged.client.post("/v1/decisions", json={"campaign": "winback", **item}),
        ]
    for answer in answers:
        assert answer.status_code < 500, answer.text


def raw_request(site: Any, head: str, chunks: list[bytes]) -> bytes:
    """What a server answers to bytes on a socket."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        try:
            for chunk in chunks:
                connection.sendall(chunk)
        except OSError:
            pass  # the server has answered and closed; what it said can still be read
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
                if b"\r\n\r\n" in received and b"}" in received.split(b"\r\n\r\n", 1)[1]:
                    break
        except ConnectionResetError:
            pass
    return received


TEN_MB = b'{"campaign": "winback", "recipient": "' + b"x" * 10_000_000 + b'"}'


@pytest.mark.parametrize("attempt", range(3))
def test_a_body_of_ten_megabytes_is_too_large_and_the_next_request_works(unchanged: Any, attempt: int) -> None:
    headers = {"Content-Type": "application/json"}
    problem = is_problem(unchanged.client.post("/v1/decisions", content=TEN_MB, headers=headers), 413)
    assert "8,388,608" in problem["detail"]
    assert unchanged.client.get("/livez").status_code == 200


@pytest.mark.parametrize("attempt", range(3))
def test_ten_megabytes_in_chunks_are_too_large_and_the_next_request_works(unchanged: Any, attempt: int) -> None:
    def parts() -> Iterator[bytes]:
        for start in range(0, len(TEN_MB), 100_000):
            yield TEN_MB[start : start + 100_000]

    headers = {"Content-Type": "application/json"}
    is_problem(unchanged.client.post("/v1/decisions", content=parts(), headers=headers), 413)
    assert unchanged.client.get("/livez").status_code == 200


def test_a_body_that_says_it_is_large_is_refused_before_it_is_sent(unchanged: Any) -> None:
    head = (
        "POST /v1/decisions HTTP/1.1\nHost: x\nContent-Type: application/json\n"
        f"X-API-Key: {unchanged.key}\nContent-Length: 99999999999"
    )
    assert b" 413 " in raw_request(unchanged, head, [b"{"])


def test_a_large_body_without_a_key_is_refused_all_the_same(unchanged: Any) -> None:
    with unchanged.calling() as anyone:
        is_problem(anyone.post("/v1/decisions", content=TEN_MB), 401, 413)


def test_a_body_just_within_the_limit_is_read(unchanged: Any) -> None:
    body = json.dumps(decision(campaign="nonsense")).encode()
    padded = body + b" " * (8 * 1024 * 1024 - len(body))
    headers = {"Content-Type": "application/json"}
    is_problem(unchanged.client.post("/v1/decisions", content=padded, headers=headers), 404)


# ---------------------------------------------------------------- routes and methods


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/nothing", "/v1/decisions/", "/v1/campaigns/", "//v1/decisions"]
)
def test_an_unknown_route_is_a_problem(unchanged: Any, path: str) -> None:
    with unchanged.calling() as anyone:
        is_problem(anyone.get(path), 404, 405)


def test_every_route_refuses_other_methods_with_a_problem_that_lists_the_allowed(unchanged: Any) -> None:
    document = unchanged.client.get("/openapi.json").json()
    for template, methods in document["paths"].items():
        path = template.replace("{decision_id}", "a").replace("{campaign_id}", "a").replace("{recipient}", "a")
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - {name.upper() for name in methods}:
            answer = unchanged.client.request(method, path)
            if answer.status_code == 404:
                continue  # as POST /v1/decisions/batch: another route takes this path
            problem = is_problem(answer, 405, 422, 200) if answer.status_code != 200 else None
            if answer.status_code == 405:
                assert problem is not None
                allowed = set(answer.headers["allow"].split(", "))
                assert {name.upper() for name in methods} <= allowed, (method, path)
                assert method not in allowed
                assert problem["detail"].startswith(f"method: found {method}; allowed ")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "BREW", "TRACE"])
def test_head_options_and_invented_methods_are_no_defect(unchanged: Any, method: str) -> None:
    document = unchanged.client.get("/openapi.json").json()
    for template in document["paths"]:
        path = template.replace("{decision_id}", "a").replace("{campaign_id}", "a").replace("{recipient}", "a")
        assert unchanged.client.request(method, path).status_code < 500


def test_what_does_not_exist_is_a_problem_that_names_it(unchanged: Any) -> None:
    for path in ("/v1/decisions/nobody", "/v1/decisions/nobody/explain"):
        assert "'nobody'" in is_problem(unchanged.client.get(path), 404)["detail"]
    for path in ("/v1/campaigns/nonsense", "/v1/campaigns/nonsense/allocation", "/v1/campaigns/nonsense/report"):
        assert "allowed members" in is_problem(unchanged.client.get(path), 404)["detail"]
    is_problem(unchanged.client.post("/v1/campaigns/nonsense/learn"), 404)
    is_problem(unchanged.client.get("/v1/recipients/stranger"), 404)


def test_a_wrong_profile_names_the_place(unchanged: Any) -> None:
    for attributes in ({"shoe_size": 43}, {"days": -1}, {"vip": "yes"}):
        problem = is_problem(unchanged.client.put("/v1/recipients/ann", json={"attributes": attributes}), 422)
        assert pointers(problem) == [f"/attributes/{next(iter(attributes))}"]
    is_problem(unchanged.client.put("/v1/recipients/ann", json={}), 422)
    unkeepable = {"attributes": {}, "consent_texts": {"tcf": "a\0"}}
    problem = is_problem(unchanged.client.put("/v1/recipients/ann", json=unkeepable), 422)
    assert pointers(problem) == ["/consent_texts/tcf"]
