"""What providers' events are in our words: what is final, what may still arrive, and what no person did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web.posts import (
    BOUNCED,
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    OPENED,
    UNSUBSCRIBED,
    dumped,
    mailgun_event,
    postmark_event,
    resend_event,
    sendgrid_event,
    ses_event,
    sns_said,
    standard_event,
)

from optimizer.domain.instants import SECOND, Instant
from optimizer.errors import InvalidRequest
from optimizer.services.providers import mailgun, postmark, resend, sendgrid, ses, standard
from optimizer.services.providers.arrivals import Arrival, Heard, Provider, decision_id_of, instant_of
from optimizer.strategy.documents import Strategy
from optimizer.strategy.workspace import read_workspace

NOON: Instant = 1_790_000_000 * SECOND
DECISION = "9f3c0b5a2f7d4e1896d2c7a4b1e0f355"
PROVIDERS: dict[str, Provider] = {
    "sendgrid": sendgrid,
    "mailgun": mailgun,
    "postmark": postmark,
    "resend": resend,
}
IDS = {"svix-id": "msg_1", "webhook-id": "msg_1"}


@pytest.fixture(scope="module")
def strategy(files: Mapping[str, str]) -> Strategy:
    return read_workspace(files).strategy


def heard(name: str, said: Any, strategy: Strategy | None = None) -> Heard:
    if name == "ses":
        message = ses.TopicMessage(sns_said(said if isinstance(said, str) else json.dumps(said), NOON), "")
        return ses.hear(message, NOON)
    if name == "mailgun" and isinstance(said, dict) and "event-data" not in said:
        said = {"event-data": said}
    arrival = Arrival(IDS, dumped(said), NOON)
    if name == "standard":
        assert strategy is not None
        return standard.hear(arrival, strategy)
    return PROVIDERS[name].hear(arrival)


def kind_of(name: str, said: Any) -> str | None:
    found = heard(name, said)
    assert len(found.reports) + sum(found.ignored.values()) == 1
    return found.reports[0].kind if found.reports else None


def at_noon(make: Any, kind: str, **rest: Any) -> Any:
    return make(kind, DECISION, NOON, **rest)


def wishes(all_over: bool = False, **topics: str) -> Any:
    """What somebody wants of a list of SES, which tells of all its topics each time."""
    told = [{"topicName": name, "subscriptionStatus": status} for name, status in topics.items()]
    return {"unsubscribeAll": all_over, "topicSubscriptionStatus": told}


@pytest.mark.parametrize(
    ("name", "said", "kind"),
    [
        # A hard bounce is final, a soft one is not; what a provider never sent will not arrive either.
        ("sendgrid", at_noon(sendgrid_event, BOUNCED, type="blocked"), DEFERRED),
        ("sendgrid", at_noon(sendgrid_event, BOUNCED, event="dropped", reason="Bounced Address"), BOUNCED),
        ("sendgrid", at_noon(sendgrid_event, UNSUBSCRIBED, event="group_unsubscribe"), UNSUBSCRIBED),
        ("sendgrid", at_noon(sendgrid_event, UNSUBSCRIBED, event="group_resubscribe"), None),
        ("sendgrid", at_noon(sendgrid_event, UNSUBSCRIBED, event="account_status_change"), None),
        ("ses", at_noon(ses_event, BOUNCED, bounceType="Transient"), DEFERRED),
        ("ses", at_noon(ses_event, BOUNCED, bounceType="Undetermined"), DEFERRED),
        ("ses", {**at_noon(ses_event, BOUNCED), "eventType": "Reject"}, BOUNCED),
        ("ses", {**at_noon(ses_event, BOUNCED), "eventType": "Rendering Failure"}, BOUNCED),
        ("ses", at_noon(ses_event, COMPLAINED, complaintSubType="OnAccountSuppressionList"), BOUNCED),
        (
            "ses",
            at_noon(
                ses_event,
                UNSUBSCRIBED,
                newTopicPreferences={
                    "topicSubscriptionStatus": [{"topicName": "news", "subscriptionStatus": "OptOut"}]
                },
            ),
            UNSUBSCRIBED,
        ),
        (
            "ses",
            at_noon(
                ses_event,
                UNSUBSCRIBED,
                newTopicPreferences={"topicSubscriptionStatus": [{"topicName": "news", "subscriptionStatus": "OptIn"}]},
            ),
            None,
        ),
        *[
            (
                "ses",
                at_noon(ses_event, UNSUBSCRIBED, oldTopicPreferences=before, newTopicPreferences=after),
                kind,
            )
            for before, after, kind in (
                (wishes(news="OptIn", sale="OptIn"), wishes(news="OptIn", sale="OptOut"), UNSUBSCRIBED),
                (wishes(news="OptOut", sale="OptOut"), wishes(news="OptIn", sale="OptOut"), None),
                (wishes(news="OptOut"), wishes(all_over=True, news="OptOut"), UNSUBSCRIBED),
                (wishes(all_over=True, news="OptOut"), wishes(news="OptOut"), None),
            )
        ],
        ("ses", "Successfully validated SNS topic for Amazon SES event publishing.", None),
        ("ses", {"notificationType": "AmazonSnsSubscriptionSucceeded"}, None),
        ("mailgun", at_noon(mailgun_event, BOUNCED, severity="temporary"), DEFERRED),
        ("mailgun", at_noon(mailgun_event, BOUNCED, event="rejected"), BOUNCED),
        ("mailgun", at_noon(mailgun_event, BOUNCED, event="stored"), None),
        *[
            ("postmark", at_noon(postmark_event, BOUNCED, Type=one), DEFERRED)
            for one in ("SoftBounce", "Transient", "Blocked")
        ],
        *[
            ("postmark", at_noon(postmark_event, BOUNCED, Type=one), BOUNCED)
            for one in ("HardBounce", "BadEmailAddress", "TemplateRenderingFailed", "SMTPApiError")
        ],
        *[
            ("postmark", at_noon(postmark_event, BOUNCED, Type=one), None)
            for one in ("AutoResponder", "Subscribe", "New")
        ],
        ("postmark", at_noon(postmark_event, BOUNCED, Type="SpamComplaint"), COMPLAINED),
        ("postmark", at_noon(postmark_event, UNSUBSCRIBED, SuppressSending=False, SuppressionReason=None), None),
        ("postmark", at_noon(postmark_event, UNSUBSCRIBED, SuppressionReason="HardBounce"), BOUNCED),
        ("postmark", at_noon(postmark_event, UNSUBSCRIBED, RecordType="Inbound"), None),
        ("resend", at_noon(resend_event, BOUNCED, bounce={"type": "Transient"}), DEFERRED),
        ("resend", at_noon(resend_event, BOUNCED, bounce={"type": "Temporary"}), DEFERRED),
        ("resend", at_noon(resend_event, BOUNCED, bounce={}), BOUNCED),
        ("resend", {**at_noon(resend_event, BOUNCED), "type": "email.failed"}, BOUNCED),
        ("resend", {**at_noon(resend_event, BOUNCED), "type": "email.suppressed"}, BOUNCED),
        ("resend", {**at_noon(resend_event, BOUNCED), "type": "contact.updated"}, None),
        ("resend", {**at_noon(resend_event, BOUNCED), "type": "email.scheduled"}, None),
    ],
)
def test_only_what_is_final_is_a_bounce_and_what_says_nothing_is_counted(
    name: str, said: Any, kind: str | None
) -> None:
    assert kind_of(name, said) == kind


@pytest.mark.parametrize(
    ("name", "said", "machine"),
    [
        ("sendgrid", at_noon(sendgrid_event, OPENED, machine=True), True),
        ("sendgrid", at_noon(sendgrid_event, OPENED), False),
        ("mailgun", at_noon(mailgun_event, OPENED, machine=True), True),
        ("mailgun", at_noon(mailgun_event, CLICKED, machine=True), True),
        ("mailgun", at_noon(mailgun_event, OPENED), False),
        ("standard", at_noon(standard_event, OPENED, machine=True), True),
        ("standard", {"type": "opened", "data": {"machine": "yes"}}, False),
    ],
)
def test_what_the_provider_says_a_machine_did_is_a_machine_s(
    name: str, said: Any, machine: bool, strategy: Strategy
) -> None:
    (report,) = heard(name, said, strategy).reports
    assert report.machine is machine


def test_unknown_events_are_counted_by_name_and_the_names_are_bounded() -> None:
    events: list[Any] = [{"event": f"kind-{n}"} for n in range(60)] + [{"event": "kind-0"}] * 2
    events += [{"event": "x" * 999}, {"event": None}, {}, 7, None, [], "open"]
    found = heard("sendgrid", events)
    assert not found.reports
    assert sum(found.ignored.values()) == len(events)
    assert found.ignored["kind-0"] == 3
    assert len(found.ignored) <= 21
    assert max(map(len, found.ignored)) <= 60


def test_the_same_event_has_the_same_id_and_others_have_others() -> None:
    event = at_noon(sendgrid_event, CLICKED)
    again, other = heard("sendgrid", [event, {**event, "ip": "192.0.2.9"}]), at_noon(sendgrid_event, CLICKED)
    assert len({report.event_id for report in again.reports}) == 1
    assert heard("sendgrid", other).reports[0].event_id != again.reports[0].event_id
    nameless = {k: v for k, v in event.items() if k != "sg_event_id"}
    first, second = heard("sendgrid", [nameless, {**nameless, "timestamp": 1}]).reports
    assert first.event_id != second.event_id

    click = at_noon(postmark_event, CLICKED)
    (one,) = heard("postmark", click).reports
    (two,) = heard("postmark", {**click, "OriginalLink": "https://example.com/other"}).reports
    assert one.event_id != two.event_id
    bounce, change = (
        at_noon(postmark_event, BOUNCED),
        at_noon(postmark_event, UNSUBSCRIBED, SuppressionReason="HardBounce"),
    )
    ids = {heard("postmark", said).reports[0].event_id for said in (bounce, change)}
    assert len(ids) == 1, "Postmark tells of one bounce in two records"

    said = at_noon(ses_event, OPENED)
    assert heard("ses", said).reports[0].event_id == heard("ses", said).reports[0].event_id, "two topics, one event"
    later = ses_event(OPENED, DECISION, NOON + SECOND)
    assert heard("ses", later).reports[0].event_id != heard("ses", said).reports[0].event_id

    twice = at_noon(mailgun_event, CLICKED, id="only-unique-for-a-day")
    tomorrow = {**twice, "timestamp": twice["timestamp"] + 86_400}
    assert heard("mailgun", twice).reports[0].event_id != heard("mailgun", tomorrow).reports[0].event_id


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"decision_id": DECISION}, DECISION),
        ({"decision_id": [DECISION]}, DECISION),
        ([{"name": "campaign", "value": "x"}, {"name": "decision_id", "value": DECISION}], DECISION),
        *[
            ({"decision_id": wrong}, None)
            for wrong in (None, "", 7, True, [], [7], {}, "a b", "a\0b", "a" * 65, "é", DECISION + "\n")
        ],
        *[(wrong, None) for wrong in (None, [], {}, "decision_id", 7, [DECISION], [{}], [{"name": "decision_id"}])],
    ],
)
def test_a_decision_s_id_is_found_among_variables_of_any_form_or_there_is_none(
    variables: Any, found: str | None
) -> None:
    assert decision_id_of(variables) == found


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        pytest.param(1_513_299_569, 1_513_299_569, id="number"),
        pytest.param("1513299569", 1_513_299_569, id="text"),
        (1513299569.25, 1513299569.25),
        ("2017-12-15T00:59:29Z", 1_513_299_569),
        ("2017-12-14T20:59:29.0000000-04:00", 1_513_299_569),
        ("2017-12-15 00:59:29+00", 1_513_299_569),
        ("2017-12-15T00:59:29", 1_513_299_569),
    ],
)
def test_times_are_read_as_providers_write_them(written: Any, seconds: float) -> None:
    assert instant_of(written, NOON) == seconds * SECOND


@pytest.mark.parametrize(
    "written", [None, "", "soon", True, [], {}, 1e300, -1e300, float("nan"), "1" * 99, "²", "9999999999999"]
)
def test_a_time_nobody_can_read_is_that_of_the_arrival(written: Any) -> None:
    assert instant_of(written, NOON) == NOON


def test_a_standard_event_is_what_the_strategy_s_mapping_says(files: Mapping[str, str]) -> None:
    mapping = "events:\n  order.paid: {outcome: purchase, value: total, currency: currency}\n  email.opened: clicked\n"
    strategy = read_workspace({**files, "strategy.yaml": files["strategy.yaml"] + mapping}).strategy
    paid = {
        "type": "order.paid",
        "timestamp": "2026-09-21T14:13:20Z",
        "data": {"decision_id": DECISION, "total": "19.90"},
    }
    paid["data"] |= {"currency": "usd"}
    (report,) = heard("standard", paid, strategy).reports
    assert (report.kind, report.value, report.currency, report.decision_id) == ("purchase", 19_900_000, "USD", DECISION)
    assert report.occurred_at == NOON
    for name, kind in (
        ("email.opened", CLICKED),
        ("email.delivered", DELIVERED),
        ("sent", "sent"),
        ("purchase", "purchase"),
    ):
        (report,) = heard("standard", {"type": name, "data": {}}, strategy).reports
        assert report.kind == kind
    for said in ({"type": "order.lost", "data": {}}, {"data": {}}, {}, [], 7):
        assert not heard("standard", said, strategy).reports
    with pytest.raises(InvalidRequest, match="/data/total: found"):
        heard("standard", {**paid, "data": {"total": "many"}}, strategy)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abz_", max_size=4), inner, max_size=3)
)
SAMPLES: list[tuple[str, Any]] = [
    (name, event)
    for name, make in (
        ("sendgrid", sendgrid_event),
        ("mailgun", mailgun_event),
        ("postmark", postmark_event),
        ("resend", resend_event),
        ("standard", standard_event),
        ("ses", ses_event),
    )
    for event in (at_noon(make, kind) for kind in (DELIVERED, BOUNCED, OPENED, CLICKED, UNSUBSCRIBED, COMPLAINED))
    if event is not None
]


def spoilt(event: Any, draw: Any) -> Any:
    """The event with some part of it replaced by anything."""
    if not isinstance(event, dict) or not event or draw(st.integers(0, 3)) == 0:
        return draw(ANYTHING)
    name = draw(st.sampled_from(sorted(event)))
    return {**event, name: spoilt(event[name], draw)}


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_a_provider_says_is_heard_or_refused_and_never_breaks_anything(data: Any, strategy: Strategy) -> None:
    name, event = data.draw(st.sampled_from(SAMPLES))
    said = spoilt(event, data.draw)
    try:
        found = heard(name, [said] if name == "sendgrid" else said, strategy)
    except InvalidRequest:
        assert name == "standard", "only there may a value be no number"
        return
    assert len(found.reports) + sum(found.ignored.values()) == 1
    for report in found.reports:
        assert report.decision_id in {None, DECISION}
        assert abs(report.occurred_at) < 2**62
