from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import DAY, HOUR
from optimizer.guardrails.rollout import (
    Requirement,
    RolloutState,
    Stage,
    Wait,
    approved,
    in_rollout,
    next_state,
    released,
    share_in_force,
    waits,
)

APPROVAL = frozenset({"approval"})
NO_BREACH = frozenset({"no_guardrail_breach"})
PILOT_THEN_ALL = (Stage(0.1, 3 * DAY), Stage(1.0, None, NO_BREACH | APPROVAL))
BY_TIME = (Stage(0.1, 3 * DAY), Stage(0.3, 2 * DAY), Stage(1.0))
START = RolloutState(stage=0, since=0)


def checked(
    stages: tuple[Stage, ...], now: int, state: RolloutState = START, *, breached: bool = False
) -> RolloutState:
    return next_state(stages, state, now, breached=breached)


# --- moving on


def test_a_stage_is_left_once_it_has_lasted_its_time_and_not_before() -> None:
    assert checked(BY_TIME, 3 * DAY - 1) == START
    assert checked(BY_TIME, 3 * DAY) == RolloutState(stage=1, since=3 * DAY)


def test_a_stage_begins_at_the_check_that_finds_it_due() -> None:
    late = checked(BY_TIME, 3 * DAY + 7 * HOUR)
    assert late == RolloutState(stage=1, since=3 * DAY + 7 * HOUR)
    assert checked(BY_TIME, late.since + 2 * DAY - 1, late) == late


def test_after_a_long_silence_the_next_stage_still_lasts_its_own_time() -> None:
    assert checked(BY_TIME, 365 * DAY) == RolloutState(stage=1, since=365 * DAY)


def test_a_clock_set_back_moves_nothing() -> None:
    assert checked(BY_TIME, -100 * DAY) == START


def test_the_last_stage_is_never_left() -> None:
    last = RolloutState(stage=2, since=0)
    assert checked(BY_TIME, 1_000 * DAY, last) == last
    assert waits(BY_TIME, last, 1_000 * DAY) == (Wait.LAST_STAGE,)


def test_the_next_stage_can_ask_for_a_yes() -> None:
    assert waits(PILOT_THEN_ALL, START, DAY) == (Wait.TIME, Wait.APPROVAL)
    assert waits(PILOT_THEN_ALL, START, 3 * DAY) == (Wait.APPROVAL,)
    assert checked(PILOT_THEN_ALL, 3 * DAY) == START
    yes = approved(PILOT_THEN_ALL, START, 1)
    assert checked(PILOT_THEN_ALL, 3 * DAY - 1, yes) == yes
    assert checked(PILOT_THEN_ALL, 3 * DAY, yes) == RolloutState(stage=1, since=3 * DAY)


def test_a_stage_without_a_time_lasts_until_somebody_says_yes_to_the_next() -> None:
    stages = (Stage(0.1), Stage(1.0))
    assert checked(stages, 1_000 * DAY) == START
    assert checked(stages, 1, approved(stages, START, 1)) == RolloutState(stage=1, since=1)


def test_a_yes_is_for_one_stage_only() -> None:
    stages = (Stage(0.1), Stage(0.5, DAY), Stage(1.0, None, APPROVAL))
    second = checked(stages, DAY, approved(stages, START, 1))
    assert second.stage == 1
    assert checked(stages, 9 * DAY, second) == second
    assert checked(stages, 9 * DAY, replace(second, approved_stage=1)) == replace(second, approved_stage=1)


@pytest.mark.parametrize("stage", [-1, 0, 2, 3])
def test_a_yes_must_name_the_next_stage(stage: int) -> None:
    with pytest.raises(ValueError, match=rf"stage: found {stage}; allowed the next stage, 1"):
        approved(BY_TIME, START, stage)


def test_there_is_nothing_to_say_yes_to_at_the_last_stage() -> None:
    with pytest.raises(ValueError, match="stage: found 3; allowed none: the last stage is in force"):
        approved(BY_TIME, RolloutState(stage=2, since=0), 3)


# --- holding


