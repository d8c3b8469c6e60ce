"""CloudEvents 1.0, as the project's own SDK sends them, become outcomes: each once, whichever way it travels."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_binary_event, to_structured, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.event_ids import event_id_of
from optimizer.web.protocols.cloud_events import BATCHED, STRUCTURED

ORDER = "com.acme.order.completed"
EVENTS = f"events:\n  {ORDER}: {{outcome: purchase, value: total, currency: currency}}\n"
numbers = count(1)


@pytest.fixture(scope="module")
def shop(site: Any, files: Mapping[str, str]) -> Any:
    """A server whose strategy knows what an order is."""
    house = site.house()
    house.apply({**files, "strategy.yaml": files["strategy.yaml"] + EVENTS})
    return site


def decided(shop: Any) -> str:
    asked = {"campaign": "winback", "recipient": f"person-{next(numbers)}"}
    decision_id: str = shop.client.post("/v1/decisions", json=asked).json()["decision_id"]
    return decision_id


def event(subject: str | None = None, data: Any = None, **attributes: Any) -> CloudEvent:
    told = {
        "id": f"order/{next(numbers)} é",
        "source": "/shops/7",
        "type": ORDER,
        "datacontenttype": "application/json",
    }
    told |= {"specversion": "1.0", "time": datetime.now(UTC), **attributes}
    return CloudEvent(told if subject is None else {**told, "subject": subject}, {} if data is None else data)


def post(shop: Any, body: Any, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = shop.client.post("/v1/events", content=content, headers=dict(headers))
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


def send(shop: Any, one: CloudEvent, way: Any = to_structured_event) -> dict[str, Any]:
    message = way(one)
    (status,) = post(shop, message.body, message.headers)
    return status


def outcomes(shop: Any, decision_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.client.get(f"/v1/decisions/{decision_id}").json()["outcomes"]
    return found


@pytest.mark.parametrize("way", [to_structured_event, to_binary_event])
def test_the_sdk_reports_an_order_once_however_often_it_sends_it(shop: Any, way: Any) -> None:
    decision_id = decided(shop)
    order = event(decision_id, {"total": "19.90", "currency": "usd"})
    status = send(shop, order, way)
    assert status["status"] == "accepted", status
    assert (status["id"], status["source"]) == (order.get_id(), "/shops/7")
    assert status["event_id"] == event_id_of("cloudevents", "/shops/7", order.get_id())
    other = to_binary_event if way is to_structured_event else to_structured_event
    assert [send(shop, order, each)["status"] for each in (way, other)] == ["duplicate"] * 2
    (outcome,) = outcomes(shop, decision_id)
    assert (outcome["kind"], outcome["value"], outcome["currency"]) == ("purchase", 19.9, "USD")
    assert datetime.fromisoformat(outcome["occurred_at"]) == order.get_time()


def test_a_batch_gets_a_status_for_each(shop: Any) -> None:
    decision_id = decided(shop)
    good = event(decision_id, {"total": 5})
    bodies = [to_structured(one, JSONFormat()).body for one in (good, event(decision_id, type="com.acme.other"), good)]
    broken = [b'{"specversion": "1.0", "id": "x"}', b"7", b'{"specversion": "0.3"}', b"[[[]]]"]
    body = b"[" + b",".join([*map(bytes, bodies), *broken]) + b"]"
    statuses = post(shop, body, {"Content-Type": f"{BATCHED}; charset=UTF-8"})
    assert [one["status"] for one in statuses] == ["accepted", "ignored", "duplicate", *["rejected"] * 4]
    assert "com.acme.other" in statuses[1]["detail"]
    assert statuses[3]["id"] == "x"
    assert "/source: found nothing" in statuses[3]["detail"]


def test_ids_are_told_apart_by_their_source(shop: Any) -> None:
    decision_id = decided(shop)
    sent = [event(decision_id, id="1", source=source) for source in ("/a", "/b", "/a")]
    assert [send(shop, one)["status"] for one in sent] == ["accepted", "accepted", "duplicate"]


def test_data_may_say_whom_it_is_about_before_the_subject_does(shop: Any) -> None:
    decision_id, other = decided(shop), decided(shop)
    assert send(shop, event(other, {"decision_id": decision_id}))["status"] == "accepted"
    assert len(outcomes(shop, decision_id)) == 1
    shop.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "mary", "request_id": "m"})
    later = datetime.now(UTC) + timedelta(seconds=1)
    about = {"recipient": "mary", "campaign": "winback"}
    assert send(shop, event("orders/17", about, time=later))["status"] == "accepted"


def test_who_names_nobody_is_told_so_and_whom_nobody_knows_waits_in_quarantine(shop: Any) -> None:
    status = send(shop, event())
    assert (status["status"], status["detail"]) == (
        "rejected",
        "/subject: found none; allowed a decision_id, unless data has decision_id, or recipient and campaign",
    )
    assert send(shop, event("orders/17"))["status"] == "rejected"
    told = {"specversion": "1.0", "id": "e", "source": "s", "type": ORDER, "subject": ""}
    assert "/subject: found none;" in post(shop, told, {"Content-Type": STRUCTURED})[0]["detail"]
    status = send(shop, event("nobody"))
    assert status["status"] == "unknown"
    assert status["event_id"] in shop.client.get("/v1/quarantine", params={"n": 1_000}).text


def test_an_event_can_be_reversed_and_a_machine_s_earns_nothing(shop: Any) -> None:
    decision_id = decided(shop)
    order, machine = event(decision_id, id="o-1"), event(decision_id, {"machine": True})
    refund = event(decision_id, {"reverses": "o-1"}, id="o-1-back")
    assert [send(shop, one)["status"] for one in (order, machine, refund)] == ["accepted"] * 3
    by_event = {outcome["event_id"]: outcome for outcome in outcomes(shop, decision_id)}
    first, back = (event_id_of("cloudevents", "/shops/7", id_) for id_ in ("o-1", "o-1-back"))
    assert by_event[back]["reverses"] == first
    assert sum(outcome["machine"] for outcome in by_event.values()) == 1
    assert shop.client.get(f"/v1/decisions/{decision_id}").json()["reward"] == 0


def test_what_is_called_like_an_outcome_needs_no_mapping(shop: Any) -> None:
    decision_id = decided(shop)
    assert send(shop, event(decision_id, type="clicked"))["status"] == "accepted"
    assert outcomes(shop, decision_id)[0]["kind"] == "clicked"


def test_data_in_base64_and_without_a_time(shop: Any) -> None:
    decision_id = decided(shop)
    told = {"specversion": "1.0", "id": "b", "source": "s", "type": ORDER, "subject": decision_id}
    data = base64.b64encode(b'{"total": 3}').decode()
    (status,) = post(shop, {**told, "data_base64": data}, {"Content-Type": STRUCTURED})
    assert status["status"] == "accepted"
    assert outcomes(shop, decision_id)[0]["value"] == 3
    (status,) = post(shop, {**told, "id": "c", "data_base64": "!"}, {"Content-Type": STRUCTURED})
    assert (status["status"], status["detail"][:12]) == ("rejected", "/data_base64")


def test_binary_mode_takes_data_of_any_kind(shop: Any) -> None:
    decision_id = decided(shop)
    text = CloudEvent(
        {"id": "t", "source": "s", "type": "clicked", "subject": decision_id, "datacontenttype": "text/plain"}, "hello"
    )
    message = to_binary(text, JSONFormat())
    assert post(shop, message.body, message.headers)[0]["status"] == "accepted"


def test_attributes_in_headers_may_be_quoted(shop: Any) -> None:
    decision_id = decided(shop)
    told = {
        "specversion": '"1.0"',
        "id": r'"a \"b\" %22c%22"',
        "source": '"s"',
        "type": "clicked",
        "subject": f'"{decision_id}"',
    }
    (status,) = post(shop, b"", {f"ce-{name}": value for name, value in told.items()})
    assert (status["id"], status["status"]) == ('a "b" "c"', "accepted")


def test_a_batch_of_none_is_a_batch(shop: Any) -> None:
    assert post(shop, [], {"Content-Type": BATCHED}) == []


def prefer_reply(shop: Any, *sent: CloudEvent) -> Any:
    body = b"[" + b",".join(bytes(to_structured(one, JSONFormat()).body) for one in sent) + b"]"
    content, content_type = (body, BATCHED) if len(sent) > 1 else (body[1:-1], STRUCTURED)
    headers = {"Content-Type": content_type, "Prefer": "wait=5, reply"}
    return shop.client.post("/v1/events", content=content, headers=headers)


def test_who_takes_answers_for_events_gets_none(shop: Any) -> None:
    # Knative's brokers deliver again, and then give up, whatever was answered with a body that is no event.
    decision_id = decided(shop)
    order = event(decision_id, {"total": 5})
    for sent in ([order], [order], [event("nobody")], [event(type="com.acme.other")], [order, event("orders 17")]):
        answer = prefer_reply(shop, *sent)
        assert (answer.status_code, answer.content) == (202, b"")
    assert len(outcomes(shop, decision_id)) == 1


def test_what_would_be_lost_without_a_status_is_refused(shop: Any) -> None:
    answer = prefer_reply(shop, event("orders 17"))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == "/subject"


def test_senders_that_ask_first_may_send(shop: Any) -> None:
    # As Azure Event Grid does, before a subscription begins and without the credentials of its deliveries.
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
    with shop.calling() as anyone:
        answer = anyone.request("OPTIONS", "/v1/events", headers=asked)
        assert anyone.post("/v1/events", json=[]).status_code == 401
    assert answer.status_code == 200, answer.text
    assert (answer.headers["webhook-allowed-origin"], answer.headers["webhook-allowed-rate"]) == ("*", "*")
    assert "POST" in answer.headers["allow"]


def test_plain_json_is_read_as_what_it_looks_like(shop: Any) -> None:
    one = {"specversion": "1.0", "id": "p", "source": "s", "type": "clicked", "subject": decided(shop)}
    plain = {"Content-Type": "application/json"}
    assert post(shop, one, plain)[0]["status"] == "accepted"
    assert post(shop, [one, one], plain)[1]["status"] == "duplicate"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "said"),
    [
        (STRUCTURED, b"{", 400, "not JSON"),
        (STRUCTURED, b'{"id": NaN}', 400, "not JSON"),
        (STRUCTURED, b"[]", 422, "/"),
        (STRUCTURED, b'{"specversion": "1.0"}', 422, "/source"),
        (STRUCTURED, b"[" * 100 + b"]" * 100, 422, "32 levels"),
        (STRUCTURED, b'{"specversion": "0.3", "id": "1", "source": "s", "type": "t"}', 422, "found '0.3'; allowed 1.0"),
        (BATCHED, b"{}", 422, "a list of at most 10,000 events"),
        (BATCHED, b"[" + b"7," * 10_000 + b"7]", 422, "a list of 10,001"),
        ("application/cloudevents+avro", b"{}", 422, "Content-Type"),
        ("text/plain", b"hello", 422, "Content-Type"),
        ("application/json", b"7", 422, "/"),
    ],
)
def test_what_is_no_event_is_a_problem(shop: Any, content_type: str, body: bytes, status: int, said: str) -> None:
    before = shop.counts()
    answer = shop.client.post("/v1/events", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.text
    assert shop.counts() == before


attributes = st.dictionaries(
    st.sampled_from(["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "extra"]),
    st.one_of(
        st.sampled_from(
            ["1.0", ORDER, "clicked", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0001", {}]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
            max_leaves=6,
        ),
        st.fixed_dictionaries(
            {}, optional={name: st.text() | st.integers() | st.none() for name in ("total", "currency", "decision_id")}
        ),
    ),
)


@given(one=attributes, many=st.booleans())
def test_no_event_gives_a_5xx(shop: Any, one: dict[str, Any], many: bool) -> None:
    whole = {"specversion": "1.0", "id": "f", "source": "fuzz", "type": ORDER, "subject": "nobody", **one}
    content_type = BATCHED if many else STRUCTURED
    body = json.dumps([whole] if many else whole)
    answer = shop.client.post("/v1/events", content=body, headers={"Content-Type": content_type})
    assert answer.status_code in (200, 400, 422), answer.text


headers = st.dictionaries(
    st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-", "content-type"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20).map(lambda text: text.encode("latin-1")),
)


@given(told=headers, body=st.binary(max_size=30))
def test_no_headers_give_a_5xx(shop: Any, told: dict[str, bytes], body: bytes) -> None:
    whole = {"ce-specversion": b"1.0", "ce-id": b"%ff%00", "ce-source": b"s", "ce-type": b"clicked", **told}
    answer = shop.client.post("/v1/events", content=body, headers=whole)
    assert answer.status_code in (200, 400, 422), answer.text
