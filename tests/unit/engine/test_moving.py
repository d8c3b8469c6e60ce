from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.domain.snapshot import Snapshot
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.learning import learn, next_snapshot
from optimizer.engine.moving import is_moving, shares_in_force
from optimizer.engine.steps import steps
from optimizer.engine.tactic import Tactic

MakeTactic = Callable[..., Tactic]
SEGMENTS = 3
EVERYTHING = np.ones(3, np.bool_)


def slow(make_tactic: MakeTactic, **policy: object) -> Tactic:
    tactic = make_tactic()
    return replace(tactic, policy=replace(tactic.policy, **({"largest_change": 0.1} | policy)))


def seen(positives: list[float], trials: list[float]) -> Evidence:
    """The same of each segment, in one bucket."""
    k, n = (np.tile(np.array(some)[:, None], (SEGMENTS, 1, 1)) for some in (positives, trials))
    return Evidence(np.zeros(1, np.int64), n, k, k, k)


CLEAR = seen([500.0, 10.0, 10.0], [1000.0, 1000.0, 1000.0])


def after(tactic: Tactic, latest: Snapshot | None, evidence: Evidence = CLEAR, now: int = DAY) -> Snapshot:
    return next_snapshot(tactic, evidence, [], {}, latest, now)


def row(snapshot: Snapshot, segment: int = 0) -> list[float]:
    return AllocationTable(snapshot).row(segment, EVERYTHING).allocation.tolist()


def test_the_first_snapshot_moves_from_equal_shares(make_tactic: MakeTactic) -> None:
    snapshot = after(slow(make_tactic), None)
    assert row(snapshot) == pytest.approx([1 / 3 + 0.1, 1 / 3 - 0.05, 1 / 3 - 0.05])


def test_shares_move_at_each_refresh_until_they_are_there_though_nothing_new_is_learned(
    make_tactic: MakeTactic,
) -> None:
    tactic, snapshots = slow(make_tactic), list[Snapshot]()
    for minute in range(20):
        snapshots.append(after(tactic, snapshots[-1] if snapshots else None, now=DAY + minute))
    leading = [row(one)[0] for one in snapshots]
    assert np.diff(leading[:7]) == pytest.approx([0.1] * 5 + [1 - leading[5]], abs=1e-6)
    assert leading[-1] == pytest.approx(1.0)
    assert len({one.number for one in snapshots}) == snapshots[-1].number < 10


def test_without_a_largest_change_a_snapshot_keeps_no_shares(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    snapshot = after(tactic, None)
    assert snapshot.before.size == 0
    assert not is_moving(tactic, snapshot)
    assert after(tactic, snapshot) is snapshot


def test_what_a_paused_variant_had_is_shared_before_the_next_move(make_tactic: MakeTactic) -> None:
    tactic = slow(make_tactic)
    latest = after(tactic, None)
    paused = replace(tactic, limits=replace(tactic.limits, paused=np.array([False, True, False])))
    shares = shares_in_force(paused, latest)
    assert shares[0] == pytest.approx(AllocationTable(latest).row(0, ~paused.limits.paused).allocation)
    assert shares[0, 1] == 0.0


def test_new_words_and_new_segments_begin_with_nothing(make_tactic: MakeTactic) -> None:
    tactic = slow(make_tactic)
    latest = replace(after(tactic, None), content_hashes=("other", *tactic.content_hashes[1:]))
    known = replace(latest, segment_ids=("elsewhere", *latest.segment_ids[1:]))
    shares = shares_in_force(tactic, known)
    assert shares[0].tolist() == [0.0, 0.0, 0.0]
    assert shares[1] == pytest.approx([0.0, 0.5, 0.5])


def test_a_snapshot_says_so_once_the_minimum_is_reached(make_tactic: MakeTactic) -> None:
    """Even if what is believed is hardly other than before."""
    tactic = make_tactic()
    tactic = replace(tactic, policy=replace(tactic.policy, minimum_trials=1_000))
    few = seen([500.0, 10.0, 10.0], [1_000.0, 999.99, 1_000.0])
    waiting = after(tactic, None, few)
    assert row(waiting) == pytest.approx([1 / 3] * 3)
    acting = after(tactic, waiting, CLEAR)
    assert acting is not waiting
    assert row(acting) == pytest.approx([1, 0, 0])


def test_steps_show_each_bound_and_end_at_what_was_drawn_from(make_tactic: MakeTactic) -> None:
    tactic = slow(make_tactic, top_two=0.5, minimum_trials=100, floor=0.05, cap=0.8)
    table = AllocationTable(learn(tactic, CLEAR, 1, DAY))
    found = steps(table, 0, {}, drawn=True)
    names = ["posterior", "top_two", "minimum_trials", "floor", "cap", "largest_change"]
    assert [step.name for step in found] == names
    assert found[1].shares["mens"] == pytest.approx(0.5)
    assert list(found[-1].shares.values()) == table.row(0, EVERYTHING).allocation.tolist()


def test_steps_of_plain_thompson_sampling_are_floor_and_cap(make_tactic: MakeTactic) -> None:
    found = steps(AllocationTable(learn(make_tactic(), CLEAR, 1, DAY)), 0, {}, drawn=True)
    assert [step.name for step in found] == ["posterior", "floor", "cap"]
