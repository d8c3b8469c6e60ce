"""The providers' own libraries: what they sign we take, and what our tests sign in their name they take for theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import resend
from pydantic import SecretStr
from sendgrid.helpers.eventwebhook import EventWebhook
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook
from tests.web.posts import (
    CERTIFICATE_URL,
    MAILERS,
    SECRETS,
    certificate,
    confirmation,
    dumped,
    ec_key,
    mailgun_event,
    resend_event,
    resend_sign,
    sendgrid_event,
    sendgrid_sign,
    ses_event,
    ses_sign,
    shown,
    sns_said,
    sns_sign,
    standard_event,
    standard_sign,
)

from optimizer.deployment import Deployment
from optimizer.domain.instants import SECOND
from optimizer.settings import Settings

pytestmark = pytest.mark.slow

NODE_PACKAGES = {
    "@sendgrid/eventwebhook": "8.0.0",
    "resend": "6.38.0",
    "sns-validator": "0.3.5",
    "standardwebhooks": "1.1.1",
    "svix": "2.5.0",
}
DECISION = "9f3c0b5a2f7d4e1896d2c7a4b1e0f355"


def just_now() -> int:
    return int(datetime.now(UTC).timestamp()) * SECOND


@pytest.fixture(scope="module")
def project(node_project: Callable[..., Path]) -> Path:
    return node_project(NODE_PACKAGES)


@pytest.fixture
def service(serve: Any, workspace: Any, new_database: Any) -> Iterator[Any]:
    """A running service to which every provider may report."""
    options = Settings(
        database_url=SecretStr(new_database("sqlite")),
        secret=SecretStr("correct horse battery staple 0123456789"),
        actor="tester",
        webhooks=SECRETS,
    )
    deployment = Deployment(workspace(), options)
    try:
        with serve(deployment) as running:
            yield running
    finally:
        deployment.close()


def decided(service: Any) -> str:
    """A decision of the learning group."""
    for n in range(100):
        found = service.client.post("/v1/decisions", json={"campaign": "newsletter", "recipient": f"p{n}"}).json()
        if found["group"] == "learning":
            id_: str = found["decision_id"]
            return id_
    raise AssertionError("nobody learns")


def statuses(service: Any, name: str, body: bytes, headers: dict[str, str]) -> list[str]:
    answer = service.client.post(f"/v1/webhooks/{name}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [one["status"] for one in answer.json()["outcomes"]]


def signed_by(library: Any, prefix: str, message_id: str, body: str) -> dict[str, str]:
    """The headers of a message that a library of Standard Webhooks signs."""
    at = datetime.now(UTC)
    return {
        f"{prefix}-id": message_id,
        f"{prefix}-timestamp": str(int(at.timestamp())),
        f"{prefix}-signature": library.sign(message_id, at, body),
    }


# ---------------------------------------------------------------- Python


def test_what_sendgrid_s_library_takes_for_sendgrid_s_we_take(service: Any) -> None:
    id_, at = decided(service), just_now()
    post = sendgrid_sign([sendgrid_event("delivered", id_, at), sendgrid_event("clicked", id_, at)], at)
    signature = post.headers["X-Twilio-Email-Event-Webhook-Signature"]
    timestamp = post.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
    library = EventWebhook(shown(ec_key("ours")))
    assert library.verify_signature(post.body.decode(), signature, timestamp)
    assert not library.verify_signature(post.body.decode() + " ", signature, timestamp)
    assert statuses(service, "sendgrid", post.body, dict(post.headers)) == ["accepted", "accepted"]
    # Learning moves: the decision is a trial by now, and a success.
    assert service.house().trials("newsletter", "reward:clicks") == (1, 1, 1)


@pytest.mark.parametrize(
    ("name", "prefix", "library", "event"),
    [
        ("standard", "webhook", StandardWebhook, standard_event),
        ("resend", "svix", SvixWebhook, resend_event),
    ],
)
def test_what_a_library_of_standard_webhooks_signs_we_take(
    service: Any, name: str, prefix: str, library: Any, event: Any
) -> None:
    id_, at = decided(service), just_now()
    for n, kind in enumerate(("delivered", "clicked")):
        body = dumped(event(kind, id_, at)).decode()
        headers = signed_by(library(SECRETS[name]), prefix, f"msg_{n}", body)
        assert statuses(service, name, body.encode(), headers) == ["accepted"]
        assert statuses(service, name, body.encode(), headers) == ["duplicate"]
        stranger = signed_by(library(MAILERS[name].other_secret), prefix, "msg_9", body)
        refused = service.client.post(f"/v1/webhooks/{name}", content=body, headers=stranger)
        assert refused.status_code == 401
    assert service.house().trials("newsletter", "reward:clicks") == (1, 1, 1)


def test_what_our_tests_sign_the_libraries_take() -> None:
    at = just_now()
    post = standard_sign([standard_event("clicked", DECISION, at)], at)
    assert StandardWebhook(SECRETS["standard"]).verify(post.body, dict(post.headers))["type"] == "clicked"
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(SECRETS["standard"]).verify(post.body + b" ", dict(post.headers))
    post = resend_sign([resend_event("clicked", DECISION, at)], at)
    SvixWebhook(SECRETS["resend"]).verify(post.body, dict(post.headers))
    headers = {name: post.headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    taken = resend.Webhooks.verify(
        {"payload": post.body.decode(), "headers": headers, "webhook_secret": SECRETS["resend"]}
    )
    assert taken["type"] == "email.clicked"


# ---------------------------------------------------------------- JavaScript


def test_sendgrid_s_javascript_library_takes_them_too(project: Path, run_js: Callable[..., str]) -> None:
    at = just_now()
    post = sendgrid_sign([sendgrid_event("clicked", DECISION, at)], at)
    script = """
        import { EventWebhook } from "@sendgrid/eventwebhook";
        const { KEY, BODY, SIGNATURE, TIMESTAMP } = process.env;
        const library = new EventWebhook();
        const key = library.convertPublicKeyToECDSA(KEY);
        const verified = (body) => library.verifySignature(key, body, SIGNATURE, TIMESTAMP);
        console.log(JSON.stringify([verified(BODY), verified(BODY.replace("click", "clicK"))]));
    """
    environment = {
        "KEY": shown(ec_key("ours")),
        "BODY": post.body.decode(),
        "SIGNATURE": post.headers["X-Twilio-Email-Event-Webhook-Signature"],
        "TIMESTAMP": post.headers["X-Twilio-Email-Event-Webhook-Timestamp"],
    }
    assert json.loads(run_js(project, script, environment)) == [True, False]


def test_what_javascript_libraries_sign_we_take(project: Path, run_js: Callable[..., str], service: Any) -> None:
    id_, at = decided(service), just_now()
    script = """
        import { Webhook as Standard } from "standardwebhooks";
        import { Webhook as Svix } from "svix";
        const { STANDARD, RESEND, CLICK, OPEN } = process.env;
        const now = new Date();
        console.log(JSON.stringify([
            String(Math.floor(now / 1000)),
            new Standard(STANDARD).sign("msg_js", now, CLICK),
            new Svix(RESEND).sign("msg_js", now, OPEN),
        ]));
    """
    click, opened = standard_event("clicked", id_, at), resend_event("opened", id_, at)
    environment = {
        "STANDARD": SECRETS["standard"],
        "RESEND": SECRETS["resend"],
        "CLICK": dumped(click).decode(),
        "OPEN": dumped(opened).decode(),
    }
    timestamp, standard, svix = json.loads(run_js(project, script, environment))
    for name, prefix, said, signature in (("standard", "webhook", click, standard), ("resend", "svix", opened, svix)):
        headers = {f"{prefix}-id": "msg_js", f"{prefix}-timestamp": timestamp, f"{prefix}-signature": signature}
        assert statuses(service, name, dumped(said), headers) == ["accepted"]


def test_resend_s_javascript_library_takes_what_our_tests_sign(project: Path, run_js: Callable[..., str]) -> None:
    at = just_now()
    post = resend_sign([resend_event("clicked", DECISION, at)], at)
    script = """
        import { Resend } from "resend";
        const { SECRET, BODY, ID, TIMESTAMP, SIGNATURE } = process.env;
        const headers = { id: ID, timestamp: TIMESTAMP, signature: SIGNATURE };
        const verified = (payload) => {
            try {
                return new Resend("re_none").webhooks.verify({ payload, headers, webhookSecret: SECRET }).type;
            } catch { return "refused"; }
        };
        console.log(JSON.stringify([verified(BODY), verified(BODY + " ")]));
    """
    environment = {"SECRET": SECRETS["resend"], "BODY": post.body.decode()} | {
        name.upper(): post.headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")
    }
    assert json.loads(run_js(project, script, environment)) == ["email.clicked", "refused"]


def test_amazon_s_javascript_validator_takes_what_our_tests_sign(project: Path, run_js: Callable[..., str]) -> None:
    at = just_now()
    event = dumped(ses_event("clicked", DECISION, at)).decode()
    messages = [
        sns_sign(sns_said(event, at, SignatureVersion=version, **subject))
        for version in ("1", "2")
        for subject in ({}, {"Subject": "Amazon SES Email Event Notification"})
    ]
    messages += [sns_sign(confirmation(at)), {**messages[0], "Message": event + " "}, {**messages[3], "Subject": "x"}]
    assert json.loads(ses_sign([{}], at).body)["SigningCertURL"] == CERTIFICATE_URL
    script = """
        import https from "node:https";
        import { Readable } from "node:stream";
        import Validator from "sns-validator";
        // The certificate comes from here; what is done with it is the library's.
        https.get = (url, callback) => {
            const answer = Readable.from([Buffer.from(process.env.CERTIFICATE)]);
            answer.statusCode = 200;
            callback(answer);
            return { on: () => undefined };
        };
        const validator = new Validator();
        const verdicts = [];
        for (const message of JSON.parse(process.env.MESSAGES)) {
            verdicts.push(await new Promise((done) => validator.validate(message, (error) => done(error === null))));
        }
        console.log(JSON.stringify(verdicts));
    """
    environment = {"MESSAGES": json.dumps(messages), "CERTIFICATE": certificate().decode()}
    assert json.loads(run_js(project, script, environment)) == [True] * 5 + [False] * 2


def test_the_signature_of_mailgun_is_the_one_of_its_documentation() -> None:
    """Mailgun's libraries verify nothing; its documentation says what is signed, and this is that, by other means."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC

    mailer, at = MAILERS["mailgun"], just_now()
    said = json.loads(mailer.sign([mailgun_event("clicked", DECISION, at)], at).body)["signature"]
    by_hand = HMAC(mailer.secret.encode(), SHA256())
    by_hand.update(said["timestamp"].encode() + said["token"].encode())
    assert by_hand.finalize().hex() == said["signature"]
