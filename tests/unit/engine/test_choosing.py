from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.choosing import VECTORISE_FROM, Choice, Contacts
from optimizer.engine.learning import learn
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import Places

NOW = instant(datetime(2026, 6, 1, 12, tzinfo=UTC))
MakeTactic = Callable[..., Tactic]


def table_of(tactic: Tactic, positives: Sequence[float] = (0, 0, 0), trials: float = 0) -> AllocationTable:
    n_segments = len(tactic.rules.segment_ids)
    seen = np.full((n_segments, 3, 1), float(trials))
    won = np.broadcast_to(np.array(positives, float)[None, :, None], seen.shape).copy()
    evidence = Evidence(np.zeros(1, dtype=np.int64), seen, won, won, won)
    return AllocationTable(learn(tactic, evidence, 1, NOW))


def contacts(n: int, **changes: object) -> Contacts:
    fields: dict[str, object] = {
        "attributes": [{"newbie": True}] * n,
        "excluded": [()] * n,
        "u": (np.arange(n) + 0.5) / n,
        "recipient_keys": [f"r{i}" for i in range(n)],
        "suppressed": np.zeros(n, bool),
        "consents": [None] * n,
        "zones": [None] * n,
        "places": places(n),
    }
    return Contacts(**(fields | changes))  # type: ignore[arg-type]


def places(n: int = 1, strategy: float = 0.99, campaign: float = 0.99, rollout: float = 0.0) -> Places:
    return Places(np.full(n, strategy), np.full(n, campaign), np.full(n, rollout))


def one(tactic: Tactic, table: AllocationTable | None = None, now: int = NOW, **changes: object) -> Choice:
    return chosen(tactic, table or table_of(tactic), contacts(1, **changes), now)[0]


def chosen(tactic: Tactic, table: AllocationTable, some: Contacts, now: int = NOW) -> list[Choice]:
    return choose_in_turn(tactic, table, some, Supplies(), now)


