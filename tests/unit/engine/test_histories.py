"""What outcomes change, worked out once for decisions alike, is what each of them changes by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Brief
from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND, Instant
from optimizer.domain.micros import MICRO
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import Tally
from optimizer.engine.assessment import CLOCK_SKEW, RewardRule, assess, contributions
from optimizer.engine.histories import Changes
from optimizer.engine.machines import MachineRule
from optimizer.engine.spending import may_settle, settled
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.strategy.money import DECISION
from optimizer.strategy.workspace import read_workspace

T0: Instant = 500_000 * HOUR
FIRST = RewardRule("goal", "visit", "first", 2 * DAY, "decision")
AMOUNT = replace(FIRST, value="amount", penalties=(("unsubscribed", 5 * MICRO),), at_most=10 * MICRO)
RULES = (
    FIRST,
    FIRST,
    replace(FIRST, value="count"),
    AMOUNT,
    replace(FIRST, counts_from="delivered"),
    replace(FIRST, machines=MachineRule(("clicked",), 2 * SECOND, "trapped")),
)
KINDS = ("visit", "visit", "clicked", "unsubscribed", "delivered", "exposed", "withdrawn", "bounced", "trapped")
# Ends of the window, of its tolerance and of the bins of delays.
SINCE = (-CLOCK_SKEW - 1, -CLOCK_SKEW, 0, SECOND, MINUTE - 1, MINUTE, 5 * HOUR, 2 * DAY, 2 * DAY + 1, 3 * DAY)


def _tactic() -> Tactic:
    strategy = {
        "strategy": "acme",
        "currency": "USD",
        "time_zone": "UTC",
        "objectives": [{"id": "goal", "reward": {"outcome": "visit", "value": "first"}, "attribution_window": "P2D"}],
        "channels": {"email": {"cost": "0.02 USD"}},
        "approval": {"required": False},
    }
    costs = ("0.10 USD", "0.05 USD per clicked", "0.04 USD per delivered")
    campaign: dict[str, Any] = {
        "campaign": "winback",
        "serves": "goal",
        "channel": "email",
        "messages": [{"id": name, "subject": name, "cost": cost} for name, cost in zip("abc", costs, strict=True)],
        "control": {"message": "c"},
    }
    files = {"strategy.yaml": json.dumps(strategy), "campaigns/winback.yaml": json.dumps(campaign)}
    workspace = read_workspace(files)
    return compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, ())


TACTIC = _tactic()
DECISIONS = st.builds(
    Brief,
    decision_id=st.just("d"),
    campaign_id=st.just("winback"),
    recipient_key=st.just("r"),
    request_id=st.just("q"),
    strategy_version=st.just(1),
    segment_id=st.sampled_from(["new", None]),
    group=st.sampled_from([Group.LEARNING, Group.CAMPAIGN_HOLDOUT]),
    variant_id=st.sampled_from(["a", "b", "c", None]),
    content_hash=st.sampled_from(["h", None]),
    reason=st.sampled_from([Reason.EXPLOIT, Reason.HOLDOUT, Reason.WITHHELD]),
    decided_at=st.sampled_from([T0, T0 + 7 * MINUTE, T0 + HOUR]),
    deferred=st.sampled_from([False, False, False, True]),
)
OUTCOMES = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(SINCE),
        st.sampled_from([None, None, 0, 3 * MICRO, 20 * MICRO]),
        st.sampled_from([None, None, None, None, "0", "1"]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=4,
)


def outcomes_of(decision: Brief, said: list[tuple[str, int, int | None, str | None, bool]]) -> list[Outcome]:
    return [
        Outcome(str(n), "d", kind, value, None, decision.decided_at + since, T0 + 9 * DAY, reverses, machine)
        for n, (kind, since, value, reverses, machine) in enumerate(said)
    ]


@given(st.lists(st.tuples(DECISIONS, OUTCOMES, st.integers(0, 3)), max_size=12), st.sampled_from(RULES))
def test_what_is_worked_out_once_is_what_each_decision_changes(
    made: list[tuple[Brief, list[Any], int]], rule: RewardRule
) -> None:
    tactic, changes, each = replace(TACTIC, reward_rule=rule), Changes(), Tally()
    for decision, said, n in made:
        outcomes = outcomes_of(decision, said)
        old, new = outcomes[:n], outcomes[n:]
        change = changes.add(tactic, decision, old, new)
        each.subtract(contributions(rule, decision, old))
        each.add(contributions(rule, decision, outcomes))
        before, after = assess(rule, decision, old), assess(rule, decision, outcomes)
        assert decision.decided_at + change.closes_after == after.closes_at
        assert change.settles == tuple(may_settle(costs, before, after) for costs in TACTIC.costs)
    found = Tally()
    found.add(changes.sums())
    assert found.changes() == each.changes()


@given(DECISIONS, OUTCOMES, st.integers(0, 3), st.sampled_from(RULES), st.booleans())
def test_what_cannot_settle_settles_nothing(
    decision: Brief, said: list[Any], n: int, rule: RewardRule, closed: bool
) -> None:
    outcomes = outcomes_of(decision, said)
    before, after = assess(rule, decision, outcomes[:n]), assess(rule, decision, outcomes)
    for arm, costs in enumerate(TACTIC.costs):
        most, at_once = int(TACTIC.most[arm]), costs.get(DECISION, 0)
        at = decision.decided_at
        made = Commitment("d", "winback", "r", "email", at, 1, most, at_once, most > at_once, at + rule.window)
        was = settled(made, costs, before)._replace(**({"open": False} if closed else {}))
        if not may_settle(costs, before, after):
            assert settled(was, costs, after) == was