@pytest.mark.parametrize("stages", [PILOT_THEN_ALL, BY_TIME], ids=["required", "not required"])
def test_a_breach_holds_the_rollout_until_somebody_releases_it(stages: tuple[Stage, ...]) -> None:
    held = checked(stages, 3 * DAY, replace(START, approved_stage=1), breached=True)
    assert held == RolloutState(stage=0, since=0, held=True, approved_stage=1)
    assert checked(stages, 30 * DAY, held) == held
    assert waits(stages, held, 30 * DAY) == (Wait.HELD,)
    assert checked(stages, 30 * DAY, released(held)) == RolloutState(stage=1, since=30 * DAY)


def test_a_breach_that_is_still_there_after_the_release_holds_again() -> None:
    held = checked(BY_TIME, DAY, breached=True)
    assert checked(BY_TIME, 4 * DAY, released(held), breached=True).held


def test_a_breach_at_the_last_stage_has_nothing_to_hold() -> None:
    last = RolloutState(stage=2, since=0)
    assert checked(BY_TIME, DAY, last, breached=True) == last


# --- whatever happens

STAGES = st.lists(
    st.tuples(st.none() | st.integers(1, 5), st.sets(st.sampled_from(list(Requirement)))), min_size=1, max_size=5
).map(lambda rows: tuple(Stage((i + 1) / len(rows), lasts, frozenset(asks)) for i, (lasts, asks) in enumerate(rows)))
STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from(["", "", "approve", "release"])), max_size=25
)


@given(stages=STAGES, steps=STEPS)
def test_every_stage_lasts_its_time_has_its_yes_and_follows_the_one_before(
    stages: tuple[Stage, ...], steps: list[tuple[int, bool, str]]
) -> None:
    now, states, said_yes_to = 0, [START], set()
    for passed, breached, person in steps:
        now, state = now + passed, states[-1]
        if person == "release":
            state = released(state)
        if person == "approve" and state.stage + 1 < len(stages):
            state = approved(stages, state, state.stage + 1)
            said_yes_to.add(state.stage + 1)
        before, after = state, next_state(stages, state, now, breached=breached)
        states.append(after)
        left = stages[before.stage]
        if after.stage != before.stage:
            assert after.stage == before.stage + 1
            assert after.since == now
            assert now - before.since >= (left.lasts or 0)
            assert (breached, before.held, after.held) == (False, False, False)
            if left.lasts is None or "approval" in stages[after.stage].requires:
                assert after.stage in said_yes_to
        else:
            assert after.since == before.since
            assert after.held == (before.held or (breached and before.stage + 1 < len(stages)))
    assert all(share_in_force(stages, one) <= share_in_force(stages, two) for one, two in pairwise(states))


@given(stages=STAGES, state=st.builds(RolloutState, st.integers(0, 6), st.integers(0, 9), st.booleans(), st.none()))
def test_a_rollout_moves_on_exactly_when_it_waits_for_nothing(stages: tuple[Stage, ...], state: RolloutState) -> None:
    moved = next_state(stages, state, 10, breached=False) != state
    assert moved == (waits(stages, state, 10) == ())


def test_the_share_in_force_is_that_of_the_stage() -> None:
    assert [share_in_force(BY_TIME, RolloutState(stage, 0)) for stage in range(3)] == [0.1, 0.3, 1.0]


def test_without_stages_everybody_takes_part() -> None:
    assert share_in_force((), START) == 1.0
    assert checked((), DAY, breached=True) == START


def test_documents_that_lost_stages_are_at_their_last() -> None:
    assert share_in_force(BY_TIME[:2], RolloutState(2, 0)) == 0.3
    assert checked(BY_TIME[:2], 99 * DAY, RolloutState(2, 0)) == RolloutState(2, 0)


# --- who takes part


@given(
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    hashes=st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
)
def test_raising_the_share_only_adds_recipients(shares: tuple[float, float], hashes: list[float]) -> None:
    small, large = (in_rollout(share, np.array(hashes)) for share in sorted(shares))
    assert not (small & ~large).any()


@given(hashes=st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
def test_a_share_of_one_is_everybody_and_of_zero_nobody(hashes: list[float]) -> None:
    assert in_rollout(1.0, np.array(hashes)).all()
    assert not in_rollout(0.0, np.array(hashes)).any()


def test_a_share_takes_in_that_share_of_the_recipients() -> None:
    inside = in_rollout(0.1, np.arange(1_000) / 1_000)
    assert inside[:100].all()
    assert not inside[100:].any()


# --- mistakes in documents
