"""Messages of Amazon SNS: only of our topics, only from the hosts of their regions, only signed by them and lately."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.posts import (
    CERTIFICATE_URL,
    SUBSCRIBE_URL,
    TOPIC,
    certificate,
    confirmation,
    sns_post,
    sns_said,
    sns_sign,
)

from optimizer.domain.instants import SECOND, Instant
from optimizer.services.providers import ses
from optimizer.services.providers.arrivals import Arrival, Unsigned

NOON: Instant = 1_790_000_000 * SECOND
HOST = "https://sns.eu-west-1.amazonaws.com"


def verified(said: dict[str, Any], pem: bytes | None = None, topics: tuple[str, ...] = (TOPIC,)) -> ses.TopicMessage:
    arrival = Arrival({}, sns_post(said).body, NOON)
    message = ses.message_of(topics, arrival)
    ses.verify(message, certificate() if pem is None else pem, arrival)
    return message


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES Email Event Notification"}], ids=["bare", "subject"])
def test_both_versions_of_signatures_are_read_with_and_without_a_subject(version: str, subject: dict[str, str]) -> None:
    said = sns_sign(sns_said("{}", NOON, SignatureVersion=version, **subject))
    assert verified(said).certificate_url == CERTIFICATE_URL
    for change in ({"Subject": "Another"}, {"SignatureVersion": "3"}, {"SignatureVersion": "12"[version == "1"]}):
        with pytest.raises(Unsigned):
            verified({**said, **change})


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_confirmation_is_verified_and_only_that_of_a_subscription_is_visited(kind: str) -> None:
    message = verified(sns_sign({**confirmation(NOON), "Type": kind}))
    assert message.subscribe_url == (SUBSCRIBE_URL if kind == "SubscriptionConfirmation" else None)
    assert ses.hear(message, NOON).ignored == {kind: 1}
    with pytest.raises(Unsigned):
        verified({**sns_sign(confirmation(NOON)), "Token": "another"})


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-" + "0" * 32 + ".pem",
        "https://evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-" + "0" * 32 + ".pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-" + "0" * 32 + ".pem",
        "https://s3.amazonaws.com/evil/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        f"{HOST}/other.pem",
        f"{HOST}/../SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        f"{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem\n.evil.example",
        f"{HOST}\\@evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        f"{HOST}/SimpleNotificationService-{'0' * 32}.pem/more",
        "",
    ],
)
def test_a_certificate_from_anywhere_else_is_not_even_fetched(url: str) -> None:
    with pytest.raises(Unsigned, match="SigningCertURL"):
        verified(sns_sign(sns_said("{}", NOON, SigningCertURL=url)))


@pytest.mark.parametrize(
    "url",
    [
        SUBSCRIBE_URL.replace("https:", "http:"),
        SUBSCRIBE_URL.replace("eu-west-1.amazonaws.com", "us-east-1.amazonaws.com", 1),
        SUBSCRIBE_URL.replace("amazonaws.com", "amazonaws.com.evil.example", 1),
        SUBSCRIBE_URL.replace("ConfirmSubscription", "Unsubscribe"),
        SUBSCRIBE_URL.replace("mail-events", "other"),
        SUBSCRIBE_URL + "&Action=DeleteTopic",
        f"{HOST}/",
        "https://[",
        "",
    ],
)
def test_a_subscription_is_confirmed_nowhere_else(url: str) -> None:
    with pytest.raises(Unsigned, match="SubscribeURL"):
        verified(sns_sign({**confirmation(NOON), "SubscribeURL": url}))


def test_anybody_s_topic_is_signed_by_sns_and_only_ours_is_heard() -> None:
    theirs = TOPIC.replace("123456789012", "210987654321")
    said = sns_sign(sns_said("{}", NOON, TopicArn=theirs))
    with pytest.raises(Unsigned, match="TopicArn: found another topic; allowed"):
        verified(said)
    assert verified(said, topics=(TOPIC, theirs))
    china = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
    url = CERTIFICATE_URL.replace("eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn")
    assert verified(sns_sign(sns_said("{}", NOON, TopicArn=china, SigningCertURL=url)), topics=(china,))


def test_a_certificate_of_another_key_one_that_ended_and_none_prove_nothing() -> None:
    said = sns_sign(sns_said("{}", NOON))
    for pem in (certificate("other"), certificate(ended=True), b"", b"<html>", certificate()[:-40]):
        with pytest.raises(Unsigned):
            verified(said, pem)
    assert verified(said)


@pytest.mark.parametrize(
    "field", ["Type", "Message", "MessageId", "Timestamp", "TopicArn", "SigningCertURL", "Signature"]
)
@pytest.mark.parametrize("value", [None, 7, [], {}, "", "é"])
def test_a_message_without_its_fields_is_none(field: str, value: Any) -> None:
    said = {**sns_sign(sns_said("{}", NOON)), field: value}
    with pytest.raises(Unsigned):
        verified(said)


def test_an_event_without_its_envelope_is_refused_with_what_to_do_about_it() -> None:
    with pytest.raises(Unsigned, match="without raw message delivery"):
        verified({"eventType": "Open", "mail": {}, "Type": "Open"})


def test_a_value_cannot_stand_in_for_the_line_of_another() -> None:
    said = sns_sign(sns_said("{}\nMessageId\nforged", NOON))
    with pytest.raises(Unsigned):
        verified({**said, "Message": "{}", "MessageId": f"forged\nMessageId\n{said['MessageId']}"})
    said = sns_sign(sns_said("{}\nMessageId\nforged\nSubject\nx", NOON))
    with pytest.raises(Unsigned):
        verified({**said, "Message": "{}", "MessageId": "forged", "Subject": f"x\nMessageId\n{said['MessageId']}"})
    assert verified(said)
