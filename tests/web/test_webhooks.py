"""E-mail providers report over HTTP: what is signed is durable and counted once, whatever else arrives is refused."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web.posts import (
    CERTIFICATE_URL,
    MAILERS,
    SECRETS,
    SUBSCRIBE_URL,
    TOPIC,
    Mailer,
    Post,
    certificate,
    confirmation,
    dumped,
    mailgun_sign,
    postmark_sign,
    resend_sign,
    sendgrid_sign,
    ses_sign,
    sns_post,
    sns_said,
    sns_sign,
    standard_sign,
)

from optimizer.deployment import Deployment
from optimizer.domain.instants import SECOND
from optimizer.errors import ConfigurationError, Unavailable
from optimizer.services.keys.api_keys import WRONG_KEYS, Scope
from optimizer.services.keys.rates import Strangers
from optimizer.settings import Settings, read_settings, secret_texts
from optimizer.web.app import create_app
from optimizer.web.fast.heads import BoundedHeads
from optimizer.web.protocols.amazon import VISITS, fetch_over_https
from optimizer.web.protocols.webhooks import MOST_BYTES, WebhookOut

each_mailer = pytest.mark.parametrize("mailer", MAILERS.values(), ids=lambda mailer: mailer.name)


def just_now() -> int:
    return time.time_ns() // 1_000


@dataclass
class Sns:
    """What is at the hosts of SNS, and who was there."""

    pages: dict[str, Any] = field(
        default_factory=lambda: {CERTIFICATE_URL: certificate(), SUBSCRIBE_URL: b"<ConfirmSubscriptionResponse/>"}
    )
    visited: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> httpx.Response:
        self.visited.append(url)
        page = self.pages.get(url, 404)
        if isinstance(page, Exception):
            raise page
        return httpx.Response(page) if isinstance(page, int) else httpx.Response(200, content=page)


@dataclass
class Wired:
    """A service to which every provider may report; what it knows of strangers and of SNS is as new in every test."""

    client: httpx.Client
    deployment: Deployment
    app: Any
    house: Any
    sns: Sns = field(default_factory=Sns)
    _people: Iterator[int] = field(default_factory=count)

    def know(self, secrets: Mapping[str, Any] = SECRETS) -> None:
        """Begin anew, with these secrets."""
        state = self.app.state
        state.desk.webhooks = secret_texts(Settings(webhooks=dict(secrets)).webhooks)
        state.desk.keys.strangers = Strangers(WRONG_KEYS, 100)
        self.sns = Sns()
        state.fetch = self.sns.fetch
        if hasattr(state, "senders"):
            del state.senders

    def take(self, name: str, post: Post) -> httpx.Response:
        return self.client.post(f"/v1/webhooks/{name}", content=post.body, headers=dict(post.headers))

    def taken(self, name: str, post: Post) -> dict[str, Any]:
        answer = self.take(name, post)
        assert answer.status_code == 200, answer.text
        WebhookOut.model_validate(answer.json(), strict=False)
        found: dict[str, Any] = answer.json()
        return found

    def decided(self, recipient: str = "") -> str:
        recipient = recipient or f"person-{next(self._people)}"
        answer = self.client.post("/v1/decisions", json={"campaign": "newsletter", "recipient": recipient})
        found: str = answer.json()["decision_id"]
        return found

    def outcomes(self, decision_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"/v1/decisions/{decision_id}").json()["outcomes"]
        return found

    def waits(self, event_id: str) -> dict[str, Any]:
        """An event in quarantine."""
        (found,) = [
            one
            for one in self.client.get("/v1/quarantine?n=1000").json()["reports"]
            if one["report"]["event_id"] == event_id
        ]
        return found


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, files: Mapping[str, str], make_house: Callable[..., Any]
) -> Iterator[Wired]:
    deployment = Deployment(tmp_path_factory.mktemp("wired"), Settings(actor="tester"))
    house = make_house(deployment, just_now())
    house.apply(files)
    app, listening = create_app(deployment), socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, http=BoundedHeads, lifespan="on", ws="none"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in 30 seconds"
            time.sleep(0.005)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        key = {"X-API-Key": deployment.create_key("test", list(Scope))}
        with httpx.Client(base_url=url, headers=key, timeout=30) as client:
            yield Wired(client, deployment, app, house)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        deployment.close()


@pytest.fixture
def wired(service: Wired) -> Wired:
    service.know()
    return service


def clicked(mailer: Mailer, decision_id: str, at: int | None = None, **rest: Any) -> Post:
    at = at or just_now()
    return mailer.sign([mailer.event("clicked", decision_id, at)], at, **rest)


# ---------------------------------------------------------------- what is signed


@each_mailer
def test_an_event_is_recorded_with_its_decision_and_a_repeat_of_it_changes_nothing(
    mailer: Mailer, wired: Wired
) -> None:
    id_ = wired.decided()
    post = clicked(mailer, id_)
    first = wired.taken(mailer.name, post)
    assert [one["status"] for one in first["outcomes"]] == ["accepted"]
    (outcome,) = wired.outcomes(id_)
    assert (outcome["kind"], outcome["machine"]) == ("clicked", False)
    before = wired.house.statistics("newsletter"), wired.house.counts()
    again = wired.taken(mailer.name, post)
    assert [one["status"] for one in again["outcomes"]] == ["duplicate"]
    assert (wired.house.statistics("newsletter"), wired.house.counts()) == before
    assert wired.house.verify().clean


@each_mailer
def test_an_event_that_is_signed_anew_for_another_attempt_counts_once(mailer: Mailer, wired: Wired) -> None:
    id_, at = wired.decided(), just_now()
    event = mailer.event("clicked", id_, at)
    answers = [wired.taken(mailer.name, mailer.sign([event], at - later * SECOND)) for later in (2, 1, 0)]
    assert [answer["outcomes"][0]["status"] for answer in answers] == ["accepted", "duplicate", "duplicate"]
    assert len(wired.outcomes(id_)) == 1


@each_mailer
def test_events_of_a_decision_nobody_made_wait_in_quarantine_until_it_is_there(mailer: Mailer, wired: Wired) -> None:
    at = just_now()
    lost = mailer.sign([mailer.event("clicked", "f" * 32, at)], at)
    (status,) = wired.taken(mailer.name, lost)["outcomes"]
    assert status["status"] == "unknown"
    one = wired.waits(status["event_id"])
    assert one["report"]["decision_id"] == "f" * 32
    assert one["reason"].startswith(f"decision_id: found {'f' * 32}; allowed a decision this service made")
    retried = wired.client.post("/v1/quarantine/retry", json={"event_ids": [status["event_id"]]}).json()["outcomes"]
    assert [status["status"] for status in retried] == ["unknown"]


@each_mailer
def test_an_event_of_a_message_that_carried_no_decision_waits_too_and_says_so(mailer: Mailer, wired: Wired) -> None:
    at = just_now()
    event = mailer.event("clicked", "gone", at)
    nameless = (
        dumped(event).replace(b'"decision_id":["gone"]', b'"x":["y"]').replace(b'"decision_id":"gone"', b'"x":"y"')
    )
    (status,) = wired.taken(mailer.name, mailer.sign([json.loads(nameless)], at))["outcomes"]
    assert status["status"] == "unknown"
    one = wired.waits(status["event_id"])
    assert one["report"]["decision_id"] is None
    assert one["reason"].startswith("decision_id: found none")
    assert "ann@example.com" not in str(one)


def test_events_from_before_the_decision_or_the_future_are_rejected_with_the_reason(wired: Wired) -> None:
    mailer, id_ = MAILERS["sendgrid"], wired.decided()
    for at in (just_now() - 3_600 * SECOND, just_now() + 3_600 * SECOND):
        (found,) = wired.taken("sendgrid", mailer.sign([mailer.event("clicked", id_, at)], just_now()))["outcomes"]
        assert (found["status"], found["detail"][:18]) == ("rejected", "occurred_at: found")


def test_a_batch_is_answered_event_by_event_and_what_says_nothing_is_counted(wired: Wired) -> None:
    mailer, id_, at = MAILERS["sendgrid"], wired.decided(), just_now()
    events = [mailer.event(kind, id_, at) for kind in ("sent", "delivered", "opened")]
    events += [mailer.event("opened", id_, at, machine=True), {"event": "group_resubscribe"}, {"event": "new"}, 7]
    answer = wired.taken("sendgrid", mailer.sign(events, at))
    assert [one["status"] for one in answer["outcomes"]] == ["accepted"] * 4
    assert answer["ignored"] == {"group_resubscribe": 1, "new": 1, "nameless": 1}
    assert sorted((one["kind"], one["machine"]) for one in wired.outcomes(id_)) == [
        ("delivered", False),
        ("opened", False),
        ("opened", True),
        ("sent", False),
    ]


@each_mailer
def test_whoever_complains_gets_nothing_more(mailer: Mailer, wired: Wired) -> None:
    person = f"angry-at-{mailer.name}"
    id_, at = wired.decided(person), just_now()
    wired.taken(mailer.name, mailer.sign([mailer.event("complained", id_, at)], at))
    answer = wired.client.post("/v1/decisions", json={"campaign": "newsletter", "recipient": person}).json()
    assert (answer["variant"], answer["reason"]) == (None, "recipient_suppressed")


@each_mailer
def test_while_a_secret_is_changed_both_are_taken(mailer: Mailer, wired: Wired) -> None:
    wired.know(Settings(webhooks={mailer.name: [mailer.secret, mailer.other_secret]}).webhooks)
    for secret in (mailer.secret, mailer.other_secret):
        assert wired.taken(mailer.name, clicked(mailer, wired.decided(), secret=secret))["outcomes"]


# ---------------------------------------------------------------- what is not


@each_mailer
def test_a_wrong_signature_is_a_problem_and_nothing_is_written(mailer: Mailer, wired: Wired) -> None:
    before = wired.house.counts()
    answer = wired.take(mailer.name, clicked(mailer, "f" * 32, secret=mailer.other_secret))
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == ("Basic" if mailer.name == "postmark" else "Signature")
    assert "; allowed " in answer.json()["detail"]
    assert mailer.secret not in answer.text
    assert wired.house.counts() == before


@pytest.mark.parametrize(
    "mailer", [one for one in MAILERS.values() if one.name != "postmark"], ids=lambda one: one.name
)
def test_bytes_changed_on_the_way_are_refused_by_the_route_as_well(mailer: Mailer, wired: Wired) -> None:
    id_ = wired.decided()
    post = clicked(mailer, id_)
    wired.taken(mailer.name, post)
    before, places = wired.house.counts(), range(0, len(post.body), len(post.body) // 40)
    for place in places:
        body = post.body[:place] + bytes([post.body[place] ^ 1]) + post.body[place + 1 :]
        answer = wired.take(mailer.name, Post(post.headers, body))
        said = answer.json()
        # A byte of SNS's that nothing signs has no effect: what is recorded is what was.
        assert answer.status_code == 401 or (said["outcomes"][0]["status"], mailer.name) == ("duplicate", "ses"), said
    assert wired.house.counts() == before


@each_mailer
def test_a_provider_without_a_secret_is_refused_with_what_to_do(mailer: Mailer, wired: Wired) -> None:
    wired.know({})
    answer = wired.take(mailer.name, clicked(mailer, "f" * 32))
    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        f"webhook: found none for {mailer.name}; allowed it once OPTIMIZER_WEBHOOKS holds a secret of {mailer.name}"
    )


def test_an_api_key_is_no_signature(wired: Wired) -> None:
    for name in MAILERS:
        assert wired.client.post(f"/v1/webhooks/{name}", content=b"{}").status_code == 401


def wrong_until_slowed_down(wired: Wired, wrong: Post) -> httpx.Response:
    """Sends what is signed wrongly until it is not looked at any more; the answer of then."""
    for n in range(50 * WRONG_KEYS.burst):  # a slow machine gains tokens meanwhile
        answer = wired.take("resend", wrong)
        if answer.status_code == 429:
            assert n >= WRONG_KEYS.burst
            return answer
        assert answer.status_code == 401
    raise AssertionError("nobody was slowed down")


def test_an_address_that_is_wrong_too_often_makes_us_visit_nothing(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = clicked(MAILERS["ses"], wired.decided())
    wrong = clicked(MAILERS["resend"], "f" * 32, secret=MAILERS["resend"].other_secret)
    stopped = Strangers(WRONG_KEYS, 100, clock=lambda: 0.0)  # or a slow machine may visit once more by then
    monkeypatch.setattr(wired.app.state.desk.keys, "strangers", stopped)
    wrong_until_slowed_down(wired, wrong)
    answer = wired.take("ses", post)
    assert (answer.status_code, wired.sns.visited) == (429, [])


def test_an_address_that_is_wrong_too_often_is_slowed_is_slowed_down_and_a_right_signature_passes(wired: Wired) -> None:
    mailer, id_ = MAILERS["resend"], wired.decided()
    wrong = clicked(mailer, id_, secret=mailer.other_secret)
    refused = wrong_until_slowed_down(wired, wrong)
    assert int(refused.headers["retry-after"]) >= 1
    assert "; allowed " in refused.json()["detail"]
    assert wired.taken("resend", clicked(mailer, id_))["outcomes"][0]["status"] == "accepted"


@each_mailer
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in chunks"])
def test_a_body_that_is_too_large_is_not_read(mailer: Mailer, declared: bool, wired: Wired) -> None:
    post = clicked(mailer, "f" * 32)
    body = post.body + b" " * MOST_BYTES

    def chunks() -> Iterator[bytes]:
        yield from (body[start : start + 65_536] for start in range(0, len(body), 65_536))

    answer = wired.client.post(
        f"/v1/webhooks/{mailer.name}", content=body if declared else chunks(), headers=dict(post.headers)
    )
    assert answer.status_code == 413, answer.text
    assert answer.json()["detail"] == f"body: found more than {MOST_BYTES:,} bytes; allowed at most that many"


@each_mailer
def test_while_the_ledger_is_away_nothing_is_taken_and_the_same_request_is_taken_later(
    mailer: Mailer, wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = wired.decided()
    post = clicked(mailer, id_)

    def away(**_: Any) -> Any:
        raise Unavailable("the ledger cannot take writes now")

    with monkeypatch.context() as broken:
        broken.setattr(wired.deployment.store, "begin_if_free", lambda: None)
        broken.setattr(wired.deployment.store, "begin", away)
        broken.setattr(wired.deployment.store, "begin_if_free", lambda: None)
        answer = wired.take(mailer.name, post)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert wired.outcomes(id_) == []
    assert wired.taken(mailer.name, post)["outcomes"][0]["status"] == "accepted"


def test_a_token_of_mailgun_cannot_carry_another_event(wired: Wired) -> None:
    mailer, id_ = MAILERS["mailgun"], wired.decided()
    wired.taken("mailgun", clicked(mailer, id_, token="t" * 50))
    stolen = mailer.sign([mailer.event("complained", id_, just_now())], just_now(), token="t" * 50)
    answer = wired.take("mailgun", stolen)
    assert (answer.status_code, "another body" in answer.text) == (401, True)
    assert [one["kind"] for one in wired.outcomes(id_)] == ["clicked"]


# ---------------------------------------------------------------- Amazon


def test_the_certificate_is_fetched_once(wired: Wired) -> None:
    for _ in range(2):
        wired.taken("ses", clicked(MAILERS["ses"], wired.decided()))
    assert wired.sns.visited == [CERTIFICATE_URL]


def test_a_subscription_of_our_topic_is_confirmed_and_no_other(wired: Wired) -> None:
    said = sns_sign(confirmation(just_now()))
    assert wired.taken("ses", sns_post(said)) == {"outcomes": [], "ignored": {"SubscriptionConfirmation": 1}}
    assert wired.sns.visited == [CERTIFICATE_URL, SUBSCRIBE_URL]
    theirs = confirmation(just_now()) | {"TopicArn": TOPIC + "-of-others"}
    assert wired.take("ses", sns_post(sns_sign(theirs))).status_code == 401
    assert wired.take("ses", sns_post({**said, "Signature": "AAAA"})).status_code == 401
    assert wired.sns.visited == [CERTIFICATE_URL, SUBSCRIBE_URL]


@pytest.mark.parametrize("page", [403, 404, 302])
def test_a_subscription_that_sns_does_not_confirm_is_asked_for_again(page: int, wired: Wired) -> None:
    wired.sns.pages[SUBSCRIBE_URL] = page
    assert wired.take("ses", sns_post(sns_sign(confirmation(just_now())))).status_code == 503


def test_the_end_of_a_subscription_is_taken_note_of_and_nothing_is_visited(wired: Wired) -> None:
    said = sns_sign({**confirmation(just_now()), "Type": "UnsubscribeConfirmation"})
    assert wired.taken("ses", sns_post(said))["ignored"] == {"UnsubscribeConfirmation": 1}
    assert wired.sns.visited == [CERTIFICATE_URL]


@pytest.mark.parametrize("page", [httpx.ConnectError("away"), httpx.ReadTimeout("slow"), 500, 503])
def test_while_sns_cannot_be_reached_its_messages_are_to_come_again(page: Any, wired: Wired) -> None:
    post = clicked(MAILERS["ses"], wired.decided())
    there = dict(wired.sns.pages)
    wired.sns.pages[CERTIFICATE_URL] = page
    answer = wired.take("ses", post)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    wired.sns.pages = {**there, SUBSCRIBE_URL: page}
    assert wired.taken("ses", post)["outcomes"][0]["status"] == "accepted"
    assert wired.take("ses", sns_post(sns_sign(confirmation(just_now())))).status_code == 503


@pytest.mark.parametrize("page", [404, 403, 301, b"x" * 70_000, b"no certificate", certificate("other")])
def test_what_has_no_certificate_at_sns_is_not_of_sns(page: Any, wired: Wired) -> None:
    wired.sns.pages[CERTIFICATE_URL] = page
    assert wired.take("ses", clicked(MAILERS["ses"], wired.decided())).status_code == 401


def test_strangers_cannot_make_us_visit_sns_without_end(wired: Wired) -> None:
    began = time.monotonic()
    for n in range(VISITS.burst + 30):
        url = CERTIFICATE_URL.replace("0123456789abcdef0123456789abcdef", f"{n:032x}")
        answer = wired.take("ses", sns_post(sns_sign(sns_said("{}", just_now(), SigningCertURL=url))))
        assert answer.status_code in {401, 503}
    assert len(wired.sns.visited) <= VISITS.burst + 5 + VISITS.per_second * (time.monotonic() - began)


def test_a_visit_follows_no_redirect() -> None:
    hits: list[str] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        answer = asyncio.run(fetch_over_https(f"http://127.0.0.1:{server.server_port}/certificate"))
        thread.join(10)
    assert (answer.status_code, hits) == (302, ["/certificate"])


# ---------------------------------------------------------------- Standard Webhooks


def test_a_standard_webhook_may_say_it_in_our_own_words(wired: Wired) -> None:
    id_, at = wired.decided(), just_now()
    own = {"kind": "purchase", "decision_id": id_, "value": "19.90", "currency": "USD"}
    own["occurred_at"] = MAILERS["standard"].event("x", id_, at)["timestamp"]
    post = standard_sign([own], at, message_id="msg_1")
    (first,) = wired.taken("standard", post)["outcomes"]
    assert (first["status"], first["event_id"][:9]) == ("accepted", "standard:")
    assert wired.taken("standard", post)["outcomes"][0]["status"] == "duplicate"
    both = {"outcomes": [{**own, "event_id": "evt-1"}, {**own, "event_id": "evt-2", "kind": "clicked", "value": None}]}
    assert [one["event_id"] for one in wired.taken("standard", standard_sign([both], at))["outcomes"]] == [
        "evt-1",
        "evt-2",
    ]
    assert sorted(one["value"] or 0 for one in wired.outcomes(id_)) == [0, 19.9, 19.9]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"kind": "purchase"}, "/outcomes/0/occurred_at"),
        ({"kind": "Not A Kind", "occurred_at": "2026-01-01T00:00:00Z"}, "/outcomes/0/kind"),
        ({"outcomes": [7]}, "/outcomes/0"),
        ({"outcomes": 7}, "/outcomes/0"),
        ({"type": "purchase", "data": {"value": "many"}}, "/data/value"),
    ],
)
def test_a_standard_webhook_that_cannot_be_read_is_told_where(said: Any, pointer: str, wired: Wired) -> None:
    answer = wired.take("standard", standard_sign([said], just_now()))
    assert answer.status_code == 422
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text


def test_a_standard_webhook_is_what_the_strategy_in_force_says(wired: Wired, files: Any) -> None:
    mapping = "events:\n  order.paid: {outcome: purchase, value: total, currency: currency}\n"
    wired.house.apply({**files, "strategy.yaml": files["strategy.yaml"] + mapping})
    id_, at = wired.decided(), just_now()
    event = MAILERS["standard"].event("order.paid", id_, at, total="7.50", currency="USD")
    assert wired.taken("standard", standard_sign([event], at))["outcomes"][0]["status"] == "accepted"
    (outcome,) = wired.outcomes(id_)
    assert (outcome["kind"], outcome["value"], outcome["currency"]) == ("purchase", 7.5, "USD")
    assert wired.taken("standard", standard_sign([{"type": "order.lost"}], at))["ignored"] == {"order.lost": 1}


# ---------------------------------------------------------------- anything at all

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "data", "event", "mail", "tags", "event-data", "outcomes", "kind", "decision_id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
SIGNERS: dict[str, Callable[..., Post]] = {
    "sendgrid": sendgrid_sign,
    "mailgun": mailgun_sign,
    "postmark": postmark_sign,
    "resend": resend_sign,
    "standard": standard_sign,
    "ses": ses_sign,
}


@settings(max_examples=120)
@given(name=st.sampled_from(sorted(SIGNERS)), said=ANYTHING, raw=st.binary(max_size=60))
def test_whatever_is_posted_signed_or_not_is_answered(name: str, said: Any, raw: bytes, wired: Wired) -> None:
    signed = wired.take(name, SIGNERS[name]([said], just_now()))
    assert signed.status_code in {200, 422}, signed.text
    unsigned = wired.take(name, Post({"content-type": "text/plain"}, raw))
    assert unsigned.status_code in {401, 429}, unsigned.text


# ---------------------------------------------------------------- settings


def test_secrets_of_another_form_stop_the_service_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, said in (
        ('{"sendgrid": "no key"}', "OPTIMIZER_WEBHOOKS: found a value that is not usable: sendgrid:"),
        ('{"mailgun": ["' + "k" * 40 + '", "short"]}', "allowed the HTTP webhook signing key Mailgun shows"),
        ('{"pigeon": "x"}', "allowed sendgrid, ses, mailgun, postmark, resend, standard"),
        ("no json", "OPTIMIZER_WEBHOOKS: found no JSON; allowed a JSON object, in one line"),
    ):
        monkeypatch.setenv("OPTIMIZER_WEBHOOKS", value)
        with pytest.raises(ConfigurationError) as caught:
            read_settings()
        assert said in str(caught.value)
        assert "k" * 40 not in str(caught.value)
    monkeypatch.setenv("OPTIMIZER_WEBHOOKS", dumped({"mailgun": "k" * 40, "ses": [TOPIC]}).decode())
    assert read_settings().webhooks.keys() == {"mailgun", "ses"}
