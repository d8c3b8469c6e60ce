"""Posting: Standard Webhooks over real HTTP, verified by the libraries that receivers use."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixVerificationError
from tests.web.receiving import Receiver, receiving

from optimizer.deployment import now
from optimizer.domain.instants import HOUR, MINUTE
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.services.notices.announcing import announce, post
from optimizer.services.recipients.memberships import seen
from optimizer.services.recipients.profiles import put_profile
from optimizer.settings import Receiver as ReceiverSettings
from optimizer.storage.recipients import Profile
from optimizer.web.background import posting
from optimizer.web.background.posting import Posting, signed_headers
from optimizer.web.desk import Desk

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
APPROVAL, HELD_OUT = "approval: {required: false}\n", "holdout: {share: 0.1}\n"
NOTIFY = """\
notify:
  - {id: ops, about: [proposal_made, budget_80, segment_entered, segment_left]}
  - {id: chat, about: [proposal_made], format: slack}
"""


class Office:
    """A house that posts to receivers on this machine, by a clock of its own; one worker, or two."""

    def __init__(self, house: Any, receivers: Mapping[str, ReceiverSettings]) -> None:
        self.house = house
        self.ahead = 0
        self.set(receivers)

    def set(self, receivers: Mapping[str, ReceiverSettings]) -> None:
        deployment = self.house.deployment
        deployment.settings = deployment.settings.model_copy(update={"receivers": dict(receivers)})

    def now(self) -> int:
        return now() + self.ahead

    def announce(self, n: int = 0, kind: NoticeKind = NoticeKind.PROPOSAL_MADE) -> Notice:
        notice = Notice(kind, "winback", {"n": n}, self.now())
        with self.house.deployment.store.writing() as ledger:
            announce(ledger, notice)
        return notice

    def run(self, do: Callable[[Posting, Desk], Awaitable[Any]]) -> None:
        async def within() -> None:
            desk = Desk(self.house.deployment)
            worker = Posting(desk, self.house.deployment, self.now)
            try:
                await do(worker, desk)
            finally:
                await worker.end()
                await desk.close()

        asyncio.run(within())

    def turn(self, times: int = 1) -> None:
        """Do what is due now: address, then post, and write down what became of it."""

        async def turns(worker: Posting, _: Desk) -> None:
            for _ in range(times + 1):
                await worker.turn()
                await worker.settled()

        self.run(turns)

    def states(self, receiver: str = "ops") -> list[tuple[str, int, str | None]]:
        with self.house.deployment.store.reading() as ledger:
            told = post(ledger, 100).notices
        found = [one for notice in reversed(told) for one in notice.deliveries if one.receiver == receiver]
        return [(one.state, one.attempts, one.trouble) for one in found]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as here:
        yield here


@pytest.fixture
def office(sqlite_house: Any, files: Any, edited: Callable[..., Any], receiver: Receiver) -> Office:
    told = edited(files, "strategy.yaml", (APPROVAL, APPROVAL + NOTIFY))
    sqlite_house.apply(edited(told, "campaigns/winback.yaml", (HELD_OUT, "announce_segments: true\n")))
    ops = ReceiverSettings(url=SecretStr(receiver.url), secret=SecretStr(SECRET))
    return Office(sqlite_house, {"ops": ops})


def test_a_notice_is_verified_by_the_official_library_and_says_what_happened(
    office: Office, receiver: Receiver
) -> None:
    notice = office.announce(7)
    office.turn()
    (one,) = receiver.received
    found = Webhook(SECRET).verify(one.body, dict(one.headers))
    assert found == {
        "type": "proposal_made",
        "timestamp": found["timestamp"],
        "data": {"campaign": "winback", "at": found["timestamp"], "n": 7},
    }
    assert one.headers["webhook-id"] == notice.notice_id
    assert one.headers["content-type"] == "application/json"
    assert one.headers["user-agent"].startswith("optimizer/")
    SvixWebhook(SECRET).verify(one.body, dict(one.headers))
    with pytest.raises(SvixVerificationError):
        SvixWebhook(SECRET).verify(one.body + b" ", dict(one.headers))
    assert office.states() == [("delivered", 1, None)]
    office.turn()
    assert len(receiver.received) == 1


def test_our_signature_is_that_of_the_official_library() -> None:
    from datetime import UTC, datetime

    body, at = '{"ä": 1}', datetime(2026, 12, 1, tzinfo=UTC)
    headers = signed_headers([SECRET], "msg", int(at.timestamp()), body.encode())
    assert headers["webhook-signature"] == Webhook(SECRET).sign("msg", at, body)
    assert headers["webhook-timestamp"] == "1796083200"


def test_while_a_secret_is_changed_receivers_with_either_can_verify(office: Office, receiver: Receiver) -> None:
    other, stranger = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    office.set({"ops": ReceiverSettings(url=SecretStr(receiver.url), secret=(SecretStr(other), SecretStr(SECRET)))})
    office.announce()
    office.turn()
    (one,) = receiver.received
    for secret in (SECRET, other):
        Webhook(secret).verify(one.body, dict(one.headers))
        SvixWebhook(secret).verify(one.body, dict(one.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(one.body, dict(one.headers))


def test_whatever_is_tampered_with_is_refused_by_the_official_library(office: Office, receiver: Receiver) -> None:
    office.announce()
    office.turn()
    (one,) = receiver.received
    verify = Webhook(SECRET).verify
    for place in range(len(one.body)):
        tampered = one.body[:place] + bytes([one.body[place] ^ 1]) + one.body[place + 1 :]
        with pytest.raises(WebhookVerificationError):
            verify(tampered, dict(one.headers))
    later = str(int(one.headers["webhook-timestamp"]) + 1)
    for name, value in (("webhook-id", "other"), ("webhook-timestamp", later)):
        with pytest.raises(WebhookVerificationError):
            verify(one.body, {**one.headers, name: value})
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify(one.body, dict(one.headers))


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_a_success(office: Office, receiver: Receiver, status: int) -> None:
    receiver.status = status
    office.announce()
    office.turn()
    assert office.states()[0][0] == "delivered"


@pytest.mark.parametrize(("status", "state"), [(302, "waiting"), (400, "waiting"), (503, "waiting"), (410, "dead")])
def test_anything_else_is_none(office: Office, receiver: Receiver, status: int, state: str) -> None:
    receiver.answers, receiver.headers = [status], {"location": receiver.url + "/elsewhere"}
    office.announce()
    office.turn()
    assert office.states() == [(state, 1, f"answered {status}")]
    assert [one.path for one in receiver.received] == ["/hook/s3cret-path"]  # no redirect was followed


def test_a_retry_has_the_same_id_and_body_and_a_new_time_and_signature(office: Office, receiver: Receiver) -> None:
    receiver.answers = [500]
    office.announce()
    office.turn()
    office.turn()
    assert len(receiver.received) == 1
    office.ahead += MINUTE
    office.turn()
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 59
    assert office.states() == [("delivered", 2, None)]


def test_who_cannot_be_reached_is_tried_again_and_his_url_is_told_to_nobody(
    office: Office, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    url = SecretStr("http://127.0.0.1:9/T0KEN")  # discard: nobody listens
    office.set({"ops": ReceiverSettings(url=url, secret=SecretStr(SECRET))})
    office.announce()
    office.turn()
    ((state, attempts, trouble),) = office.states()
    assert (state, attempts, trouble) == ("waiting", 1, "not reached: ConnectError")
    assert "T0KEN" not in caplog.text + "".join(capsys.readouterr())


def test_no_url_is_written_into_the_log_when_all_is_well(
    office: Office, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.announce()
    office.turn()
    assert len(receiver.received) == 1
    assert "s3cret-path" not in caplog.text


def test_a_receiver_that_says_nothing_is_left_after_a_while_and_keeps_nobody_else_waiting(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.talks.clear()
    with receiving() as chat:
        office.set(
            {
                "ops": ReceiverSettings(url=SecretStr(receiver.url), secret=SecretStr(SECRET)),
                "chat": ReceiverSettings(url=SecretStr(chat.url)),
            }
        )
        office.announce()

        async def watch(worker: Posting, desk: Desk) -> None:
            await worker.turn()
            began = time.monotonic()
            await worker.turn()
            while office.states("chat") != [("delivered", 1, None)]:
                await asyncio.sleep(0.01)
            assert await desk.change(lambda *_: 1) == 1  # nor does the writer wait
            assert time.monotonic() - began < posting.TIMEOUT_SECONDS

        office.run(watch)
        monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 0.3)
        office.turn()
        assert len(chat.received) == 1
    assert office.states() == [("waiting", 1, "no answer within 0 seconds")]


def test_an_endless_answer_is_not_read_to_its_end(office: Office, receiver: Receiver) -> None:
    receiver.status, receiver.answer = 200, (b"x" * 65_536, 1_000_000)
    office.announce()
    began = time.monotonic()
    office.turn()
    assert office.states()[0][0] == "delivered"
    assert time.monotonic() - began < posting.TIMEOUT_SECONDS


def test_a_chat_gets_a_message_and_no_signature(office: Office) -> None:
    with receiving() as chat:
        office.set({"chat": ReceiverSettings(url=SecretStr(chat.url))})
        office.announce()
        office.turn()
        (one,) = chat.received
    message = json.loads(one.body)
    assert message["text"] == "A proposal waits for you: winback"
    assert message["blocks"][0]["text"] == {"type": "plain_text", "text": message["text"], "emoji": False}
    assert "webhook-signature" not in one.headers


def test_what_has_nowhere_to_go_waits_until_the_environment_says(office: Office, receiver: Receiver) -> None:
    ops = office.house.deployment.settings.receivers["ops"]
    for incomplete in ({}, {"ops": ops.model_copy(update={"secret": None})}):
        office.set(incomplete)
        office.announce()
        office.turn()
    assert {state for state, _, _ in office.states()} == {"waiting"}
    assert receiver.received == []
    office.set({"ops": ops})
    office.turn()
    assert len(receiver.received) == 2


def test_many_notices_arrive_in_their_order(office: Office, receiver: Receiver) -> None:
    for n in range(80):
        office.announce(n)
    office.turn()
    assert [json.loads(one.body)["data"]["n"] for one in receiver.received] == list(range(80))


def test_two_workers_post_each_notice_once(
    office: Office, receiver: Receiver, deploy: Callable[..., Any], make_house: Callable[..., Any]
) -> None:
    url = office.house.deployment.store.engine.url.render_as_string(hide_password=False)
    other = Office(make_house(deploy(url)), office.house.deployment.settings.receivers)
    for n in range(60):
        office.announce(n)

    async def both(worker: Posting, _: Desk) -> None:
        desk = Desk(other.house.deployment)
        second = Posting(desk, other.house.deployment, other.now)
        try:
            for _ in range(6):
                await asyncio.gather(worker.turn(), second.turn())
                await asyncio.gather(worker.settled(), second.settled())
        finally:
            await second.end()
            await desk.close()

    office.run(both)
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert len(ids) == len(set(ids)) == 60
    assert {state for state, _, _ in office.states()} == {"delivered"}


def test_a_worker_that_ends_leaves_its_receivers_to_the_others(office: Office, receiver: Receiver) -> None:
    receiver.talks.clear()
    office.announce()

    async def leave(worker: Posting, _: Desk) -> None:
        await worker.turn()
        await worker.turn()
        while not receiver.received:
            await asyncio.sleep(0.01)

    office.run(leave)
    receiver.talks.set()
    assert office.states()[0][:2] == ("waiting", 0)
    office.turn()
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert office.states()[0][0] == "delivered"


def put(office: Office, recipient: str, **attributes: Any) -> None:
    with office.house.deployment.store.writing() as ledger:
        put_profile(ledger, office.house.deployment.live, recipient, Profile(attributes), office.now())
        seen(ledger, office.house.deployment.live, [recipient], office.now())


def test_a_segment_is_told_with_the_id_the_caller_knows(office: Office, receiver: Receiver) -> None:
    put(office, "ann@example.org", days=100)
    office.turn()
    office.ahead += HOUR
    put(office, "ann@example.org", country="US")
    office.turn()
    told = [Webhook(SECRET).verify(one.body, dict(one.headers)) for one in receiver.received[:1]]
    told += [json.loads(one.body) for one in receiver.received[1:]]  # of a time that is yet to come
    at = [one["data"].pop("at") for one in told]
    assert at == sorted(at)
    assert [(one["type"], one["data"]) for one in told] == [
        (
            "segment_entered",
            {"campaign": "winback", "segment": "lapsed", "from": None, "recipient": "ann@example.org"},
        ),
        (
            "segment_left",
            {"campaign": "winback", "segment": "lapsed", "to": "american", "recipient": "ann@example.org"},
        ),
        (
            "segment_entered",
            {"campaign": "winback", "segment": "american", "from": "lapsed", "recipient": "ann@example.org"},
        ),
    ]
    with office.house.deployment.store.reading() as ledger:
        assert [one.notice.about for one in post(ledger, 10).notices] == [None] * 3  # told: nobody need know any more


def test_whom_a_secret_does_not_open_nobody_is_told_about(office: Office, receiver: Receiver) -> None:
    put(office, "ann", days=100)
    put(office, "bob", days=100)
    with office.house.deployment.store.engine.begin() as connection:  # somebody has swapped two rows
        rows = connection.exec_driver_sql("SELECT notice_id, sealed FROM notice_recipients").fetchall()
        for (id_, _), (_, sealed) in zip(rows, reversed(rows), strict=True):
            connection.exec_driver_sql("UPDATE notice_recipients SET sealed = ? WHERE notice_id = ?", (sealed, id_))
    office.turn()
    assert receiver.received == []
    assert office.states() == [("dead", 1, "whom it is about cannot be said any more")] * 2


def test_a_person_is_named_in_no_table(office: Office) -> None:
    put(office, "ann@example.org", days=100)
    with office.house.deployment.store.engine.connect() as connection:
        dump = "\n".join(connection.connection.dbapi_connection.iterdump())  # type: ignore[union-attr]
    assert "notice_recipients" in dump
    assert "ann@example.org" not in dump
    assert b"ann@example.org".hex() not in dump.lower()
