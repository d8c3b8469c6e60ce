"""Notices in words, and as Slack takes them."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.notices import NoticeKind
from optimizer.insights.notice_words import (
    MOST_HEADER,
    MOST_SECTION,
    MOST_TEXT,
    escaped,
    sentence,
    slack_message,
    title,
)

AT = "2026-12-01T09:00:00.000000Z"
BUDGET = {"scope": "campaign:winback", "period": "2026-12", "money_used": 4012.5, "money_allowed": 5000.0}


def texts(node: Any) -> list[dict[str, Any]]:
    """Every text object of a message."""
    if isinstance(node, list):
        return [found for item in node for found in texts(item)]
    if not isinstance(node, dict):
        return []
    here = [node] if node.get("type") in {"plain_text", "mrkdwn"} else []
    return here + [found for item in node.values() for found in texts(item)]


@given(st.text(max_size=60_000), st.sampled_from(NoticeKind))
def test_a_message_keeps_to_the_limits_of_slack(because: str, kind: NoticeKind) -> None:
    message = slack_message(kind, "w" * 48, {**BUDGET, "because": because, "variant": because[:50]}, AT)
    assert 0 < len(message["text"]) <= MOST_TEXT
    assert 0 < len(message["blocks"]) <= 50
    for found in texts(message):
        assert 0 < len(found["text"]) <= (MOST_HEADER if found["type"] == "plain_text" else MOST_SECTION)
    json.dumps(message)


@given(st.text("&<>!@#|ax ", max_size=200))
def test_nothing_anybody_writes_becomes_markup(text: str) -> None:
    safe = escaped(text, 10_000)
    assert "<" not in safe
    assert ">" not in safe
    assert html.unescape(safe) == text


@given(st.text("&<>a", max_size=60), st.integers(1, 50))
def test_a_long_text_is_cut_between_characters(text: str, most: int) -> None:
    safe = escaped(text, most)
    assert len(safe) <= most
    assert html.unescape(safe.rstrip("…")) == text[: len(html.unescape(safe.rstrip("…")))]


def test_nobody_is_called_into_a_channel() -> None:
    message = slack_message(NoticeKind.VARIANT_PAUSED, "winback", {"variant": "a", "because": "<!channel> & <@U1>"}, AT)
    assert "<" not in json.dumps(message)
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in message["blocks"][1]["text"]["text"]


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (
            NoticeKind.GUARDRAIL_BREACH,
            {"variant": "hello", "because": "unsubscribed 14 of 1,200", "consequence": "pause_variant"},
            "hello; unsubscribed 14 of 1,200; the variant is paused",
        ),
        (
            NoticeKind.GUARDRAIL_BREACH,
            {"variant": None, "because": "complained", "consequence": "stop_campaign"},
            "complained; the campaign is stopped",
        ),
        (NoticeKind.VARIANT_PAUSED, {"variant": "hello", "because": "typo"}, "hello; typo"),
        (
            NoticeKind.BUDGET_80,
            {**BUDGET, "currency": "USD"},
            "4,012.50 of 5,000.00 USD in use (campaign:winback, 2026-12)",
        ),
        (
            NoticeKind.BUDGET_100,
            {"scope": "channel:email", "period": "2026-12-01", "sends_used": 1000, "sends_allowed": 1000},
            "1,000 of 1,000 messages in use (channel:email, 2026-12-01)",
        ),
        (NoticeKind.STAGE_ADVANCED, {"because": "nothing holds it"}, "nothing holds it"),
        (NoticeKind.REWARD_SILENT, {"because": "no outcome since noon"}, "no outcome since noon"),
        (NoticeKind.SEGMENT_ENTERED, {"segment": "lapsed", "from": None}, "a recipient is in lapsed now"),
        (NoticeKind.SEGMENT_LEFT, {"segment": "lapsed", "to": None}, "a recipient is in lapsed no longer"),
        (NoticeKind.PROPOSAL_MADE, {}, ""),
    ],
)
def test_every_kind_has_words(kind: NoticeKind, data: dict[str, Any], words: str) -> None:
    assert sentence(kind, data) == words


def test_a_title_names_the_campaign_if_it_is_about_one() -> None:
    assert title(NoticeKind.BUDGET_100, "winback") == "Budget exhausted: winback"
    assert title(NoticeKind.BUDGET_100, None) == "Budget exhausted"
    assert len({title(kind, None) for kind in NoticeKind}) == len(NoticeKind)
