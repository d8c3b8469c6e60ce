"""Where recipients stand, worked out for a whole batch, is where each alone stands."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.engine.placing import places_of
from optimizer.guardrails.groups import GROUPS, Places, Shares, group_of, groups
from optimizer.services.decisions.proving import Chances, chances

SECRET = bytes(range(32))
SHARES = st.builds(
    Shares, st.sampled_from([0.0, 0.0, 0.4]), st.sampled_from([0.0, 0.3]), st.sampled_from([1.0, 1.0, 0.5])
)


@given(st.lists(st.tuples(SHARES, st.lists(st.text(max_size=3), max_size=6)), min_size=1, max_size=4))
def test_a_batch_over_several_campaigns_is_grouped_as_each_recipient_alone(
    asked: list[tuple[Shares, list[str]]],
) -> None:
    tactics: list[Any] = [SimpleNamespace(shares=s, campaign_id=f"c{n}") for n, (s, _) in enumerate(asked)]
    each = [(tactic, person) for tactic, (_, some) in zip(tactics, asked, strict=True) for person in some]
    batch = places_of(SECRET, [tactic for tactic, _ in each], [person for _, person in each])
    for n, (tactic, person) in enumerate(each):
        alone = Chances.places([chances(SECRET, tactic.campaign_id, person, "r")])
        assert groups(tactic.shares, batch.part(n, n + 1)) == groups(tactic.shares, alone)


@given(SHARES, st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3), max_size=5))
def test_a_strategy_holds_out_before_a_campaign_does_and_both_before_a_rollout(
    shares: Shares, stand: list[tuple[float, float, float]]
) -> None:
    columns = [np.array([one[place] for one in stand]) for place in range(3)]
    expected = [
        "strategy_holdout"
        if strategy < shares.strategy_holdout
        else "campaign_holdout"
        if campaign < shares.campaign_holdout
        else "outside_rollout"
        if rollout >= shares.rollout
        else "learning"
        for strategy, campaign, rollout in stand
    ]
    assert [GROUPS[place] for place in groups(shares, Places(*columns))] == expected
    assert [GROUPS[group_of(shares, *one)] for one in stand] == expected
