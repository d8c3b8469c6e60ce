"""The fast way through the hot routes: whatever is posted, it answers as FastAPI's routes do, and asks the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from optimizer.domain.decision import Decision
from optimizer.domain.outcome import Receipt
from optimizer.domain.reasons import Group, Reason
from optimizer.errors import NotFound, OptimizerError, Overloaded, Unavailable
from optimizer.services.decisions.deciding import Answer
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.keys.rates import Bucket, Rate
from optimizer.services.outcomes.recording import Recorded
from optimizer.web.app import create_app
from optimizer.web.fast import answering
from optimizer.web.fast.express import DESK, Express

AT = 1_790_000_000_000_000
FAST = b"application/json"
PLAIN = b"application/json; version=1"  # means the same, and the hot handler does not know it
ONE, MANY, OUTCOMES = "/v1/decisions", "/v1/decisions/batch", "/v1/outcomes"


class Keys:
    """One key for everything and one for nothing."""

    def __init__(self) -> None:
        self.bucket = Bucket(Rate(1_000_000, 1_000_000))

    def known(self, key: str) -> Caller | None:
        scopes = frozenset() if key == "none" else frozenset(Scope)
        return Caller(key, "test", scopes, None, self.bucket) if key in {"all", "none"} else None

    def caller(self, key: str) -> Caller | None:
        return self.known(key)

    @property
    def strangers(self) -> Any:
        return self

    def wait(self, _address: str) -> float:
        return 0.0

    def count(self, _address: str) -> None:
        """Nobody counts here."""


class EchoingDesk:
    """Answers at once, and keeps what it was asked."""

    def __init__(self) -> None:
        self.keys = Keys()
        self.asked: list[Any] = []
        self.error: OptimizerError | None = None

    async def decide(self, requests: Sequence[Any]) -> list[Any]:
        return [self.answered(request) for request in requests] if self.noted(requests) else []

    async def record(self, reports: Sequence[Any]) -> list[Any]:
        return [Recorded(one.event_id, Receipt.ACCEPTED) for one in reports] if self.noted(reports) else []

    def ask(self, request: Any) -> asyncio.Future[list[Any]]:
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        try:
            done.set_result([self.answered(request)] if self.noted([request]) else [])
        except Exception as error:
            done.set_exception(error)
        return done

    def noted(self, items: Sequence[Any]) -> bool:
        self.asked += items
        if self.error is not None:
            raise self.error
        return True

    def answered(self, request: Any) -> Answer | OptimizerError:
        if request.campaign_id == "nonsense":
            return NotFound("campaign: found 'nonsense'; allowed winback")
        key, group, reason = request.recipient, Group.LEARNING, Reason.EXPLORE
        id_, campaign = request.request_id, request.campaign_id
        return Answer(
            Decision(id_, campaign, key, id_, 1, None, group, None, None, 0.5, reason, "s:1", AT, {}, False, {}, ()),
            None,
            AT,
        )


class Found(NamedTuple):
    """What came of a request, and whether FastAPI answered it."""

    status: int
    body: Any
    headers: dict[bytes, bytes]
    asked: list[Any]
    plain: bool


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": ("127.0.0.1", 2), "peername": ("127.0.0.1", 1)}.get(name)

    def pause_reading(self) -> None:
        """It is not read from."""

    resume_reading = pause_reading


class Door:
    """Calls the app as a server would: over a connection whose bytes are seen."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.desk = EchoingDesk()
        self.app.state.desk = self.desk
        self.plain = False
        self.loop = asyncio.new_event_loop()
        config = uvicorn.Config(
            self._watched, http=Express, ws="none", log_config=None, proxy_headers=False, interface="asgi3"
        )
        config.load()
        self.config, self.server_state = config, ServerState()

    async def _watched(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            self.plain = "route" in scope

    def post(
        self,
        path: str,
        *parts: bytes,
        media_type: bytes = FAST,
        key: bytes = b"all",
        headers: Sequence[Any] = (),
    ) -> Found:
        self.desk.asked, self.plain = [], False
        fields = [
            (b"content-type", media_type),
            (b"authorization", b"Bearer " + key),
            (b"x-request-id", b"req"),
            (b"transfer-encoding", b"chunked"),
            *headers,
        ]
        head = b"POST %b HTTP/1.1\r\n" % path.encode() + b"".join(b"%b: %b\r\n" % field for field in fields)
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part]
        wire = Wire()
        self.loop.run_until_complete(self._sent(wire, [head + b"\r\n", *chunks, b"0\r\n\r\n"]))
        answer, _, body = wire.written.partition(b"\r\n\r\n")
        status, *lines = answer.split(b"\r\n")
        found = dict(line.split(b": ", 1) for line in lines)
        assert int(found[b"content-length"]) == len(body)
        return Found(int(status.split()[1]), json.loads(body), found, self.desk.asked, self.plain)

    async def _sent(self, wire: Wire, parts: Sequence[bytes]) -> None:
        state = {DESK: self.desk}
        connection = Express(self.config, self.server_state, state, self.loop)
        connection.connection_made(wire)  # type: ignore[arg-type]
        for part in parts:
            if not wire.closed:
                connection.data_received(part)
            await asyncio.sleep(0)
        for _ in range(10_000):
            if b"\r\n\r\n" in wire.written and (connection.cycle is None or connection.cycle.response_complete):
                break
            await asyncio.sleep(0)
        connection.connection_lost(None)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)

    def both(self, path: str, body: bytes) -> tuple[Found, Found]:
        return self.post(path, body), self.post(path, body, media_type=PLAIN)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    from optimizer.deployment import Deployment
    from optimizer.settings import Settings

    deployment = Deployment(tmp_path_factory.mktemp("hot"), Settings(actor="tester"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "random_id", lambda: "random")
        patch.setattr(answering, "now", lambda: AT)
        opened = Door(create_app(deployment))
        yield opened
        opened.loop.close()
    deployment.close()


def same(hot: Found, plain: Found) -> None:
    assert plain.plain
    assert (hot.status, hot.body, hot.asked) == (plain.status, plain.body, plain.asked)
    # 1 == True == 1.0 in Python, but not in the ledger.
    assert repr(hot.asked) == repr(plain.asked)
    assert hot.headers.keys() == plain.headers.keys()


# ---------------------------------------------------------------- any body

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = """
    0 -0 -0.0 1 1.0 1e2 1E400 -1e400 1e-400 9007199254740992 9007199254740993 -9007199254740993 1000000001 0.1 19.90
    18446744073709551616 123456789012345678901234567890 01 +1 1. .5 NaN Infinity -Infinity true false null
    [] {} [1] {"a":1} "" "x" "true" "1" "19.90" "1e3" "1_000" "NaN" "-0" "1e999999"
"""
TIMES = """
    2026-12-01T09:00:00Z 2026-12-01T09:00:00z 2026-12-01t09:00:00Z 2026-12-01T09:00:00.1234567Z 2026-12-01T09:00:00.1Z
    2026-12-01T09:00:00 2026-02-30T09:00:00Z 2026-12-01T24:00:00Z 2026-12-01T23:59:60Z 2026-12-01T09:00Z 2026-12-01
    2026-12-01T09:00:00-00:00 2026-12-01T09:00:00+19:59 2026-12-01T09:00:00+0100 2026-12-01T09:00:00+01 1700000000
    0001-01-01T00:00:00+23:59 2026-13-01T09:00:00Z 1000-01-01T00:00:00+19:00 2999-12-31T23:59:59.999999-19:59
    20261201T090000Z ٢٠٢٦-12-01T09:00:00Z 2026-12-01T09:00:00Z\\n 2026-12-01T25:00:00Z 2026-12-01T09:00:00+24:00
"""
RAW = st.one_of(
    st.sampled_from(VALUES.split()),
    st.sampled_from(
        [r'"\ud800"', r'"\udc00x"', r'"\ud83d\ude00"', r'"\u0000"', '"a\tb"', '"ann\\n"', '" ann"', '"x"z']
    ),
    TEXT.map(json.dumps),
    TEXT.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
ID = st.one_of(st.sampled_from(['"ann"', '"r-1"', '"A.b_c:d"', json.dumps("x" * 64), json.dumps("x" * 65)]), RAW)
CAMPAIGN = st.one_of(st.sampled_from(['"winback"', '"nonsense"']), ID)
ZONE = st.one_of(st.sampled_from(['"Europe/Paris"', '"UTC"', '"europe/paris"', '"Factory"', "null"]), RAW)
BOOLEAN = st.one_of(st.sampled_from(["true", "false", "0", "1", '"true"']), RAW)
TIME = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda at: json.dumps(at.isoformat())),
    st.datetimes().map(lambda at: json.dumps(at.isoformat() + "Z")),
    st.sampled_from([f'"{text}"' for text in TIMES.split()]),
    RAW,
)


