"""What SDKs of Segment and RudderStack send: read whatever it comes in, each item judged alone, nothing twice."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FILES

from optimizer.domain.instants import SECOND, isoformat
from optimizer.services.documents.applying import apply_workspace
from optimizer.strategy.workspace import read_workspace
from optimizer.web.limits import MOST_BODY_BYTES
from optimizer.web.protocols.tracking_bodies import unpacked
from optimizer.web.protocols.tracking_items import occurred_at

ADDED = """
events:
  Order Completed: {outcome: purchase, value: revenue, currency: currency}
  Link Clicked: clicked
sources:
  - {id: crm, api_keys: [crm-sync]}
  - site
  - esp
"""
NOW = 1_790_000_000 * SECOND  # 2026-09-21T14:13:20Z
ANSWER = {
    **dict.fromkeys(["accepted", "duplicate", "late", "unknown", "rejected", "behaviour", "profiles", "ignored"], 0),
    "ignored_traits": 0,
}


@pytest.fixture(scope="module")
def hearing(site: Any) -> Any:
    """A server with events and sources declared."""
    files = {**FILES, "strategy.yaml": FILES["strategy.yaml"] + ADDED}
    files["strategy.yaml"] = files["strategy.yaml"].replace(
        "vip: {type: boolean}", "vip: {type: boolean}\n  looks: {type: number, from: {event: viewed, measure: count}}"
    )
    files["campaigns/members.yaml"] = files["campaigns/members.yaml"].replace(
        "everyone_else: exclude", "  - id: lookers\n    when: {looks: {at_least: 1}}\neveryone_else: exclude"
    )
    with site.deployment.store.writing(alone=True) as ledger:
        now = time.time_ns() // 1_000
        apply_workspace(ledger, read_workspace(files), actor="tester", note="events", now=now)
    return site


def sent(hearing: Any, path: str, body: Any, status: int = 200, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = hearing.client.post(f"/v1/{path}", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def counted(answer: Mapping[str, Any]) -> dict[str, int]:
    """The counts of an answer that are not zero."""
    assert answer["success"] is True
    return {name: answer[name] for name in ANSWER if answer[name]}


def decided(hearing: Any, recipient: str, **rest: Any) -> Any:
    asked = {"campaign": "winback", "recipient": recipient, **rest}
    return hearing.client.post("/v1/decisions", json=asked).raise_for_status().json()


def order(number: Any, **rest: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "messageId": f"m-{number}", "userId": "someone", **rest}


def kinds_of(hearing: Any, decision_id: str) -> list[str]:
    return [one["kind"] for one in hearing.client.get(f"/v1/decisions/{decision_id}").json()["outcomes"]]


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""]
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_body_is_read_whatever_it_calls_itself(hearing: Any, kind: str, packed: bool) -> None:
    body = json.dumps({"batch": [{"type": "page"}]}).encode()
    packing = {"Content-Encoding": "gzip"} if packed else {}
    for headers in (packing, {**packing, "Content-Type": kind}):
        answer = sent(hearing, "batch", gzip.compress(body) if packed else body, **headers)
        assert counted(answer) == {"ignored": 1}


def test_what_the_header_says_of_packing_may_be_wrong(hearing: Any) -> None:
    body = json.dumps({"batch": []}).encode()
    assert sent(hearing, "batch", gzip.compress(body))["received"] == 0
    assert sent(hearing, "batch", body, **{"Content-Encoding": "gzip"})["received"] == 0
    assert sent(hearing, "batch", gzip.compress(b" " * 100_000 + body))["received"] == 0  # unpacked in a thread


PACKED = gzip.compress(b'{"batch": []}', mtime=0)  # names of tests must not depend on the time


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"not json", {}, 400),
        (b'{"batch": [\xff]}', {}, 400),
        (b'{"batch": [NaN}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"\x1f\x8bgarbage", {}, 400),
        (PACKED[:-4], {"Content-Encoding": "gzip"}, 400),
        (PACKED * 2, {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b" " * (MOST_BODY_BYTES + 1), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (zlib.compress(b'{"batch": []}'), {"Content-Encoding": "deflate"}, 415),
        (b"{}", {}, 422),
        (b"[]", {}, 422),
        (b"null", {}, 422),
        (b'{"batch": {}}', {}, 422),
        (b'{"batch": [' + b"1," * 10_000 + b"1]}", {}, 422),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_with_a_code_and_a_message(
    hearing: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = sent(hearing, "batch", body, status, **headers)
    assert answer["status"] == status
    assert answer["code"] == answer["type"].rpartition(":")[2]
    assert answer["message"] == answer["detail"]


@pytest.mark.parametrize("padding", [0, 100_000], ids=["at once", "in a thread"])
def test_what_is_no_json_though_sdks_send_it_keeps_no_other_out(hearing: Any, padding: int) -> None:
    decision = decided(hearing, "fay")["decision_id"]
    cut = "So good \N{PARTY POPPER}".encode("utf-16-le")[:-2].decode("utf-16-le", errors="surrogatepass")
    named = {"decision_id": decision, "revenue": 5, "currency": "USD"}
    batch = [
        order(f"cut-{padding}", properties={**named, "title": cut, "price": float("nan"), "points": 10**30}),
        order(f"nan-{padding}", properties={**named, "revenue": float("nan")}),
        order(f"inf-{padding}", properties={**named, "revenue": float("inf")}),
        {"type": "identify", "userId": "fay", "traits": {"country": "US", "days": float("nan"), "nick": cut}},
        float("nan"),
        {"type": "page", "name": "x" * padding},
    ]
    answer = sent(hearing, "batch", {"batch": batch})
    assert counted(answer) == {"accepted": 1, "rejected": 3, "profiles": 1, "ignored": 1, "ignored_traits": 1}
    assert {one["item"] for one in answer["problems"]} == {1, 2, 3, 4}
    assert hearing.client.get("/v1/recipients/fay").json()["attributes"] == {"country": "US"}


def test_a_bomb_is_not_unpacked_further_than_a_body_may_be_large() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(40)) + bomb.flush()
    tracemalloc.start()
    try:
        with pytest.raises(HTTPException, match="more than 1,000 bytes once unpacked"):
            unpacked(packed, 1_000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # the most there ever was of it
    finally:
        tracemalloc.stop()
    assert unpacked(gzip.compress(bytes(1_000)), 1_000) == bytes(1_000)


def test_a_wrong_key_is_refused_in_words_that_sdks_know(hearing: Any) -> None:
    with hearing.calling() as client:
        answer = client.post("/v1/batch", json={"batch": []}, auth=("opt_live_wrong", ""))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        key = hearing.deployment.create_key("asks", ["decide"])
        assert client.post("/v1/track", json={}, auth=(key, "")).json()["code"] == "forbidden"


# ---------------------------------------------------------------- events


def test_an_event_is_an_outcome_of_the_decision_it_names_and_counts_once(hearing: Any) -> None:
    decision = decided(hearing, "ann")["decision_id"]
    event = order(1, properties={"decision_id": decision, "revenue": "19.90", "currency": "usd"})
    assert counted(sent(hearing, "track", event)) == {"accepted": 1}
    assert counted(sent(hearing, "track", event)) == {"duplicate": 1}
    again = sent(hearing, "batch", {"batch": [event, order(2, properties={"decisionId": decision}), event]})
    assert counted(again) == {"accepted": 1, "duplicate": 2}
    outcomes = hearing.client.get(f"/v1/decisions/{decision}").json()["outcomes"]
    assert [(one["kind"], one["value"], one["currency"]) for one in outcomes] == [
        ("purchase", 19.9, "USD"),
        ("purchase", None, None),
    ]


WHERE: dict[str, dict[str, Any]] = {
    "context": {"context": {"decision_id": "…"}},
    "context of JavaScript": {"context": {"decisionId": "…"}},
    "integrations": {"integrations": {"optimizer": {"decision_id": "…"}, "All": True}},
    "Integrations": {"integrations": {"Optimizer": {"decisionId": "…"}}},
    "properties": {"properties": {"decision_id": "…"}, "context": None, "integrations": None},
    "person and campaign": {"properties": {"campaign": "winback"}},
    "person and the campaign they came from": {"context": {"campaign": {"name": "winback"}}},
    "somebody without an id": {"userId": None, "anonymousId": "bea", "properties": {"campaign": "winback"}},
}


def test_an_event_may_undo_another_and_a_machines_earns_nothing(hearing: Any) -> None:
    decision = decided(hearing, "nat")["decision_id"]
    named = {"decision_id": decision}
    refund = order("refund", properties={**named, "reverses": "m-order"})
    robots = order("robot", properties={**named, "machine": True})
    batch = [refund, robots, order("order", properties=named)]  # what is undone may come later
    assert counted(sent(hearing, "batch", {"batch": batch})) == {"accepted": 3}
    assert hearing.client.get(f"/v1/decisions/{decision}").json()["reward"] == 0
    assert counted(sent(hearing, "track", order("another", properties=named))) == {"accepted": 1}
    assert hearing.client.get(f"/v1/decisions/{decision}").json()["reward"] == 1


@pytest.mark.parametrize("where", WHERE)
def test_the_decision_may_be_named_in_many_places_or_be_that_of_the_person(hearing: Any, where: str) -> None:
    decision = decided(hearing, "bea")["decision_id"]
    named = json.loads(json.dumps(WHERE[where]).replace(json.dumps("…"), json.dumps(decision)))
    event = {**order(decision), "userId": "bea", **named}
    assert counted(sent(hearing, "track", event)) == {"accepted": 1}
    assert kinds_of(hearing, decision) == ["purchase"]


def test_what_a_batch_says_of_all_its_items_holds_for_each(hearing: Any) -> None:
    decision = decided(hearing, "cleo")["decision_id"]
    assert counted(sent(hearing, "batch", {"batch": [order(3)], "context": {"decision_id": decision}})) == {
        "accepted": 1
    }


def test_an_outcome_of_no_decision_of_ours_waits_in_quarantine(hearing: Any) -> None:
    before = hearing.counts()["quarantine"]
    answer = sent(hearing, "track", order(4, properties={"decision_id": "nobody-knows"}))
    assert counted(answer) == {"unknown": 1}
    (problem,) = answer["problems"]
    assert (problem["item"], problem["status"]) == (0, "unknown")
    assert sent(hearing, "track", order(5, userId="nobody", properties={"campaign": "winback"}))["unknown"] == 1
    assert hearing.counts()["quarantine"] == before + 2


def test_events_that_say_nothing_for_us_are_counted_and_left(hearing: Any) -> None:
    before = hearing.counts()
    batch = [
        {"type": "track", "event": "Song Played", "userId": "dora"},
        order(6, userId="dora"),  # of no decision and no campaign, and no attribute follows from it
        order(7, userId="dora", context={"campaign": {"name": "somebody-elses"}}),
        order(8, userId="dora", properties={"campaign": "Summer Sale!"}),
        *({"type": kind} for kind in ("page", "screen", "group", "alias")),
    ]
    assert counted(sent(hearing, "batch", {"batch": batch})) == {"ignored": 8}
    for kind in ("page", "screen", "group", "alias"):
        assert counted(sent(hearing, kind, {"userId": "dora"})) == {"ignored": 1}
    assert hearing.counts() == before


def test_an_event_from_which_an_attribute_follows_is_kept_as_behaviour(hearing: Any) -> None:
    event = {"type": "track", "event": "viewed", "userId": "emma", "properties": {"category": "shoes", "n": [1]}}
    answer = sent(hearing, "batch", {"batch": [{**event, "messageId": "v1"}, {**event, "messageId": "v1"}, event]})
    assert counted(answer) == {"behaviour": 3}
    kept = hearing.client.get("/v1/recipients/emma/export").json()["behaviour"]
    assert [one["kind"] for one in kept] == ["viewed", "viewed"]


def test_behaviour_is_worth_no_more_than_an_outcome_would_be_believed(hearing: Any) -> None:
    event = {"type": "track", "event": "viewed", "userId": "gwen"}
    batch = [
        {**event, "messageId": "g1", "properties": {"value": 500, "currency": "JPY"}},
        {**event, "messageId": "g2", "properties": {"value": -5, "currency": "USD"}},
        {**event, "messageId": "g3", "properties": {"value": 5, "currency": "USD"}},
    ]
    answer = sent(hearing, "batch", {"batch": batch})
    assert counted(answer) == {"behaviour": 1, "rejected": 2}
    assert [(one["item"], one["status"], one["detail"].partition(":")[0]) for one in answer["problems"]] == [
        (0, "rejected", "currency"),
        (1, "rejected", "value"),
    ]
    (kept,) = hearing.client.get("/v1/recipients/gwen/export").json()["behaviour"]
    assert kept["value"] == 5


@pytest.mark.parametrize("called", ["viewed", "Link Clicked"], ids=["as what it undoes", "something else"])
@pytest.mark.parametrize("is_first", [False, True], ids=["after it", "before it"])
def test_an_event_of_no_decision_may_undo_another(hearing: Any, called: str, *, is_first: bool) -> None:
    person = f"hal-{len(called)}-{is_first}"

    def looks() -> Any:
        found = decided(hearing, person, campaign="members")["decision_id"]
        return hearing.client.get(f"/v1/decisions/{found}/explain").json()["attributes"]["looks"]

    look = {"type": "track", "event": "viewed", "userId": person, "messageId": f"look-{person}"}
    undo = {**look, "event": called, "messageId": f"undo-{person}", "properties": {"reverses": f"look-{person}"}}
    kept = {**look, "messageId": f"kept-{person}"}
    batch = [undo, look, kept] if is_first else [look, kept, undo]
    assert counted(sent(hearing, "batch", {"batch": batch})) == {"behaviour": 3}
    assert looks() == 1


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (5, "/: found 5; allowed an object"),
        (None, "/: found nothing"),
        ({}, "/type: found nothing; allowed one of: track, identify, alias"),
        ({"type": "delete"}, "/type: found delete"),
        ({"type": ["track"]}, "/type: found a list"),
        ({"type": {}}, "/type: found an object"),
        ({"type": "track"}, "/event: found nothing"),
        ({"type": "track", "event": ""}, '/event: found ""'),
        ({"type": "track", "event": ["x"]}, "/event: found a list"),
        ({**order(9), "properties": [1]}, "/properties: found a list; allowed an object"),
        ({**order(9), "context": "x", "properties": {}}, "/context: found x"),
        ({**order(9), "userId": "two words"}, "/userId: found another text or type"),
        ({**order(9), "userId": {"id": 1}}, "/userId"),
        ({**order(9), "properties": {"decision_id": "no id!"}}, "/properties/decision_id: found no id!"),
        ({**order(9), "properties": {"decision_id": {}}}, "/properties/decision_id: found an object"),
        ({**order(9), "properties": {"decision_id": "d", "revenue": "a lot"}}, '/properties/revenue: found "a lot"'),
        ({**order(9), "properties": {"decision_id": "d"}, "timestamp": "yesterday"}, "/timestamp: found yesterday"),
        ({**order(9), "properties": {"decision_id": "d"}, "timestamp": 1_790_000_000}, "/timestamp: found 1790000000"),
        ({"type": "identify", "traits": {"days": 1}}, "/userId: found nothing"),
        ({"type": "identify", "userId": "x", "traits": [1]}, "/traits: found a list"),
        ({"type": "identify", "userId": "x", "context": {"traits": "x"}}, "/context/traits: found x"),
    ],
)
def test_an_item_that_cannot_be_used_is_named_and_keeps_no_other_out(hearing: Any, item: Any, said: str) -> None:
    before = hearing.counts()
    answer = sent(hearing, "batch", {"batch": [{"type": "page"}, item, {"type": "page"}]})
    assert counted(answer) == {"ignored": 2, "rejected": 1}
    (problem,) = answer["problems"]
    assert (problem["item"], problem["status"]) == (1, "rejected")
    assert said in problem["detail"]
    assert "two words" not in str(answer)  # ids of people are not repeated
    assert hearing.counts() == before


def test_a_single_item_that_cannot_be_used_is_refused(hearing: Any) -> None:
    answer = sent(hearing, "track", {"userId": "kim"}, 422)
    assert (answer["code"], answer["errors"][0]["pointer"]) == ("invalid-request", "/event")
    assert sent(hearing, "identify", {"traits": {}}, 422)["errors"][0]["pointer"] == "/userId"
    for kind in ("page", "screen", "group", "alias", "track", "identify"):
        sent(hearing, kind, [], 422)


def test_only_so_many_problems_are_repeated(hearing: Any) -> None:
    answer = sent(hearing, "batch", {"batch": [5] * 1_000})
    assert (answer["rejected"], len(answer["problems"])) == (1_000, 100)


def test_a_message_without_an_id_is_told_from_others_by_what_it_says(hearing: Any) -> None:
    decision = decided(hearing, "fay")["decision_id"]
    event = {"event": "Link Clicked", "userId": "fay", "properties": {"decision_id": decision}}
    at = {**event, "timestamp": "2026-09-21T14:00:00Z"}
    answers = [counted(sent(hearing, "track", one)) for one in (event, event, at)]
    assert answers[:2] == [{"accepted": 1}, {"duplicate": 1}]
    assert answers[2] == {"rejected": 1}  # another event, from before the decision
    assert counted(sent(hearing, "track", {**event, "messageId": 5})) == {"accepted": 1}


# ---------------------------------------------------------------- times


def at(seconds: float) -> str:
    """The moment so many seconds after `NOW`, as SDKs write it."""
    return isoformat(NOW + int(seconds * SECOND)).replace("000Z", "Z")


@pytest.mark.parametrize(
    ("item", "envelope", "expected"),
    [
        ({}, {}, 0),
        ({"timestamp": at(-60)}, {}, -60),
        ({"timestamp": at(-60)}, {"sentAt": at(0)}, -60),
        ({"timestamp": at(3_540)}, {"sentAt": at(3_600)}, -60),  # a clock an hour ahead
        ({"timestamp": at(-3_660), "sentAt": at(-3_600)}, {"sentAt": at(7_000)}, -60),  # and one behind
        ({"originalTimestamp": at(3_540)}, {"sentAt": at(3_600)}, -60),
        ({"timestamp": at(-60)}, {"sentAt": at(-9)}, -60),  # the way it took
        ({"timestamp": at(-60)}, {"sentAt": at(9)}, -60),
        ({"timestamp": at(-60), "originalTimestamp": at(500), "sentAt": at(3_600)}, {}, -60),  # put right already
        ({"timestamp": at(-60), "receivedAt": at(-30), "sentAt": at(3_600)}, {}, -60),
        ({"timestamp": at(60)}, {}, 0),  # nothing has happened in the future
        ({"timestamp": at(4_000)}, {"sentAt": at(3_600)}, 0),
        ({"timestamp": "2026-09-21T14:12:20"}, {}, -60),  # without a zone: UTC
        ({"timestamp": "2026-09-21T16:12:20.000+02:00"}, {}, -60),
        ({"timestamp": None, "originalTimestamp": None}, {"sentAt": None}, 0),
    ],
)
def test_when_it_happened_is_told_by_our_clock(item: Any, envelope: Any, expected: int) -> None:
    assert occurred_at(item, envelope, NOW) == NOW + expected * SECOND


# ---------------------------------------------------------------- people


def test_traits_that_are_declared_attributes_are_kept_with_their_source_and_time(hearing: Any) -> None:
    traits = {"country": "US", "Days": 120, "email": "gia@example.com", "plan": "gold", "vip": None, "looks": 5}
    body = {"userId": "gia", "messageId": "i1", "traits": traits, "timestamp": "2026-09-21T14:00:00Z"}
    answer = sent(hearing, "identify", body)
    assert counted(answer) == {"profiles": 1, "ignored_traits": 2}
    assert [one["status"] for one in answer["problems"]] == ["partly"]  # `looks` follows from what people do
    profile = hearing.client.get("/v1/recipients/gia").json()
    assert profile["attributes"] == {"country": "US", "days": 120}
    said_at = "2026-09-21T14:00:00.000000Z"
    assert profile["sources"]["country"] == [{"source": "esp", "value": "US", "said_at": said_at, "used": True}]
    assert profile["sources"]["vip"] == [{"source": "esp", "value": None, "said_at": said_at, "used": False}]
    assert "example.com" not in str(profile) + str(answer)
    assert decided(hearing, "gia")["segment"] == "lapsed"


def test_traits_may_come_in_the_context_and_number_ids_are_ids(hearing: Any) -> None:
    sent(hearing, "identify", {"userId": 4711, "context": {"traits": {"country": "GB"}}, "traits": {"days": 5}})
    assert hearing.client.get("/v1/recipients/4711").json()["attributes"] == {"country": "GB", "days": 5}


def test_a_trait_of_another_type_is_refused_and_the_others_are_kept(hearing: Any) -> None:
    answer = sent(hearing, "identify", {"userId": "hal", "traits": {"country": "FR", "days": "many", "vip": True}})
    (problem,) = answer["problems"]
    assert problem["status"] == "partly"
    assert '/traits/country: found "FR"; allowed' in problem["detail"]
    assert '/traits/days: found "many"; allowed' in problem["detail"]
    assert hearing.client.get("/v1/recipients/hal").json()["attributes"] == {"vip": True}


def test_an_older_call_of_identify_does_not_replace_a_newer_one(hearing: Any) -> None:
    for minute, days in ((30, 3), (10, 1), (20, 2)):
        said = {"userId": "ida", "traits": {"days": days}, "timestamp": f"2026-09-21T13:{minute}:00Z"}
        sent(hearing, "identify", said)
    assert hearing.client.get("/v1/recipients/ida").json()["attributes"] == {"days": 3}


def test_a_key_speaks_for_the_source_that_names_it(hearing: Any) -> None:
    crm = hearing.deployment.create_key("crm-sync", ["report_outcomes", "manage"])
    body = {"userId": "jo", "traits": {"country": "GB"}}
    with hearing.calling() as client:
        assert client.post("/v1/identify", json=body, auth=(crm, "")).status_code == 200
        refused = client.put("/v1/recipients/jo", json={"attributes": {}, "source": "esp"}, headers={"X-API-Key": crm})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/source")
    sent(hearing, "identify", {"userId": "jo", "traits": {"country": "US", "days": 5}})
    put = hearing.client.put("/v1/recipients/jo", json={"attributes": {"days": 9}}).json()
    assert put["attributes"] == {"country": "GB", "days": 9}
    used = {name: [(one["source"], one["used"]) for one in said] for name, said in put["sources"].items()}
    assert used == {"country": [("crm", True), ("esp", False)], "days": [("esp", False), ("site", True)]}
    assert hearing.client.put("/v1/recipients/jo", json={"attributes": {}, "source": "crm"}).status_code == 422
    assert hearing.client.get("/v1/recipients/jo/export").json()["profile"]["sources"] == put["sources"]


# ---------------------------------------------------------------- any order, anything at all


def test_any_order_and_any_number_of_times_gives_the_same_statistics_and_profile(hearing: Any) -> None:
    numbers = iter(range(10_000))
    cells = ("purchase", "clicked", "unsubscribed")

    def after(person: str, batch: list[dict[str, Any]], portions: int) -> Any:
        for start in range(portions):
            sent(hearing, "batch", {"batch": batch[start::portions], "sentAt": sent_at()})
        export = hearing.client.get(f"/v1/recipients/{person}/export").json()
        (about,) = export["decisions"]
        outcomes = sorted((one["kind"], one["value"] or 0.0) for one in about["outcomes"])
        reward = hearing.client.get(f"/v1/decisions/{about['decision_id']}").json()["reward"]
        profile = export["profile"] or {"attributes": {}}
        return outcomes, reward, profile["attributes"]

    def sent_at() -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    @given(
        st.lists(st.tuples(st.sampled_from(cells), st.integers(0, 3)), max_size=4),
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from([None, 1, 2])), max_size=3),
        st.randoms(use_true_random=False),
    )
    def check(events: list[tuple[str, int]], traits: list[tuple[int, int | None]], random: Any) -> None:
        found = []
        for shuffled in (False, True):
            number = next(numbers)
            person = f"person-{number}"
            decision = decided(hearing, person)["decision_id"]
            batch: list[dict[str, Any]] = [
                {
                    "type": "track",
                    "event": kind,
                    "userId": person,
                    "messageId": f"{person}-{kind}-{n}",
                    "properties": {"decision_id": decision, "value": n},
                }
                for kind, n in events
            ]
            batch += [
                {
                    "type": "identify",
                    "userId": person,
                    "timestamp": f"2026-01-0{day}T00:00:00Z",
                    "traits": {"days": days},
                }
                for day, days in traits
            ]
            if shuffled:
                batch += batch[: random.randint(0, len(batch))]
                random.shuffle(batch)
            found.append(after(person, batch, random.randint(1, 3) if shuffled else 1))
        assert found[0] == found[1]

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["messageId", "userId", "anonymousId", "properties", "traits", "context", "integrations", "timestamp"]
NAMES += ["originalTimestamp", "sentAt", "receivedAt"]
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page"]) | JSON},
    optional={
        "event": st.sampled_from(["Order Completed", "clicked", "viewed", "x"]) | JSON,
        **dict.fromkeys(NAMES, JSON),
        "properties": st.dictionaries(
            st.sampled_from(["decision_id", "campaign", "revenue", "currency", "value"]), JSON
        ),
        "traits": st.dictionaries(st.sampled_from(["days", "country", "vip", "Days", "looks"]), JSON),
        "userId": st.sampled_from(["fuzz-1", "fuzz-2"]) | JSON,
    },
)


@given(st.lists(ITEMS | JSON, max_size=5), JSON, st.sampled_from(["batch", "track", "identify", "page"]))
def test_no_body_breaks_anything(hearing: Any, items: list[Any], rest: Any, path: str) -> None:
    body = {**(rest if isinstance(rest, dict) else {}), "batch": items} if path == "batch" else (items or [rest])[0]
    answer = hearing.client.post(f"/v1/{path}", content=json.dumps(body))
    assert answer.status_code in (200, 400, 422), answer.text
    if answer.status_code == 200:
        found = answer.json()
        assert sum(found[name] for name in ANSWER if name != "ignored_traits") == found["received"]


@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_break_anything(hearing: Any, body: bytes, packed: bool) -> None:
    answer = hearing.client.post("/v1/batch", content=gzip.compress(body) if packed else body)
    assert answer.status_code in (200, 400, 422), answer.text
