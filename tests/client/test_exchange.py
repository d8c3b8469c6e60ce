"""One call until it is answered: what is tried again, how long is waited, when it ends; no socket and no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from optimizer.client import (
    Conflict,
    InvalidCall,
    MissingScope,
    NotFound,
    Recipient,
    Refused,
    Retries,
    TimedOut,
    Timeouts,
    Unavailable,
    Unintelligible,
    WrongKey,
)
from optimizer.client.calls import Reply, decide_call, decide_many_call
from optimizer.client.exchange import Attempt, Patience, Pause

PROBLEM = {"content-type": "application/problem+json"}
DECISION = {"decision_id": "d1", "campaign": "winback", "variant": "hello", "reason": "exploit"}
GOOD = Reply(200, {"content-type": "application/json"}, json.dumps(DECISION).encode())
AWAY = Unavailable("nobody there")


def problem(status: int, detail: str = "found this; allowed that", **headers: str) -> Reply:
    body = {"detail": detail, "errors": [{"pointer": "/campaign", "found": "this", "allowed": "that"}]}
    return Reply(status, PROBLEM | headers, json.dumps(body).encode())


class Driven:
    """Plays the service: gives these replies one after the other, and writes down what it was asked for."""

    def __init__(self, replies: Sequence[Reply | Unavailable], *, each_takes: float = 0.0, chance: float = 0.5) -> None:
        self.replies: Iterator[Reply | Unavailable] = iter(replies)
        self.each_takes, self.now, self.chance = each_takes, 1_000.0, chance
        self.attempts: list[Attempt] = []
        self.pauses: list[float] = []

    def patience(self, timeouts: Timeouts = Timeouts(), retries: Retries = Retries()) -> Patience:  # noqa: B008
        return Patience(timeouts, retries, lambda: self.now, lambda: self.chance)

    def run(self, steps: Any) -> Any:
        came: Any = None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                    came = None
                else:
                    self.attempts.append(step)
                    self.now += self.each_takes
                    came = next(self.replies)
        except StopIteration as end:
            return end.value


def asked(driven: Driven, timeouts: Timeouts = Timeouts(), retries: Retries = Retries()) -> Any:  # noqa: B008
    call = decide_call("winback", Recipient("ann"), "r1", deferred=False)
    return driven.run(driven.patience(timeouts, retries).exchange(call))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_the_very_same_request(status: int) -> None:
    driven = Driven([AWAY, problem(status), GOOD])
    assert asked(driven).variant == "hello"
    assert len({step.call.body for step in driven.attempts}) == 1
    assert b'"request_id":"r1"' in driven.attempts[0].call.body
    assert len(driven.attempts) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidCall),
        (401, WrongKey),
        (403, MissingScope),
        (404, NotFound),
        (405, Refused),
        (409, Conflict),
        (413, InvalidCall),
        (422, InvalidCall),
    ],
)
def test_a_no_is_raised_at_once_in_the_service_s_words(status: int, kind: type[Refused]) -> None:
    driven = Driven([problem(status)])
    with pytest.raises(kind, match="found this; allowed that") as raised:
        asked(driven)
    assert type(raised.value) is kind
    assert len(driven.attempts) == 1
    if isinstance(raised.value, InvalidCall):
        assert raised.value.findings == (("/campaign", "this", "that"),)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"content-type": "text/html"}, b"<html>Welcome to the hotel</html>"),
        Reply(200, {}, b'{"decision_id": 7}'),
        Reply(302, {"location": "https://elsewhere"}, b""),
        Reply(404, {"content-type": "text/html"}, b"no such page"),
        Reply(401, {}, b""),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:10]!r}",
)
def test_an_answer_of_somebody_else_is_no_answer(reply: Reply) -> None:
    driven = Driven([reply] * 4)
    with pytest.raises(Unintelligible):
        asked(driven)
    assert len(driven.attempts) == 4


def test_a_service_that_cannot_reach_its_ledger_is_asked_again_when_it_says() -> None:
    body = json.dumps({**DECISION, "decision_id": None, "variant": None, "reason": "ledger_unavailable"}).encode()
    driven = Driven([Reply(200, {"retry-after": "2"}, body), GOOD], chance=0.0)
    assert asked(driven).decision_id == "d1"
    assert driven.pauses == [2.0]


def test_waits_double_up_to_a_bound_and_chance_makes_them_shorter() -> None:
    retries = Retries(attempts=6, first_wait=0.1, longest_wait=0.5)
    for chance in (0.25, 0.999):
        driven = Driven([AWAY] * 6, chance=chance)
        with pytest.raises(Unavailable):
            asked(driven, retries=retries)
        assert driven.pauses == pytest.approx([wait * chance for wait in (0.1, 0.2, 0.4, 0.5, 0.5)])


def test_what_the_service_asks_for_is_waited_for_and_a_little_more() -> None:
    driven = Driven([problem(429, **{"retry-after": "3"}), GOOD])
    assert asked(driven).variant == "hello"
    assert driven.pauses == pytest.approx([3.05])


@pytest.mark.parametrize("said", ["", "soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(said: str) -> None:
    driven = Driven([problem(503, **{"retry-after": said}), GOOD])
    asked(driven)
    assert driven.pauses == pytest.approx([0.05])


def test_nobody_waits_longer_than_the_total() -> None:
    driven = Driven([problem(503, **{"retry-after": "60"})])
    with pytest.raises(Unavailable, match="found this"):
        asked(driven)
    assert driven.pauses == []
    slow = Driven([TimedOut("too slow")] * 9, each_takes=0.9)
    with pytest.raises(TimedOut):
        asked(slow, Timeouts(connect=1.0, read=1.0, total=2.0), Retries(attempts=9))
    assert slow.now - 1_000 <= 2.0 + 0.9
    assert slow.attempts[-1].read < 1.0  # what is left of the total


def test_a_batch_says_item_by_item_what_is_wrong_with_it() -> None:
    items = [DECISION, {"recipient": "b", "error": {"detail": "/attributes/x: found 1; allowed no such key"}}]
    driven = Driven([Reply(200, {}, json.dumps({"decisions": items}).encode())])
    call = decide_many_call("winback", [Recipient("a"), Recipient("b")], "r1", deferred=True)
    good, bad = driven.run(driven.patience().exchange(call))
    assert (good.decision_id, bad.recipient) == ("d1", "b")
    assert "/attributes/x" in bad.detail
    sent = json.loads(driven.attempts[0].call.body or b"")
    assert sent["recipients"][0] == {"recipient": "a", "defer_exposure": True}


def test_nothing_else_than_an_unavailable_service_ends_in_a_fallback() -> None:
    raised: list[Callable[[], Any]] = [lambda: asked(Driven([problem(422)])), lambda: asked(Driven([AWAY] * 4))]
    for call, kind in zip(raised, (Refused, Unavailable), strict=True):
        with pytest.raises(kind):
            call()
    assert not issubclass(Refused, Unavailable)