def objects(keys: dict[str, Any], required: Sequence[str] = ()) -> st.SearchStrategy[str]:
    """JSON objects of some of these keys, now and then with one key twice or one that is unknown."""
    pairs = [st.tuples(st.just(json.dumps(name)), values) for name, values in keys.items()]
    needed = [st.tuples(st.just(json.dumps(name)), keys[name]) for name in required]
    more = st.lists(st.one_of(*pairs, st.tuples(TEXT.map(json.dumps), RAW)), max_size=4)
    return st.tuples(st.tuples(*needed), more).map(
        lambda drawn: "{" + ",".join(f"{key}:{value}" for key, value in (*drawn[0], *drawn[1])) + "}"
    )


def arrays(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=4).map(lambda drawn: "[" + ",".join(drawn) + "]")


ATTRIBUTES = st.one_of(objects({"country": RAW, "days": RAW, "vip": BOOLEAN, "": RAW}), RAW)
ITEM: dict[str, Any] = {
    "recipient": ID,
    "request_id": ID,
    "attributes": ATTRIBUTES,
    "exclude": st.one_of(arrays(ID), RAW),
    "consent": st.one_of(objects({"email": BOOLEAN, "sms": BOOLEAN}), RAW),
    "time_zone": ZONE,
    "defer_exposure": BOOLEAN,
}
DECISION = objects({"campaign": CAMPAIGN, **ITEM}, ["campaign", "recipient"])
BATCH = objects(
    {
        "campaign": CAMPAIGN,
        "recipients": st.one_of(arrays(objects(ITEM, ["recipient"])), RAW),
        "request_id": ID,
        "defer_exposure": BOOLEAN,
    },
    ["campaign", "recipients"],
)
EVENT: dict[str, Any] = {
    "event_id": ID,
    "kind": st.one_of(st.sampled_from(['"purchase"', '"outcomes"', '"Purchase"', json.dumps("x" * 49)]), RAW),
    "occurred_at": TIME,
    "decision_id": ID,
    "recipient": ID,
    "campaign": CAMPAIGN,
    "value": RAW,
    "currency": st.one_of(st.sampled_from(['"USD"', '"usd"', '"US"', '"USD\\n"']), RAW),
    "reverses": ID,
    "machine": BOOLEAN,
}
OUTCOME = st.one_of(
    objects(EVENT, ["event_id", "kind", "occurred_at", "decision_id"]),
    objects(EVENT, ["event_id", "kind", "occurred_at", "recipient", "campaign"]),
    objects(EVENT),
)
REPORT = st.one_of(OUTCOME, objects({"outcomes": st.one_of(arrays(OUTCOME), RAW)}, ["outcomes"]))
JUNK = st.one_of(RAW, st.sampled_from(["", " ", "{", "[]", "null", "\ufeff{}", "{}x"]))


