"""What each e-mail provider posts, signed as that provider signs: keys, samples after its documentation, and clocks."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from optimizer.domain.instants import Instant, isoformat, moment

SENT, DELIVERED, DEFERRED, BOUNCED = "sent", "delivered", "deferred", "bounced"
OPENED, CLICKED, UNSUBSCRIBED, COMPLAINED = "opened", "clicked", "unsubscribed", "complained"

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail-events"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-" + "0123456789abcdef" * 2 + ".pem"
SUBSCRIBE_URL = (
    f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37fb687f"
)
_numbers = count(1)


@dataclass(frozen=True)
class Post:
    """A request as it goes over the wire."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Mailer:
    """A provider, for tests.

    Attributes:
        secret: what OPTIMIZER_WEBHOOKS holds.
        other_secret: another one of its kind.
        event: makes an event of a kind about a decision; None for a kind it does not know.
        sign: makes the request that carries these events.
        batches: whether one request may carry several events.
        tells_machines: whether it says that a machine did something.
    """

    name: str
    secret: str
    other_secret: str
    event: Callable[..., dict[str, Any] | None]
    sign: Callable[..., Post]
    batches: bool = False
    tells_machines: bool = False

    def posts(self, events: Sequence[dict[str, Any]], at: Instant) -> list[Post]:
        """The requests that carry these events: one, or one each."""
        return [self.sign(list(events), at)] if self.batches else [self.sign([event], at) for event in events]


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# ---------------------------------------------------------------- SendGrid


@cache
def ec_key(_name: str) -> ec.EllipticCurvePrivateKey:
    """A key made the way SendGrid makes them."""
    return ec.generate_private_key(ec.SECP256R1())


def shown(key: ec.EllipticCurvePrivateKey) -> str:
    """The verification key as SendGrid's page shows it."""
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


_SENDGRID = {
    SENT: {"event": "processed"},
    DELIVERED: {"event": "delivered", "response": "250 OK"},
    DEFERRED: {"event": "deferred", "response": "400 try again later", "attempt": "5"},
    BOUNCED: {"event": "bounce", "reason": "500 unknown recipient", "status": "5.0.0", "type": "bounce"},
    OPENED: {"event": "open", "useragent": "Mozilla/4.0", "ip": "192.0.2.7", "sg_machine_open": False},
    CLICKED: {"event": "click", "url": "http://example.com/", "ip": "192.0.2.7"},
    UNSUBSCRIBED: {"event": "unsubscribe"},
    COMPLAINED: {"event": "spamreport"},
}


def sendgrid_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "email": "ann@example.com",
        "timestamp": at // 1_000_000,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "category": ["winback"],
        "sg_event_id": f"ZGVjaXNpb24{next(_numbers)}==",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "decision_id": decision_id,  # a custom argument, flat among the others
        **_SENDGRID[kind],
    }
    return event | ({"sg_machine_open": True} if machine else {}) | rest


