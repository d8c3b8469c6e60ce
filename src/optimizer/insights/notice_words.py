"""Notices in words: one sentence for a terminal, and a message for a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from optimizer.domain.notices import NoticeKind

# What Slack takes of an incoming webhook: https://docs.slack.dev/reference/block-kit/blocks/section-block
MOST_TEXT: Final = 40_000  # characters of `text`
MOST_SECTION: Final = 3_000  # characters of the text of a section
MOST_HEADER: Final = 150  # characters of a header
_CUT_ENTITY = re.compile(r"&[a-z]{0,3}\Z")

_TITLES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.GUARDRAIL_BREACH: "Guardrail breached",
    NoticeKind.VARIANT_PAUSED: "Variant paused",
    NoticeKind.BUDGET_80: "Budget nearly used up",
    NoticeKind.BUDGET_100: "Budget exhausted",
    NoticeKind.STAGE_ADVANCED: "Rollout goes on",
    NoticeKind.PROPOSAL_MADE: "A proposal waits for you",
    NoticeKind.REVIEW_OVERDUE: "Review overdue",
    NoticeKind.REWARD_SILENT: "No outcomes come in",
    NoticeKind.SEGMENT_ENTERED: "Segment entered",
    NoticeKind.SEGMENT_LEFT: "Segment left",
}
_CONSEQUENCES: Final = {
    "pause_variant": "the variant is paused",
    "stop_campaign": "the campaign is stopped",
    "alert": "an alarm waits for an answer",
}


def title(kind: NoticeKind, campaign_id: str | None) -> str:
    """What has happened, and where: ``Budget exhausted: winback``."""
    return _TITLES[kind] if campaign_id is None else f"{_TITLES[kind]}: {campaign_id}"


def sentence(kind: NoticeKind, data: Mapping[str, Any]) -> str:
    """What exactly it was; empty when the title says it all."""
    if kind in {NoticeKind.BUDGET_80, NoticeKind.BUDGET_100}:
        return _budget_words(data)
    if kind is NoticeKind.REVIEW_OVERDUE:
        return f"due since {data.get('due_at')}; `optimizer review` says that somebody has looked"
    if kind is NoticeKind.SEGMENT_ENTERED:
        return f"a recipient is in {data.get('segment')} now"
    if kind is NoticeKind.SEGMENT_LEFT:
        return f"a recipient is in {data.get('segment')} no longer"
    said = [str(data[name]) for name in ("because",) if data.get(name)]
    if kind is not NoticeKind.STAGE_ADVANCED and data.get("variant"):
        said.insert(0, str(data["variant"]))
    if data.get("consequence") in _CONSEQUENCES:
        said.append(_CONSEQUENCES[data["consequence"]])
    return "; ".join(said)


def slack_message(kind: NoticeKind, campaign_id: str | None, data: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A message for Slack's incoming webhooks, or for any other chat that takes them.

    Args:
        kind: what it is about.
        campaign_id: the campaign; None for all.
        data: of the notice.
        at: when it happened, as it is shown.
    """
    heading, said = title(kind, campaign_id), sentence(kind, data)
    whole = f"{heading}: {said}" if said else heading
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _short(heading, MOST_HEADER), "emoji": False}}
    ]
    if said:
        # verbatim: what looks like a link or a channel stays text.
        section = {"type": "mrkdwn", "text": escaped(said, MOST_SECTION), "verbatim": True}
        blocks.append({"type": "section", "text": section})
    where = {"type": "mrkdwn", "text": escaped(f"{kind.value}, {at}", MOST_SECTION), "verbatim": True}
    blocks.append({"type": "context", "elements": [where]})
    return {"text": escaped(whole, MOST_TEXT), "blocks": blocks}


def escaped(text: str, most: int) -> str:
    """A text in which nothing is markup for Slack, of so many characters at most."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe if len(safe) <= most else _CUT_ENTITY.sub("", safe[: most - 1]) + "…"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _budget_words(data: Mapping[str, Any]) -> str:
    used = []
    if data.get("money_allowed") is not None:
        used.append(f"{data['money_used']:,.2f} of {data['money_allowed']:,.2f} {data.get('currency', '')}".strip())
    if data.get("sends_allowed") is not None:
        used.append(f"{data['sends_used']:,} of {data['sends_allowed']:,} messages")
    return f"{' and '.join(used)} in use ({data.get('scope')}, {data.get('period')})"
