"""Amazon SES through SNS: a message of a topic, signed by SNS, in which an event of SES stands as text.

Anybody may have a topic, and SNS signs for all of them: what makes a message ours is its topic. So the "secrets" are
the ARNs of our topics, and host and region of every URL in a message must be those of its topic. A message carries its
decision as a message tag.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from optimizer.domain.instants import HOUR, Duration, Instant, instant
from optimizer.domain.outcome import BOUNCED
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers.arrivals import (
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    OPENED,
    SENT,
    UNSUBSCRIBED,
    Arrival,
    Heard,
    Unsigned,
    check_time,
    fields,
    heard_of,
    instant_of,
    report_of,
    text,
    wrong,
)

NAME: Final = "ses"
CONFIRMATION: Final = "SubscriptionConfirmation"
# It repeats a message, with its first signature, for at most an hour. An event counts once all the same.
OLDEST: Final[Duration] = 2 * HOUR

_TOPIC = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?"
)
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: Final = {"1": SHA1, "2": SHA256}

# Event type: what it is, and the object of the event that tells more.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "Send": (SENT, "send"),
    "Delivery": (DELIVERED, "delivery"),
    "DeliveryDelay": (DEFERRED, "deliveryDelay"),
    "Bounce": (BOUNCED, "bounce"),
    "Reject": (BOUNCED, "reject"),
    "Rendering Failure": (BOUNCED, "failure"),
    "Complaint": (COMPLAINED, "complaint"),
    "Open": (OPENED, "open"),
    "Click": (CLICKED, "click"),
    "Subscription": (UNSUBSCRIBED, "subscription"),
}


@dataclass(frozen=True, slots=True)
class TopicMessage:
    """A message of a topic of ours, as yet without proof.

    Attributes:
        said: its fields.
        certificate_url: where SNS says the certificate is, at the host of the topic's region.
    """

    said: Mapping[str, Any]
    certificate_url: str

    @property
    def subscribe_url(self) -> str | None:
        """What to visit to confirm the subscription, in a message that asks for it."""
        return text(self.said.get("SubscribeURL")) if self.said.get("Type") == CONFIRMATION else None


def check(secret: str) -> None:
    """See `Provider`."""
    if not _TOPIC.fullmatch(secret):
        raise ValueError("the ARN of an SNS topic, such as arn:aws:sns:us-east-1:123456789012:mail-events")


def message_of(topics: Sequence[str], arrival: Arrival) -> TopicMessage:
    """The message, if it is of one of these topics and names no host but that of its region.

    Raises:
        Unsigned: it does not, or is no message of SNS.
    """
    try:
        said = fields(orjson.loads(arrival.body))
    except orjson.JSONDecodeError:
        raise wrong("a body that is not JSON") from None
    signed = _SIGNED.get(text(said.get("Type")))
    if signed is None or not all(_stands(name, said.get(name)) for name in signed):
        raise Unsigned("body: found no message of SNS; allowed one, without raw message delivery")
    topic = text(said.get("TopicArn"))
    if topic not in topics or (match := _TOPIC.fullmatch(topic)) is None:
        raise Unsigned("TopicArn: found another topic; allowed those of `ses` in OPTIMIZER_WEBHOOKS")
    host = f"sns.{match[2]}.amazonaws.com" + (".cn" if match[1] == "aws-cn" else "")
    certificate = text(said.get("SigningCertURL"))
    if not _at(host, certificate) or not _CERTIFICATE.fullmatch(urlsplit(certificate).path):
        raise Unsigned(f"SigningCertURL: found another place; allowed a certificate at https://{host}/")
    message = TopicMessage(said, certificate)
    if message.subscribe_url is not None and not _confirms(host, topic, message.subscribe_url):
        raise Unsigned(
            f"SubscribeURL: found another place; allowed ConfirmSubscription of the topic at https://{host}/"
        )
    return message


def verify(message: TopicMessage, certificate: bytes, arrival: Arrival) -> None:
    """SNS signed the message with the key of this certificate, in either version of its signatures, and not long ago.

    Args:
        message: of `message_of`.
        certificate: PEM, from its `certificate_url`.
        arrival: the request it came in.

    Raises:
        Unsigned: it did not.
    """
    said = message.said
    check_time(instant_of(said["Timestamp"], 0), arrival, OLDEST)
    algorithm = _HASHES.get(text(said.get("SignatureVersion")))
    given = text(said.get("Signature"))
    try:
        signature = b64decode(given, validate=True)
    except ValueError:
        raise wrong() from None
    if algorithm is None or b64encode(signature).decode() != given:
        raise wrong()
    names = _SIGNED[said["Type"]]
    signed = "".join(f"{name}\n{said[name]}\n" for name in names if isinstance(said.get(name), str))
    try:
        _key(certificate, arrival.at).verify(signature, signed.encode(), PKCS1v15(), algorithm())
    except InvalidSignature:
        raise wrong() from None


def hear(message: TopicMessage, at: Instant) -> Heard:
    """What a verified message, which came then, says."""
    said = message.said
    if said["Type"] != "Notification":
        return Heard((), {said["Type"]: 1})
    try:
        event = orjson.loads(said["Message"])
    except orjson.JSONDecodeError:  # SES greets a new topic with a sentence
        event = None

    def report(event: Mapping[str, Any]) -> OutcomeReport | None:
        name, mail = text(event.get("eventType")), fields(event.get("mail"))
        if name not in _KINDS:
            return None
        kind, details = _KINDS[name]
        detail = fields(event.get(details))
        when = detail.get("timestamp", mail.get("timestamp"))
        if name == "Bounce" and detail.get("bounceType") != "Permanent":
            kind = DEFERRED
        if name == "Complaint" and detail.get("complaintSubType") == "OnAccountSuppressionList":
            kind = BOUNCED  # the complaint was about an earlier message; this one was not sent
        if name == "Subscription" and not _leaves(detail):
            return None
        # Two topics may tell of one event under two ids of SNS, so it is named by what SES says.
        ids = [text(mail.get("messageId")) or said["MessageId"], name, text(when), text(detail.get("link"))]
        return report_of(NAME, kind, ids, mail.get("tags"), instant_of(when, at))

    return heard_of([event], "eventType", report)


def _stands(name: str, value: Any) -> bool:
    """Whether a signed field is as SNS writes it: a text, and but for the message of one line.

    The signature is of lines: a field of several could stand in for others.
    """
    if not isinstance(value, str):
        return name == "Subject" and value is None
    return name == "Message" or "\n" not in value


def _at(host: str, url: str) -> bool:
    """Whether a URL is of this host and nothing in it could make another reader go elsewhere."""
    return url.isascii() and url.isprintable() and "\\" not in url and url.startswith(f"https://{host}/")


def _confirms(host: str, topic: str, url: str) -> bool:
    if not _at(host, url):
        return False
    query = parse_qs(urlsplit(url).query)
    return query.get("Action") == ["ConfirmSubscription"] and query.get("TopicArn") == [topic]


def _leaves(subscription: Mapping[str, Any]) -> bool:
    """Whether somebody left a list, or some topic of it that was wanted before.

    All topics of the list are told each time, so who joins one still has those that were never wanted.
    """
    wishes = fields(subscription.get("newTopicPreferences"))
    left = _unwanted(wishes) - _unwanted(fields(subscription.get("oldTopicPreferences")))
    return wishes.get("unsubscribeAll") is True or bool(left)


def _unwanted(wishes: Mapping[str, Any]) -> set[str]:
    """The topics that somebody has opted out of."""
    topics = wishes.get("topicSubscriptionStatus")
    told = [fields(one) for one in topics] if isinstance(topics, list) else []
    return {text(one.get("topicName")) for one in told if one.get("subscriptionStatus") == "OptOut"}


def _key(certificate: bytes, at: Instant) -> RSAPublicKey:
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise wrong("no certificate where it should be") from None
    begins, ends = (instant(t.astimezone(UTC)) for t in (parsed.not_valid_before_utc, parsed.not_valid_after_utc))
    key = parsed.public_key()
    if not isinstance(key, RSAPublicKey) or not begins <= at <= ends:
        raise wrong("a certificate that is not valid now")
    return key
