"""Who is told what: receivers by name. Where they are, and what they are sent is signed with, the environment says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from optimizer.domain.notices import ABOUT_PEOPLE
from optimizer.errors import Finding
from optimizer.strategy.fields import Document, NewId
from optimizer.strategy.pieces import items, twice
from optimizer.strategy.yaml.source import Source

About = Literal[
    "guardrail_breach",
    "variant_paused",
    "budget_80",
    "budget_100",
    "stage_advanced",
    "proposal_made",
    "review_overdue",
    "reward_silent",
    "segment_entered",
    "segment_left",
]


class Notify(Document):
    """A receiver, and what it is told of."""

    id: NewId = Field(description="short id of the receiver, such as ops: a key of OPTIMIZER_RECEIVERS")
    about: Annotated[tuple[About, ...], Field(min_length=1, max_length=20)] = Field(
        description="what it is told of, such as [guardrail_breach, budget_80]"
    )
    format: Literal["standard", "slack"] = Field(
        default="standard", description="standard: signed webhooks; slack: a message for a chat"
    )


def notify_findings(strategy: Source) -> Iterator[Finding]:
    """Receivers and kinds named twice, and people who would be named in a chat."""
    receivers = [path for path, _ in items(strategy, ("notify",))]
    yield from twice(strategy, (((*path, "id"), strategy.value((*path, "id"))) for path in receivers))
    for path in receivers:
        yield from twice(strategy, items(strategy, (*path, "about")))
        if strategy.value((*path, "format")) != "slack":
            continue
        for place, kind in items(strategy, (*path, "about")):
            if kind in ABOUT_PEOPLE:
                yield strategy.finding(place, "no notice about one person: it would name them in a chat")