def test_draws_follow_the_allocation_and_carry_its_propensities(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(floor=0.1)
    table = table_of(tactic, positives=(30, 20, 10), trials=200)
    choices = chosen(tactic, table, contacts(10_000), NOW)
    row = table.row(0, np.ones(3, bool))
    drawn = np.bincount([choice.arm for choice in choices if choice.arm is not None], minlength=3) / 10_000
    assert np.abs(drawn - row.allocation).max() <= 1e-4  # u is a regular grid, so shares are exact to one step
    assert all(choice.propensity == row.allocation[choice.arm] for choice in choices if choice.arm is not None)
    assert row.allocation.sum() == 1.0
    assert row.allocation.min() >= 0.1 - 2**-31


def test_the_leader_is_exploited_and_the_others_explored(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(floor=0.1)
    table = table_of(tactic, positives=(30, 20, 10), trials=200)
    for choice in chosen(tactic, table, contacts(100), NOW):
        assert (choice.reason is Reason.EXPLOIT) == (choice.arm == 0)
        assert choice.reason in {Reason.EXPLOIT, Reason.EXPLORE}


def test_the_first_segment_that_matches_wins_and_the_rest_are_everyone_else(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    rows = [{"newbie": True, "recency": 20}, {"newbie": False, "recency": 20}, {"recency": 5}, {}]
    found = [one(tactic, attributes=[row]).segment_id for row in rows]
    assert found == ["new", "stale", "everyone-else", "everyone-else"]


def test_many_contacts_are_segmented_as_each_alone(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(everyone_else="exclude")
    rows = [{"newbie": n % 3 == 0, "recency": float(n % 20)} for n in range(2 * VECTORISE_FROM)]
    together = chosen(tactic, table_of(tactic), contacts(len(rows), attributes=rows), NOW)
    alone = [one(tactic, attributes=[row]).segment_id for row in rows]
    assert [choice.segment_id for choice in together] == alone


def test_everyone_else_can_be_left_out(make_tactic: MakeTactic) -> None:
    choice = one(make_tactic(everyone_else="exclude"), attributes=[{}])
    assert (choice.arm, choice.segment_id, choice.reason) == (None, None, Reason.OUTSIDE_AUDIENCE)


@pytest.mark.parametrize(
    ("strategy_hash", "campaign_hash", "group"),
    [
        (0.05, 0.9, Group.STRATEGY_HOLDOUT),
        (0.05, 0.05, Group.STRATEGY_HOLDOUT),
        (0.9, 0.05, Group.CAMPAIGN_HOLDOUT),
        (0.9, 0.9, Group.LEARNING),
    ],
)
def test_holdouts_get_control_for_certain(
    make_tactic: MakeTactic, strategy_hash: float, campaign_hash: float, group: Group
) -> None:
    tactic = make_tactic(strategy_holdout=0.1, holdout=0.1)
    choice = one(tactic, places=places(1, strategy_hash, campaign_hash))
    assert choice.group is group
    if group is not Group.LEARNING:
        assert (choice.arm, choice.propensity, choice.reason, choice.drawn) == (2, 1.0, Reason.HOLDOUT, False)


def test_holdouts_on_nothing_get_nothing(make_tactic: MakeTactic) -> None:
    choice = one(make_tactic(holdout=0.1, control="nothing"), places=places(campaign=0.0))
    assert (choice.arm, choice.propensity, choice.reason) == (None, None, Reason.HOLDOUT)


def test_a_control_that_may_not_be_sent_is_not_sent_to_holdouts_either(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(holdout=0.1, approval="true")
    hashes = dict(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
    tactic = make_tactic({("winback", "mens", hashes["mens"])}, holdout=0.1, approval="true")
    choice = one(tactic, places=places(campaign=0.0))
    assert (choice.arm, choice.reason) == (None, Reason.NOTHING_ELIGIBLE)
    assert choice.blocked == {"womens": Block.NOT_APPROVED, "plain": Block.NOT_APPROVED}


def test_only_approved_words_are_served(make_tactic: MakeTactic) -> None:
    tactic = make_tactic(approval="true")
    hashes = dict(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
    assert one(tactic).reason is Reason.NOTHING_ELIGIBLE
    approved = make_tactic(
        {("winback", "womens", hashes["womens"]), ("winback", "mens", "other words")}, approval="true"
    )
    choice = one(approved)
    assert (choice.arm, choice.propensity) == (1, 1.0)


def test_what_the_caller_excludes_is_not_drawn_and_the_rest_is_computed_anew(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    table = table_of(tactic, positives=(30, 20, 10), trials=200)
    choices = chosen(tactic, table, contacts(1_000, excluded=[("mens", "unknown")] * 1_000), NOW)
    assert {choice.arm for choice in choices} <= {1, 2}
    assert all(choice.blocked == {"mens": Block.EXCLUDED_BY_CALLER} for choice in choices)
    full = table.row(0, np.ones(3, bool)).p_best
    alone = table.row(0, np.array([False, True, True])).p_best
    truncated = full[1:] / full[1:].sum()
    assert abs(alone[1] - truncated[0]) > 0.001  # P(best of these two) is not P(best of all) rescaled


def test_before_its_start_a_campaign_says_when_to_ask_again(make_tactic: MakeTactic) -> None:
    start = instant(datetime(2026, 1, 1, tzinfo=UTC))
    choice = one(make_tactic(), now=start - DAY)
    assert (choice.arm, choice.reason, choice.retry_at) == (None, Reason.NOT_STARTED, start)


def test_after_its_end_a_campaign_says_so(make_tactic: MakeTactic) -> None:
    choice = one(make_tactic(), now=instant(datetime(2027, 1, 1, tzinfo=UTC)))
    assert (choice.arm, choice.reason, choice.retry_at) == (None, Reason.ENDED, None)


def test_with_everything_excluded_there_is_nothing_to_send(make_tactic: MakeTactic) -> None:
    choice = one(make_tactic(), excluded=[("mens", "womens", "plain")])
    assert (choice.arm, choice.reason) == (None, Reason.NOTHING_ELIGIBLE)


def test_deciding_for_nobody_is_fine(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    assert chosen(tactic, table_of(tactic), contacts(0), NOW) == []
