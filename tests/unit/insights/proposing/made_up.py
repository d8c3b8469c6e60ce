"""A campaign whose evidence is exactly what a test says, looked at after some days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.domain.controls import Controls
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.domain.proposals import Proposal
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.learning import next_snapshot
from optimizer.engine.tactic import compile_tactic
from optimizer.insights.proposing.looked import Daily, Looked
from optimizer.strategy.variants import variants
from optimizer.strategy.versions.editing import edited
from optimizer.strategy.workspace import read_workspace

START = 20_000 * DAY

STRATEGY = """\
strategy: shop
currency: EUR
time_zone: Europe/Berlin
objectives:
  - id: buy
    reward: {outcome: purchase, value: first}
    attribution_window: P2D
attributes:
  band: {type: category, values: [a, b, c, d]}
  days: {type: number, minimum: 0, maximum: 5000}
contact_policy:
  - {at_most: 4, per: P7D}
guardrail_metrics:
  - {outcome: unsubscribed, at_most: 0.005, then: alert}
"""

CAMPAIGN = """\
campaign: mail
serves: buy
channel: email
messages:
  - {id: first, subject: One}
  - {id: second, subject: Two}  # the second of them
  - {id: third, subject: Three}
control: nothing
segments:
  - id: low
    when: {band: {in: [a, b]}}
holdout: {share: 0.1}
"""

FILES = {"strategy.yaml": STRATEGY, "campaigns/mail.yaml": CAMPAIGN}


def changed(files: Mapping[str, str], file: str, *changes: tuple[str, str]) -> dict[str, str]:
    text = files[file]
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return {**files, file: text}


def look(
    rates: Any,
    *,
    control: Any = 0.05,
    n: Any = 100,
    files: Mapping[str, str] = FILES,
    days: int = 20,
    controls: Controls | None = None,
    name: str = "mail",
    **others: Any,
) -> Looked:
    """`rates` ``[S, A]`` and `control` ``[S]`` are what was seen, in `n` trials of each variant a day.

    A tenth of that number of a side, but at least 50, are on control. Nothing varies from day to day.
    """
    workspace = read_workspace(files)
    campaign = workspace.campaigns[name]
    approved = {(name, one.variant_id, one.content_hash) for one in variants(campaign)}
    found = controls or Controls(reviewed_at=START)
    tactic = compile_tactic(workspace.strategy, campaign, 1, approved, found)
    shape = (len(tactic.rules.segment_ids), len(tactic.variants))
    trials = np.broadcast_to(np.asarray(n, float)[..., None], (*shape, days)).copy()
    wins = trials * np.broadcast_to(np.asarray(rates, float), shape)[..., None]
    held = np.maximum(trials.sum(axis=1, keepdims=True) / 10.0, 50.0)
    held_wins = held * np.broadcast_to(np.asarray(control, float), shape[:1])[:, None, None]
    at, now = START + np.arange(days) * DAY, START + days * DAY
    snapshot = next_snapshot(tactic, Evidence(at, trials, wins, wins, wins), (), {}, None, now)
    return Looked(
        strategy=workspace.strategy,
        tactic=tactic,
        controls=found,
        table=AllocationTable(snapshot),
        now=now,
        days=at,
        learning=Daily(trials, wins, wins, wins),
        on_control=Daily(held, held_wins, held_wins, held_wins),
        **others,
    )


def carried_out(files: Mapping[str, str], proposal: Proposal) -> dict[str, str]:
    """The documents after accepting; they can be read."""
    after = edited(files, proposal.edits)
    read_workspace(after)
    return after
