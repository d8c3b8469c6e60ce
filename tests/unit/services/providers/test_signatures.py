"""What proves that a provider sent something: every byte of it counts, and its age."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.web.posts import (
    BOUNCED,
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    MAILERS,
    OPENED,
    SENT,
    TOPIC,
    UNSUBSCRIBED,
    Mailer,
    Post,
    certificate,
    dumped,
    ec_key,
    sendgrid_sign,
    shown,
    standard_sign,
)

from optimizer.domain.instants import HOUR, MINUTE, SECOND, Instant
from optimizer.errors import InvalidRequest
from optimizer.services.providers import mailgun, postmark, resend, sendgrid, ses, standard
from optimizer.services.providers.arrivals import Arrival, Heard, Unsigned
from optimizer.services.providers.credentials import CHECKS, check_credentials
from optimizer.strategy.documents import Strategy
from optimizer.strategy.workspace import read_workspace
from optimizer.web.protocols.senders import UsedTokens

NOON: Instant = 1_790_000_000 * SECOND
KINDS = (SENT, DELIVERED, DEFERRED, BOUNCED, OPENED, CLICKED, UNSUBSCRIBED, COMPLAINED)
DECISION = "9f3c0b5a2f7d4e1896d2c7a4b1e0f355"
OLDEST = {"sendgrid": 25 * HOUR, "mailgun": 9 * HOUR, "resend": 5 * MINUTE, "standard": 5 * MINUTE, "ses": 2 * HOUR}
PROVIDERS = {"sendgrid": sendgrid, "mailgun": mailgun, "postmark": postmark, "resend": resend}


def each_mailer(*without: str) -> pytest.MarkDecorator:
    """Every provider but these."""
    those = [mailer for mailer in MAILERS.values() if mailer.name not in without]
    return pytest.mark.parametrize("mailer", those, ids=lambda mailer: mailer.name)


@pytest.fixture(scope="module")
def strategy(files: Mapping[str, str]) -> Strategy:
    return read_workspace(files).strategy


@pytest.fixture(scope="module")
def take(strategy: Strategy) -> Callable[..., Heard]:
    """What a route does with a request, without HTTP."""

    def taken(
        name: str, post: Post, at: Instant = NOON, secrets: Sequence[str] = (), tokens: UsedTokens | None = None
    ) -> Heard:
        secrets = secrets or [MAILERS[name].secret]
        arrival = Arrival({key.lower(): value for key, value in post.headers.items()}, post.body, at)
        if name == "ses":
            message = ses.message_of(secrets, arrival)
            ses.verify(message, certificate(), arrival)
            return ses.hear(message, at)
        if name == "standard":
            standard.verify(secrets, arrival)
            return standard.hear(arrival, strategy)
        provider: Any = PROVIDERS[name]
        with (tokens or UsedTokens()).use(provider.verify(secrets, arrival), post.body):
            return provider.hear(arrival)

    return taken


def one(mailer: Mailer, kind: str = CLICKED, at: Instant = NOON, **rest: Any) -> Post:
    return mailer.sign([mailer.event(kind, DECISION, at)], at, **rest)


@pytest.mark.parametrize(
    ("mailer", "kind"),
    [(mailer, kind) for mailer in MAILERS.values() for kind in KINDS if mailer.event(kind, DECISION, NOON) is not None],
    ids=lambda one: getattr(one, "name", one),
)
def test_what_is_signed_rightly_is_heard_with_its_kind_decision_and_time(
    mailer: Mailer, kind: str, take: Callable[..., Heard]
) -> None:
    heard = take(mailer.name, mailer.sign([mailer.event(kind, DECISION, NOON - 7 * SECOND)], NOON))
    (report,) = heard.reports
    assert (report.kind, report.decision_id, report.occurred_at) == (kind, DECISION, NOON - 7 * SECOND)
    assert report.event_id.startswith(f"{mailer.name}:")
    assert len(report.event_id) <= 64
    assert (report.machine, report.recipient, dict(heard.ignored)) == (False, None, {})


@each_mailer("postmark")
def test_no_byte_of_the_body_can_be_changed(mailer: Mailer, take: Callable[..., Heard]) -> None:
    """Refused, or, where no signature covers the byte, of no effect. Postmark signs nothing: it is not in this test."""
    post, tokens = one(mailer), UsedTokens()
    genuine = take(mailer.name, post, tokens=tokens)
    without_effect = 0
    for place, byte in enumerate(post.body):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80}:
            forged = Post(post.headers, post.body[:place] + bytes([other]) + post.body[place + 1 :])
            try:
                assert take(mailer.name, forged, tokens=tokens) == genuine, f"byte {place} was taken as {other}"
                without_effect += 1
            except Unsigned:
                continue
    # Of a message of SNS the link that ends a subscription is not signed; it is not used either.
    assert without_effect == 0 or mailer.name == "ses"


@each_mailer()
def test_no_byte_of_what_proves_it_can_be_changed(mailer: Mailer, take: Callable[..., Heard]) -> None:
    post = one(mailer)
    for name, value in post.headers.items():
        if name in {"content-type", "x-amz-sns-message-type"}:
            continue
        for place, character in enumerate(value):
            for bit in (1, 2, 16, 32):
                forged = value[:place] + chr(ord(character) ^ bit) + value[place + 1 :]
                if name == "authorization" and forged.lower().startswith(value[:6].lower()) and place < 6:
                    continue  # the scheme may be written in small letters
                with pytest.raises(Unsigned):
                    take(mailer.name, Post({**post.headers, name: forged}, post.body))


@each_mailer("postmark")
def test_a_body_that_is_longer_or_shorter_is_refused(mailer: Mailer, take: Callable[..., Heard]) -> None:
    post, tokens = one(mailer), UsedTokens()
    genuine = take(mailer.name, post, tokens=tokens)
    for body in (
        post.body[:-1],
        post.body[1:],
        post.body + b"x",
        post.body + b"}",
        b"x" + post.body,
        b"",
        post.body * 2,
    ):
        with pytest.raises(Unsigned):
            take(mailer.name, Post(post.headers, body), tokens=tokens)
    if mailer.name != "ses":  # which signs what a message says, not how it is written
        with pytest.raises(Unsigned):
            take(mailer.name, Post(post.headers, post.body + b" "), tokens=tokens)
    assert take(mailer.name, post, tokens=tokens) == genuine


@each_mailer()
def test_another_secret_proves_nothing_and_either_of_two_does(mailer: Mailer, take: Callable[..., Heard]) -> None:
    theirs = one(mailer, secret=mailer.other_secret)
    with pytest.raises(Unsigned, match="allowed"):
        take(mailer.name, theirs)
    both = [mailer.secret, mailer.other_secret]
    for post in (theirs, one(mailer)):
        assert len(take(mailer.name, post, secrets=both).reports) == 1


@each_mailer("mailgun", "ses")
def test_without_what_proves_it_nothing_is_taken(mailer: Mailer, take: Callable[..., Heard]) -> None:
    post = one(mailer)
    for name in post.headers:
        if name != "content-type":
            with pytest.raises(Unsigned):
                take(mailer.name, Post({k: v for k, v in post.headers.items() if k != name}, post.body))


@pytest.mark.parametrize("name", OLDEST)
def test_what_was_signed_too_long_ago_or_is_from_the_future_is_refused(name: str, take: Callable[..., Heard]) -> None:
    mailer = MAILERS[name]
    for signed_at in (NOON - OLDEST[name], NOON + 5 * MINUTE):
        assert take(name, one(mailer, at=signed_at)).reports
    for signed_at in (NOON - OLDEST[name] - SECOND, NOON + 5 * MINUTE + SECOND):
        with pytest.raises(Unsigned, match="timestamp: found 20"):
            take(name, one(mailer, at=signed_at))


@pytest.mark.parametrize("timestamp", ["", "now", "1e9", "-1790000000", "1790000000.0", "\uff11\uff17\uff19", "9" * 12])
def test_a_time_that_is_no_number_is_refused(timestamp: str, take: Callable[..., Heard]) -> None:
    signed = hmac.digest(b64_secret("standard"), f"m.{timestamp}.{{}}".encode(), sha256)
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + b64encode(signed).decode(),
    }
    with pytest.raises(Unsigned, match="timestamp"):
        take("standard", Post(headers, b"{}"))


def b64_secret(name: str) -> bytes:
    return standard._shared_key(MAILERS[name].secret)


def test_one_of_several_signatures_is_enough_and_other_versions_are_passed_over(take: Callable[..., Heard]) -> None:
    mailer = MAILERS["standard"]
    post = one(mailer)
    right = post.headers["webhook-signature"]
    stranger = standard_sign([{}], NOON, mailer.other_secret).headers["webhook-signature"]
    for header in (f"{stranger} {right}", f"v0,abc {right}", f"v1a,abc {right}", f"{right} nonsense"):
        assert take("standard", Post({**post.headers, "webhook-signature": header}, post.body)).reports
    for header in (
        right.replace("v1,", "v2,"),
        right.removeprefix("v1,"),
        f"v1 {right[3:]}",
        f"{stranger} {stranger}",
        " ",
    ):
        with pytest.raises(Unsigned):
            take("standard", Post({**post.headers, "webhook-signature": header}, post.body))


def test_a_key_pair_of_standard_webhooks_will_do_as_well(take: Callable[..., Heard]) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = "whpk_" + b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    post = one(MAILERS["standard"])
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    signature = b64encode(key.sign(signed)).decode()
    asymmetric = Post({**post.headers, "webhook-signature": f"v1,AAAA v1a,{signature}"}, post.body)
    assert take("standard", asymmetric, secrets=[public]).reports
    with pytest.raises(Unsigned):
        take("standard", post, secrets=[public])
    with pytest.raises(Unsigned):
        take("standard", Post(asymmetric.headers, post.body + b" "), secrets=[public])
    forged = standard_sign([{"type": "clicked"}], NOON, "whsec_" + public.removeprefix("whpk_"))
    with pytest.raises(Unsigned):  # the public key is no shared secret
        take("standard", forged, secrets=[public])


def test_a_token_of_mailgun_belongs_to_the_first_body_it_came_with(take: Callable[..., Heard]) -> None:
    mailer, tokens = MAILERS["mailgun"], UsedTokens()
    first = one(mailer, DELIVERED, token="t" * 50)
    assert take("mailgun", first, tokens=tokens).reports
    assert take("mailgun", first, tokens=tokens).reports  # it may come again: our answer may have been lost
    with pytest.raises(Unsigned, match="another body"):
        take("mailgun", one(mailer, CLICKED, token="t" * 50), tokens=tokens)


def test_a_token_whose_event_could_not_be_recorded_is_free_again() -> None:
    tokens = UsedTokens()
    with pytest.raises(RuntimeError, match="away"), tokens.use("t", b"first"):
        raise RuntimeError("the ledger is away")
    with tokens.use("t", b"second"):
        pass
    with pytest.raises(RuntimeError, match="away"), tokens.use("t", b"second"):
        raise RuntimeError("the ledger is away")
    with pytest.raises(Unsigned), tokens.use("t", b"third"):
        pass


def test_only_so_many_tokens_are_remembered_the_oldest_goes_first() -> None:
    tokens = UsedTokens(most=2)
    for token in "abc":
        with tokens.use(token, b"body"):
            pass
    with tokens.use("a", b"other"):
        pass
    with pytest.raises(Unsigned), tokens.use("c", b"other"):
        pass


def test_an_account_may_sign_for_its_subaccounts(take: Callable[..., Heard]) -> None:
    assert take("mailgun", one(MAILERS["mailgun"], name="parent-signature")).reports
    with pytest.raises(Unsigned):
        take("mailgun", one(MAILERS["mailgun"], name="grandparent-signature"))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"signature": []}', b'{"signature": {}}', b"7"])
def test_a_body_without_a_signature_of_mailgun_or_sns_is_refused(body: bytes, take: Callable[..., Heard]) -> None:
    for name in ("mailgun", "ses"):
        with pytest.raises(Unsigned):
            take(name, Post({}, body))


def test_what_is_signed_and_no_json_is_said_to_be_none(take: Callable[..., Heard]) -> None:
    timestamp = str(NOON // SECOND)
    for body in (b"", b"{", b"\xff", b"NaN", b"[" * 2_000):
        signature = b64encode(ec_key("ours").sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        headers = {sendgrid.SIGNATURE: signature, sendgrid.TIMESTAMP: timestamp}
        with pytest.raises(InvalidRequest, match="not JSON"):
            take("sendgrid", Post(headers, body))


# ---------------------------------------------------------------- what may stand in OPTIMIZER_WEBHOOKS

P384 = shown(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize(
    ("provider", "secret", "allowed"),
    [
        ("sendgrid", "", "a P-256 public key in base64"),
        ("sendgrid", "AAAA", "a P-256 public key in base64"),
        ("sendgrid", P384, "a P-256 public key in base64"),
        ("mailgun", "short", "signing key"),
        ("postmark", "passwordonly", "a colon between them"),
        ("postmark", "user:", "a colon between them"),
        ("resend", "whsec_!!!", "base64 of 16 or more bytes"),
        ("standard", "whsec_AAAA", "base64 of 16 or more bytes"),
        ("standard", "whpk_AAAA", "Ed25519 public key"),
        ("ses", "my-topic", "the ARN of an SNS topic"),
        ("ses", TOPIC + "\n", "the ARN of an SNS topic"),
        ("sparkpost", "x", "allowed sendgrid, ses, mailgun, postmark, resend, standard"),
    ],
)
def test_a_secret_of_another_form_is_said_at_once_and_not_repeated(provider: str, secret: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed) as caught:
        check_credentials({provider: [MAILERS[provider].secret, secret] if provider in MAILERS else [secret]})
    assert not secret or secret not in str(caught.value).replace("sparkpost", "")


def test_the_secrets_providers_give_are_taken() -> None:
    check_credentials({name: [mailer.secret, mailer.other_secret] for name, mailer in MAILERS.items()})
    assert CHECKS.keys() == MAILERS.keys()
    for arn in ("arn:aws-cn:sns:cn-north-1:123456789012:mail", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:m.fifo"):
        check_credentials({"ses": [arn]})


def test_a_signature_of_the_same_value_written_otherwise_is_refused(take: Callable[..., Heard]) -> None:
    post = sendgrid_sign([{}], NOON)
    signature = post.headers["X-Twilio-Email-Event-Webhook-Signature"]
    for other in (signature.rstrip("=") + "====", signature + "\n", f" {signature}", signature.replace("M", "M\n", 1)):
        with pytest.raises(Unsigned):
            take("sendgrid", Post({**post.headers, "X-Twilio-Email-Event-Webhook-Signature": other}, post.body))
    assert dumped([{}]) == post.body


def with_spare_bits(signature: str) -> str:
    """The same bytes in base64, spelt otherwise: the last character before the padding has bits to spare."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = signature.rstrip("=")
    other = bare[:-1] + letters[letters.index(bare[-1]) ^ 1] + signature[len(bare) :]
    assert other != signature
    assert b64decode(other) == b64decode(signature)
    return other


def test_spare_bits_of_base64_are_bits_of_the_signature_too(take: Callable[..., Heard]) -> None:
    name = "X-Twilio-Email-Event-Webhook-Signature"
    padded = (sendgrid_sign([{}], NOON) for _ in range(200))  # how long one is, differs
    post = next(post for post in padded if post.headers[name].endswith("="))
    assert take("sendgrid", post).ignored
    with pytest.raises(Unsigned):
        take("sendgrid", Post({**post.headers, name: with_spare_bits(post.headers[name])}, post.body))

    key = ed25519.Ed25519PrivateKey.generate()
    public = "whpk_" + b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    post = one(MAILERS["standard"])
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    signature = b64encode(key.sign(signed)).decode()
    for spelling, right in ((signature, True), (with_spare_bits(signature), False)):
        asymmetric = Post({**post.headers, "webhook-signature": f"v1a,{spelling}"}, post.body)
        if right:
            assert take("standard", asymmetric, secrets=[public]).reports
        else:
            with pytest.raises(Unsigned):
                take("standard", asymmetric, secrets=[public])