def sendgrid_sign(events: Any, at: Instant, secret: str = "") -> Post:
    body, timestamp = dumped(events), str(at // 1_000_000)
    key = ec_key("other" if secret == shown(ec_key("other")) else "ours")
    signature = b64encode(key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return Post({"content-type": "application/json", **headers}, body)


# ---------------------------------------------------------------- Mailgun

_MAILGUN = {
    SENT: {"event": "accepted"},
    DELIVERED: {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
    DEFERRED: {"event": "failed", "severity": "temporary", "reason": "generic"},
    BOUNCED: {"event": "failed", "severity": "permanent", "reason": "bounce"},
    OPENED: {"event": "opened", "client-info": {"client-type": "browser", "bot": ""}},
    CLICKED: {"event": "clicked", "url": "http://example.com/", "client-info": {"client-type": "browser", "bot": ""}},
    UNSUBSCRIBED: {"event": "unsubscribed"},
    COMPLAINED: {"event": "complained"},
}


def mailgun_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": f"CCXMjJ7nQi2N3BPigG{next(_numbers)}",
        "timestamp": at / 1_000_000,
        "recipient": "ann@example.com",
        "user-variables": {"decision_id": decision_id},
        "message": {"headers": {"message-id": "20260203192638.000be97f99f8cea1@mail.example.com"}},
        **_MAILGUN[kind],
    }
    return event | ({"client-info": {"client-type": "robot", "bot": "apple"}} if machine else {}) | rest


def mailgun_sign(
    events: Sequence[Any], at: Instant, secret: str = "", token: str = "", name: str = "signature"
) -> Post:
    timestamp, token = str(at // 1_000_000), token or sha256(f"{next(_numbers)}".encode()).hexdigest()[:50]
    secret = secret or MAILERS["mailgun"].secret
    signed = hmac.new(secret.encode(), f"{timestamp}{token}".encode(), sha256).hexdigest()
    signature = {"token": token, "timestamp": timestamp, "signature": "0" * 64} | {name: signed}
    return Post({"content-type": "application/json"}, dumped({"signature": signature, "event-data": events[0]}))


# ---------------------------------------------------------------- Postmark

_POSTMARK = {
    DELIVERED: ("Delivery", "DeliveredAt", {"Details": "Test delivery webhook details"}),
    DEFERRED: ("Bounce", "BouncedAt", {"ID": 42, "Type": "SoftBounce", "TypeCode": 4096, "Inactive": False}),
    BOUNCED: ("Bounce", "BouncedAt", {"ID": 43, "Type": "HardBounce", "TypeCode": 1, "Inactive": True}),
    OPENED: ("Open", "ReceivedAt", {"FirstOpen": True, "UserAgent": "Mozilla/5.0", "Platform": "Desktop"}),
    CLICKED: ("Click", "ReceivedAt", {"OriginalLink": "https://example.com/", "ClickLocation": "HTML"}),
    UNSUBSCRIBED: (
        "SubscriptionChange",
        "ChangedAt",
        {"SuppressSending": True, "SuppressionReason": "ManualSuppression", "Origin": "Recipient"},
    ),
    COMPLAINED: ("SpamComplaint", "BouncedAt", {"ID": 44, "Type": "SpamComplaint", "TypeCode": 512}),
}


def postmark_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> Any:
    if kind not in _POSTMARK or machine:
        return None
    record, when, details = _POSTMARK[kind]
    return {
        "RecordType": record,
        "MessageStream": "outbound",
        "MessageID": f"883953f4-6105-42a2-a16a-{decision_id[:12]}",
        "Recipient": "ann@example.com",
        "Metadata": {"decision_id": decision_id},
        when: isoformat(at).replace("Z", "0Z"),  # seven digits, as Postmark writes them
        **details,
        **rest,
    }


def postmark_sign(events: Sequence[Any], at: Instant, secret: str = "") -> Post:
    del at
    credentials = b64encode((secret or MAILERS["postmark"].secret).encode()).decode()
    return Post({"content-type": "application/json", "authorization": f"Basic {credentials}"}, dumped(events[0]))


# ---------------------------------------------------------------- Resend, and Standard Webhooks

_RESEND = {
    SENT: ("email.sent", {}),
    DELIVERED: ("email.delivered", {}),
    DEFERRED: ("email.delivery_delayed", {}),
    BOUNCED: ("email.bounced", {"bounce": {"type": "Permanent", "subType": "General", "message": "unknown"}}),
    OPENED: ("email.opened", {}),
    CLICKED: ("email.clicked", {"click": {"link": "https://example.com/", "userAgent": "Mozilla/5.0"}}),
    COMPLAINED: ("email.complained", {}),
}


def resend_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> Any:
    if kind not in _RESEND or machine:
        return None
    name, details = _RESEND[kind]
    data = {
        "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
        "created_at": "2024-11-22 23:41:11.894719+00",
        "to": ["ann@example.com"],
        "tags": {"decision_id": decision_id},
        **details,
        **rest,
    }
    return {"type": name, "created_at": isoformat(at), "data": data}


def standard_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> dict[str, Any]:
    data = {"decision_id": decision_id, **({"machine": True} if machine else {}), **rest}
    return {"type": kind, "timestamp": isoformat(at), "data": data}


def standard_sign(
    events: Sequence[Any], at: Instant, secret: str = "", prefix: str = "webhook", message_id: str = ""
) -> Post:
    body, timestamp = dumped(events[0]), str(at // 1_000_000)
    # Named after what it says, so that the same event has the same name whenever it is sent.
    message_id = message_id or f"msg_{sha256(body).hexdigest()[:27]}"
    name = {"webhook": "standard", "svix": "resend"}[prefix]
    key = b64decode((secret or MAILERS[name].secret).removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = "v1," + b64encode(hmac.digest(key, signed, sha256)).decode()
    return Post(
        {
            "content-type": "application/json",
            f"{prefix}-id": message_id,
            f"{prefix}-timestamp": timestamp,
            f"{prefix}-signature": signature,
        },
        body,
    )


def resend_sign(events: Sequence[Any], at: Instant, secret: str = "", message_id: str = "") -> Post:
    return standard_sign(events, at, secret, "svix", message_id)


# ---------------------------------------------------------------- Amazon SES over SNS

_SES: dict[str, tuple[str, str, dict[str, Any]]] = {
    SENT: ("Send", "send", {}),
    DELIVERED: ("Delivery", "delivery", {"processingTimeMillis": 11893, "smtpResponse": "250 2.6.0 Message received"}),
    DEFERRED: ("DeliveryDelay", "deliveryDelay", {"delayType": "TransientCommunicationFailure"}),
    BOUNCED: ("Bounce", "bounce", {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "01-61"}),
    OPENED: ("Open", "open", {"ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}),
    CLICKED: ("Click", "click", {"ipAddress": "192.0.2.1", "link": "http://example.com/", "linkTags": None}),
    UNSUBSCRIBED: (
        "Subscription",
        "subscription",
        {"source": "UnsubscribeHeader", "newTopicPreferences": {"unsubscribeAll": True, "topicSubscriptionStatus": []}},
    ),
    COMPLAINED: ("Complaint", "complaint", {"complaintSubType": None, "complaintFeedbackType": "abuse"}),
}


def ses_event(kind: str, decision_id: str, at: Instant, *, machine: bool = False, **rest: Any) -> Any:
    if machine:
        return None
    name, details, more = _SES[kind]
    mail = {
        "timestamp": isoformat(at)[:23] + "Z",
        "messageId": f"EXAMPLE7c191be45-{decision_id[:12]}-000000",
        "destination": ["ann@example.com"],
        "tags": {"ses:configuration-set": ["ConfigSet"], "decision_id": [decision_id]},
    }
    body = more if kind == SENT else {"timestamp": isoformat(at)[:23] + "Z", **more}
    return {"eventType": name, "mail": mail, details: {**body, **rest}}


@cache
def rsa_key(_name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(name: str = "sns", *, ended: bool = False) -> bytes:
    """A certificate as SNS has one, in PEM; it is not valid forever."""
    title = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(title)
        .public_key(rsa_key(name).public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=2 if ended else 20 * 365))
        .sign(rsa_key(name), SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def sns_sign(said: Mapping[str, Any], key: str = "sns") -> dict[str, Any]:
    """A message of SNS with its signature."""
    names = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")
    if said["Type"] == "Notification":
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said).encode()
    algorithm = {"1": SHA1, "2": SHA256}[str(said["SignatureVersion"])]()
    return {**said, "Signature": b64encode(rsa_key(key).sign(signed, PKCS1v15(), algorithm)).decode()}


def sns_said(message: str, at: Instant, **rest: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": f"22b80b92-fdea-4c2c-8f9d-{next(_numbers):012}",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": moment(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at // 1_000 % 1_000:03}Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn",
        **rest,
    }


def sns_post(said: Mapping[str, Any]) -> Post:
    return Post({"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": said["Type"]}, dumped(said))


def ses_sign(events: Sequence[Any], at: Instant, secret: str = TOPIC, key: str = "sns", version: str = "2") -> Post:
    said = sns_said(dumped(events[0]).decode(), at, TopicArn=secret or TOPIC, SignatureVersion=version)
    return sns_post(sns_sign(said, key))


def confirmation(at: Instant, **rest: Any) -> dict[str, Any]:
    more = {"Type": "SubscriptionConfirmation", "Token": "2336412f37fb687f", "SubscribeURL": SUBSCRIBE_URL}
    return sns_said("You have chosen to subscribe to the topic.", at, **more, **rest)


MAILERS: dict[str, Mailer] = {
    one.name: one
    for one in (
        Mailer(
            "sendgrid",
            shown(ec_key("ours")),
            shown(ec_key("other")),
            sendgrid_event,
            sendgrid_sign,
            batches=True,
            tells_machines=True,
        ),
        Mailer("mailgun", "key-" + "1" * 32, "key-" + "2" * 32, mailgun_event, mailgun_sign, tells_machines=True),
        Mailer("postmark", "mail:" + "p" * 20, "mail:" + "q" * 20, postmark_event, postmark_sign),
        Mailer(
            "resend",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_" + b64encode(b"r" * 24).decode(),
            resend_event,
            resend_sign,
        ),
        Mailer(
            "standard",
            "whsec_C2FVsBQIhrscChlQIMVb5sSYspob7oD3",
            "whsec_" + b64encode(b"s" * 24).decode(),
            standard_event,
            standard_sign,
            tells_machines=True,
        ),
        Mailer("ses", TOPIC, TOPIC + "-other", ses_event, ses_sign),
    )
}
SECRETS = {name: mailer.secret for name, mailer in MAILERS.items()}
