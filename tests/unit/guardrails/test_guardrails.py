from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.domain.controls import Status
from optimizer.domain.reasons import Block, Group
from optimizer.guardrails.budget import Affordable
from optimizer.guardrails.eligibility import BLOCKS, ELIGIBLE, Limits, blocked, blocks, ordinary
from optimizer.guardrails.groups import GROUPS, LEARNING, Places, Shares, groups
from optimizer.guardrails.hours import Hours

N_SEGMENTS, N_ARMS = 2, 3


def limits(
    *,
    starts_at: int | None = None,
    ends_at: int | None = None,
    approved: NDArray[np.bool_] | None = None,
    for_segment: NDArray[np.bool_] | None = None,
) -> Limits:
    everything = np.ones((N_SEGMENTS, N_ARMS), bool)
    return Limits(
        starts_at,
        ends_at,
        np.ones(N_ARMS, bool) if approved is None else approved,
        everything if for_segment is None else for_segment,
        paused=np.zeros(N_ARMS, bool),
        retired=np.zeros(N_ARMS, bool),
        status=Status.RUNNING,
        review_due_at=None,
        needs_consent=False,
        hours=Hours(None, (None,) * N_ARMS, None),
    )


def codes(of: Limits, now: int = 100, excluded: tuple[int, ...] = (), segment: int = 0) -> NDArray[np.uint8]:
    unwanted = np.zeros((1, N_ARMS), bool)
    unwanted[0, list(excluded)] = True
    enough = Affordable(sends=True, money=np.ones(N_ARMS, bool))
    here = replace(ordinary(np.array([segment]), N_ARMS, ZoneInfo("UTC"), enough), excluded=unwanted)
    return blocks(of, here, now)[0]


def test_without_any_rule_every_variant_is_eligible() -> None:
    assert codes(limits()).tolist() == [ELIGIBLE] * N_ARMS


def test_a_campaign_begins_at_its_start_and_is_over_at_its_end() -> None:
    period = limits(starts_at=100, ends_at=200)
    assert (codes(period, now=99) != ELIGIBLE).all()
    assert (codes(period, now=100) == ELIGIBLE).all()
    assert (codes(period, now=199) == ELIGIBLE).all()
    assert (codes(period, now=200) != ELIGIBLE).all()


def test_each_rule_is_named() -> None:
    names = ("a", "b", "c")
    assert blocked(codes(limits(starts_at=101)), names) == dict.fromkeys(names, Block.NOT_STARTED)
    assert blocked(codes(limits(ends_at=100)), names) == dict.fromkeys(names, Block.ENDED)
    assert blocked(codes(limits(approved=np.array([True, False, True]))), names) == {"b": Block.NOT_APPROVED}
    only_second = np.array([[True, True, False], [True, True, True]])
    assert blocked(codes(limits(for_segment=only_second)), names) == {"c": Block.NOT_FOR_SEGMENT}
    assert blocked(codes(limits(for_segment=only_second), segment=1), names) == {}
    assert blocked(codes(limits(), excluded=(0,)), names) == {"a": Block.EXCLUDED_BY_CALLER}


def test_the_first_rule_that_applies_is_the_one_reported() -> None:
    unapproved = limits(starts_at=101, approved=np.zeros(N_ARMS, bool))
    assert blocked(codes(unapproved, excluded=(1,)), ("a", "b", "c")) == dict.fromkeys("abc", Block.NOT_STARTED)


@given(
    starts=st.none() | st.integers(0, 200),
    ends=st.none() | st.integers(0, 200),
    approved=st.lists(st.booleans(), min_size=N_ARMS, max_size=N_ARMS),
    targeted=st.lists(st.booleans(), min_size=N_ARMS, max_size=N_ARMS),
    excluded=st.sets(st.integers(0, N_ARMS - 1)),
    added=st.sampled_from(["start", "end", "approval", "segment", "exclude"]),
    arm=st.integers(0, N_ARMS - 1),
)
def test_adding_a_rule_never_adds_an_eligible_variant(
    starts: int | None,
    ends: int | None,
    approved: list[bool],
    targeted: list[bool],
    excluded: set[int],
    added: str,
    arm: int,
) -> None:
    def mask(*, narrower: bool) -> NDArray[np.bool_]:
        yes, seg, no = np.array(approved), np.array([targeted] * N_SEGMENTS), set(excluded)
        start, end = starts, ends
        if narrower:
            start = 150 if added == "start" else start
            end = min(end or 150, 50) if added == "end" else end
            yes[arm] &= added != "approval"
            seg[:, arm] &= added != "segment"
            no |= {arm} if added == "exclude" else set()
        of = limits(starts_at=start, ends_at=end, approved=yes, for_segment=seg)
        return codes(of, excluded=tuple(no)) == ELIGIBLE

    # "start" replaces an earlier start by a later one only when that narrows.
    if added == "start" and starts is not None and starts > 150:
        return
    assert not (mask(narrower=True) & ~mask(narrower=False)).any()


def test_every_block_has_a_code_of_its_own() -> None:
    assert len(set(BLOCKS)) == len(Block) < 255


@given(
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1)),
    hashes=st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3), min_size=1),
)
def test_groups_follow_their_shares_and_are_disjoint(
    shares: tuple[float, float, float], hashes: list[tuple[float, float, float]]
) -> None:
    places = Places(*np.array(hashes).T)
    found = groups(Shares(*shares), places)
    for index, of_strategy, of_campaign, of_rollout in zip(found, *np.array(hashes).T, strict=True):
        group = GROUPS[index]
        assert (group is Group.STRATEGY_HOLDOUT) == (of_strategy < shares[0])
        if group is not Group.STRATEGY_HOLDOUT:
            assert (group is Group.CAMPAIGN_HOLDOUT) == (of_campaign < shares[1])
            if group is not Group.CAMPAIGN_HOLDOUT:
                assert (group is Group.LEARNING) == (of_rollout < shares[2])


def test_shares_of_zero_hold_nobody_out() -> None:
    nowhere = np.array([0.0])
    assert groups(Shares(0.0, 0.0), Places(nowhere, nowhere, nowhere)).tolist() == [LEARNING]