@given(body=st.one_of(DECISION, JUNK))
@example('{"campaign":"winback","recipient":"ann","attributes":{"a":1,"a":1.0,"b":true,"c":null,"d":"é","e":-0.0}}')
@example('{"campaign":"winback","campaign":"other","recipient":"ann"}')
@example('{"campaign":"winback","recipient":"ann\\n"}')
@example('{"campaign":"winback","recipient":"ann","attributes":{"a":9007199254740993}}')
@example('{"campaign":"winback","recipient":"ann","consent":{"email\\n":true}}')
@example('{"campaign":"winback","recipient":"ann","attributes":' + json.dumps({str(n): n for n in range(201)}) + "}")
@example('{"campaign":"winback","recipient":"ann","exclude":' + json.dumps(["x"] * 101) + "}")
def test_any_question_gets_the_answer_of_the_plain_route(door: Door, body: str) -> None:
    same(*door.both(ONE, body.encode()))


@given(body=st.one_of(BATCH, JUNK))
@example('{"campaign":"winback","recipients":[]}')
@example('{"campaign":"nonsense","recipients":[{"recipient":"ann"},{"recipient":"bob","time_zone":"Mars"}]}')
def test_any_batch_gets_the_answer_of_the_plain_route(door: Door, body: str) -> None:
    same(*door.both(MANY, body.encode()))


