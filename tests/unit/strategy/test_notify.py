"""Who is told what, as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from optimizer.errors import DocumentError
from optimizer.strategy.workspace import read_workspace

HOLDOUT = "holdout: {share: 0.05}\n"


def read(files: Mapping[str, str], edited: Callable[..., dict[str, str]], text: str) -> list[str]:
    """What is wrong with documents whose strategy says this, too."""
    try:
        read_workspace(edited(files, "strategy.yaml", (HOLDOUT, HOLDOUT + text)))
    except DocumentError as error:
        return [f"{finding.key}: {finding.allowed}" for finding in error.findings]
    return []


def test_receivers_are_told_of_what_they_name(files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> None:
    ops, chat = "{id: ops, about: [guardrail_breach, budget_80]}", "{id: chat, about: [budget_80], format: slack}"
    text = f"notify:\n  - {ops}\n  - {chat}\n"
    notify = read_workspace(edited(files, "strategy.yaml", (HOLDOUT, HOLDOUT + text))).strategy.notify
    assert [(one.id, one.about, one.format) for one in notify] == [
        ("ops", ("guardrail_breach", "budget_80"), "standard"),
        ("chat", ("budget_80",), "slack"),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{id: ops, about: [breakfast]}", "notify[0].about[0]: one of"),
        ("{id: ops, about: []}", "notify[0].about: "),
        ("{id: ops}", "notify[0].about: "),
        ("{id: ops, about: [budget_80], format: pigeon}", "notify[0].format: "),
        ("{id: ops, about: [budget_80, budget_80]}", "notify[0].about[1]: each one once"),
        ("{id: ops, about: [budget_80], url: 'https://x'}", "notify[0].url: "),
        ("{id: chat, about: [segment_entered], format: slack}", "notify[0].about[0]: no notice about one person"),
    ],
)
def test_what_makes_no_sense_is_said(
    files: Mapping[str, str], edited: Callable[..., dict[str, str]], line: str, found: str
) -> None:
    wrong = read(files, edited, f"notify:\n  - {line}\n")
    assert any(one.startswith(found) for one in wrong), wrong


def test_a_receiver_is_named_once(files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> None:
    text = "notify:\n  - {id: ops, about: [budget_80]}\n  - {id: ops, about: [budget_100]}\n"
    assert any(one.startswith("notify[1].id: each one once") for one in read(files, edited, text))


def test_segments_are_announced_only_where_a_campaign_says_so(
    files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    said = edited(files, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", "announce_segments: true\n"))
    campaigns = read_workspace(said).campaigns
    assert {id_ for id_, campaign in campaigns.items() if campaign.announce_segments} == {"winback"}
