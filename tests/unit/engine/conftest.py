from collections.abc import Callable
from typing import Any

import pytest

from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.strategy.workspace import read_workspace

STRATEGY = """
strategy: acme
currency: USD
time_zone: UTC
objectives:
  - id: visits
    reward: {outcome: visit, value: %(value)s}
    attribution_window: P7D
    counts_from: %(counts_from)s
attributes:
  newbie: {type: boolean}
  recency: {type: number, minimum: 0}
approval: {required: %(approval)s}
holdout: {share: %(strategy_holdout)s}
"""
CAMPAIGN = """
campaign: winback
serves: visits
channel: email
starts: 2026-01-01
ends: 2026-12-31
messages:
  - {id: mens, subject: Men}
  - {id: womens, subject: Women}
  - {id: plain, subject: Plain}
control: %(control)s
holdout: {share: %(holdout)s}
segments:
  - {id: new, when: {newbie: true}}
  - {id: stale, when: {recency: {at_least: 10}}}
everyone_else: %(everyone_else)s
policy: {floor: %(floor)s, cap: %(cap)s}
"""
DEFAULTS = {
    "value": "first",
    "counts_from": "decision",
    "approval": "false",
    "strategy_holdout": 0,
    "control": "{message: plain}",
    "holdout": 0,
    "everyone_else": "include",
    "floor": 0.0,
    "cap": 1.0,
}


@pytest.fixture
def make_tactic() -> Callable[..., Tactic]:
    def make(approvals: set[tuple[str, str, str]] | None = None, **changes: Any) -> Tactic:
        words = DEFAULTS | changes
        workspace = read_workspace({"strategy.yaml": STRATEGY % words, "campaigns/winback.yaml": CAMPAIGN % words})
        return compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, approvals or set())

    return make