@given(body=st.one_of(REPORT, JUNK))
@example('{"outcomes":[]}')
@example('{"outcomes":[],"event_id":"e"}')
@example(
    '{"event_id":"e","kind":"paid","occurred_at":"2026-12-01T09:00:00Z","decision_id":"d","recipient":"a","campaign":"c"}'
)
@example('{"event_id":"e","kind":"paid","occurred_at":"2026-12-01T09:00:00Z","recipient":"a"}')
@example('{"event_id":"e","kind":"paid","occurred_at":"2026-12-01T09:00:00Z"}')
def test_any_outcome_gets_the_answer_of_the_plain_route(door: Door, body: str) -> None:
    same(*door.both(OUTCOMES, body.encode()))


@given(at=TIME, value=RAW)
def test_any_time_and_value_mean_the_same(door: Door, at: str, value: str) -> None:
    event = f'{{"event_id":"e","kind":"purchase","decision_id":"d","occurred_at":{at},"value":{value}}}'
    same(*door.both(OUTCOMES, event.encode()))


@given(
    body=DECISION, cut=st.integers(0, 60), byte=st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\x00", b"\\"])
)
def test_bytes_that_are_no_text_get_the_answer_of_the_plain_route(door: Door, body: str, cut: int, byte: bytes) -> None:
    whole = body.encode()
    same(*door.both(ONE, whole[:cut] + byte + whole[cut:]))


# ---------------------------------------------------------------- what is fast, and what is handed on

GOOD = {
    ONE: b'{"campaign":"winback","recipient":"ann","attributes":{"days":1,"vip":null},"time_zone":"UTC",'
    b'"consent":{"sms":true}}',
    MANY: b'{"campaign":"winback","request_id":"r","recipients":[{"recipient":"ann"},'
    b'{"recipient":"bob","exclude":["a"]}]}',
    OUTCOMES: b'{"outcomes":['
    b'{"event_id":"e","kind":"paid","decision_id":"d","occurred_at":"2026-12-01T09:00:00Z","value":"1.5"},'
    b'{"event_id":"f","kind":"paid","recipient":"a","campaign":"c","occurred_at":"2026-12-01T09:00:00.5+01:00"}]}',
}
PATHS = pytest.mark.parametrize("path", GOOD)


@PATHS
def test_the_good_case_takes_the_fast_way(door: Door, path: str) -> None:
    hot, plain = door.both(path, GOOD[path])
    assert not hot.plain
    assert hot.status == 200
    same(hot, plain)


@PATHS
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": b"unknown"}, 401),
        ({"key": b"none"}, 403),
        ({"headers": [(b"x-api-key", b"all")]}, 401),
        ({"media_type": b"text/plain"}, 422),
        ({"headers": [(b"content-type", b"text/plain")]}, 200),
    ],
)
def test_whoever_may_not_ask_is_answered_by_the_plain_route(
    door: Door, path: str, change: dict[str, Any], status: int
) -> None:
    found = door.post(path, GOOD[path], **change)
    assert found.plain
    assert found.status == status
    assert bool(found.asked) == (status == 200)


@PATHS
def test_a_body_in_parts_is_put_together_for_either_way(door: Door, path: str) -> None:
    body = GOOD[path]
    whole = door.post(path, body)
    parts = door.post(path, body[:7], body[7:30], b"", body[30:])
    handed_on = door.post(path, body[:7], body[7:30], b"", body[30:], media_type=PLAIN)
    mended = door.post(path, body[:7], body[7:].replace(b"winback", b"win\\u0062ack"))
    assert not parts.plain
    assert handed_on.plain
    assert whole.asked == parts.asked == handed_on.asked == mended.asked


@PATHS
def test_a_body_that_is_too_large_is_refused_as_ever(door: Door, path: str) -> None:
    found = door.post(path, *[b" " * 1_000_000] * 9)
    assert found.status == 413
    assert not found.asked


