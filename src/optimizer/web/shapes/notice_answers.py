"""What people get who look at the notices: answer models for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.domain.instants import isoformat
from optimizer.domain.notices import NoticeKind
from optimizer.insights.notice_words import sentence, title
from optimizer.services.notices.announcing import Post, Told


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class DeliveryOut(_Out):
    """What became of a notice at one receiver."""

    receiver: str = Field(description="Id in `notify`.")
    state: Literal["waiting", "delivered", "dead"] = Field(description="dead: given up, until somebody retries it.")
    attempts: int = Field(description="How many have been made.")
    due_at: datetime | None = Field(description="When the next attempt is due; null when it does not wait.")
    finished_at: datetime | None = Field(description="When it was delivered or given up.")
    trouble: str | None = Field(description="Why the last attempt failed.")


class NoticeOut(_Out):
    """Something that was announced; whom it is about, only its receiver gets to know."""

    notice_id: str = Field(description="The `webhook-id` it is posted under.")
    kind: NoticeKind = Field(description="What it is about.")
    campaign: str | None = Field(description="The campaign; null: all of them.")
    at: datetime = Field(description="When it happened.")
    title: str = Field(description="What happened, in a few words.")
    sentence: str = Field(description="What exactly it was.")
    data: dict[str, Any] = Field(description="What its receivers get.")
    deliveries: list[DeliveryOut] = Field(description="One for each receiver; empty where nobody is told.")


class NoticesOut(_Out):
    """The notices, newest first."""

    waiting: dict[str, int] = Field(description="How many wait, by receiver.")
    dead: dict[str, int] = Field(description="How many were given up, by receiver.")
    notices: list[NoticeOut] = Field(description="As many as were asked for.")


class RetriedOut(_Out):
    """What became of the wish to post dead letters again."""

    retried: int = Field(description="How many deliveries wait again.")


def post_json(post: Post) -> dict[str, Any]:
    """See `NoticesOut`."""
    return {
        "waiting": dict(post.waiting),
        "dead": dict(post.dead),
        "notices": [_notice_json(told) for told in post.notices],
    }


def _notice_json(told: Told) -> dict[str, Any]:
    notice = told.notice
    return {
        "notice_id": notice.notice_id,
        "kind": notice.kind.value,
        "campaign": notice.campaign_id,
        "at": isoformat(notice.at),
        "title": title(notice.kind, notice.campaign_id),
        "sentence": sentence(notice.kind, notice.data),
        "data": dict(notice.data),
        "deliveries": [
            {
                "receiver": one.receiver,
                "state": one.state,
                "attempts": one.attempts,
                "due_at": isoformat(one.due_at) if one.state == "waiting" else None,
                "finished_at": None if one.finished_at is None else isoformat(one.finished_at),
                "trouble": one.trouble,
            }
            for one in told.deliveries
        ],
    }