@PATHS
def test_items_are_counted_once_against_the_rate_whichever_way_they_take(door: Door, path: str) -> None:
    door.desk.keys.bucket = bucket = Bucket(Rate(1, 1_000), clock=lambda: 0.0)
    try:
        n_items = len(door.post(path, GOOD[path]).asked)
        assert bucket.take(1_000 - n_items) == 0.0
        assert bucket.take(1) > 0.0
        hot, plain = door.both(path, GOOD[path])
        assert hot.plain
        assert hot.status == 429
        assert int(hot.headers[b"retry-after"]) >= 1
        same(hot, plain)
        door.desk.keys.bucket = bucket = Bucket(Rate(1, 1_000), clock=lambda: 0.0)
        door.post(path, GOOD[path], media_type=PLAIN)
        assert bucket.take(1_000 - n_items) == 0.0
        assert bucket.take(1) > 0.0
    finally:
        door.desk.keys.bucket = Bucket(Rate(1_000_000, 1_000_000))


@pytest.fixture
def failing(door: Door) -> Iterator[Callable[[OptimizerError], None]]:
    yield lambda error: setattr(door.desk, "error", error)
    door.desk.error = None


@pytest.mark.parametrize("path", [ONE, MANY])
def test_a_ledger_out_of_reach_means_that_nothing_is_sent_and_when_to_ask_again(
    door: Door, failing: Callable[[OptimizerError], None], path: str
) -> None:
    failing(Unavailable("the ledger cannot take writes now; nothing was written", 3))
    hot, plain = door.both(path, GOOD[path])
    assert not hot.plain
    same(hot, plain)
    assert hot.status == 200
    assert hot.headers[b"retry-after"] == b"3"
    for one in hot.body["decisions"] if path == MANY else [hot.body]:
        given = {key: value for key, value in one.items() if value is not None}
        assert given == {
            "campaign": "winback",
            "reason": "ledger_unavailable",
            "decided_at": "2026-09-21T14:13:20.000000Z",
            "retry_at": "2026-09-21T14:13:23.000000Z",
        }
        assert one.keys() >= {"decision_id", "variant", "message", "propensity", "snapshot"}


def test_outcomes_are_refused_while_the_ledger_is_out_of_reach(
    door: Door, failing: Callable[[OptimizerError], None]
) -> None:
    failing(Unavailable("the ledger cannot take writes now; nothing was written", 3))
    hot, plain = door.both(OUTCOMES, GOOD[OUTCOMES])
    same(hot, plain)
    assert hot.status == 503
    assert hot.headers[b"retry-after"] == b"3"


@PATHS
def test_a_worker_that_has_too_much_to_do_says_so(
    door: Door, failing: Callable[[OptimizerError], None], path: str
) -> None:
    failing(Overloaded("20000 requests are waiting already"))
    hot, plain = door.both(path, GOOD[path])
    same(hot, plain)
    assert hot.status == 429
    assert hot.body["type"] == "urn:optimizer:problem:overloaded"
    assert hot.headers[b"retry-after"] == b"1"


@pytest.mark.parametrize("depth", [33, 200, 900, 100_000])
@PATHS
def test_a_body_nested_too_deeply_is_refused_in_our_words(door: Door, path: str, depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        body = (
            b'{"campaign":"winback","recipient":"ann","attributes":' + opening * depth + b"1" + closing * depth + b"}"
        )
        hot, plain = door.both(path, body)
        same(hot, plain)
        assert hot.status in {400, 422}
        if depth < 1_000:
            assert hot.body["errors"] == [
                {"pointer": "/", "found": "more than 32 levels", "allowed": "fewer objects and lists in one another"}
            ]


def test_a_body_just_not_nested_too_deeply_is_judged_by_its_contents(door: Door) -> None:
    depth = 31  # below the body itself
    hot = door.post(ONE, b'{"campaign":"winback","recipient":"ann","attributes":' + b"[" * depth + b"]" * depth + b"}")
    assert hot.status == 422
    assert hot.body["errors"][0]["pointer"] == "/attributes"


@PATHS
def test_a_defect_is_answered_alike_and_left_for_the_server_to_log(
    door: Door, failing: Callable[[OptimizerError], None], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    failing(ZeroDivisionError("nobody thought of this"))  # type: ignore[arg-type]
    with caplog.at_level("ERROR"):
        hot, plain = door.both(path, GOOD[path])
    same(hot, plain)
    assert (hot.status, hot.headers[b"connection"].lower()) == (500, b"close")
    assert hot.body["type"] == "urn:optimizer:problem:defect"
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError] * 2
