"""Notices: ids that stay, and a schedule that ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.domain.notices import WAITS, Notice, NoticeKind, next_attempt_at, rest_after
from optimizer.strategy.notify import About

NOW = 1_790_000_000 * SECOND


def test_ten_attempts_are_made_within_four_days() -> None:
    at, waits = NOW, []
    for attempts in range(1, 20):
        again = next_attempt_at("n", "ops", attempts, at)
        if again is None:
            break
        waits.append(again - at)
        at = again
    assert attempts == 10
    assert [round(wait / base, 1) >= 1.0 for wait, base in zip(waits, WAITS, strict=True)] == [True] * 9
    assert 3 * DAY < at - NOW < 4 * DAY
    assert (WAITS[0], WAITS[1], WAITS[2], WAITS[3]) == (5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)
    assert all(one <= other for one, other in pairwise(WAITS))


@given(st.text(), st.text(), st.integers(1, len(WAITS)))
def test_a_wait_is_made_longer_by_at_most_a_fifth(notice_id: str, receiver: str, attempts: int) -> None:
    again = next_attempt_at(notice_id, receiver, attempts, NOW)
    assert again is not None
    assert WAITS[attempts - 1] <= again - NOW < WAITS[attempts - 1] * 6 / 5
    assert again == next_attempt_at(notice_id, receiver, attempts, NOW)


def test_waits_of_many_notices_are_spread() -> None:
    waits = {next_attempt_at(f"notice {n}", "ops", 2, NOW) for n in range(200)}
    assert len(waits) == 200
    spread = [at for at in waits if at is not None]
    assert max(spread) - min(spread) > WAITS[1] / 7


def test_a_receiver_that_cannot_be_reached_rests_longer_each_time_and_five_minutes_at_most() -> None:
    rests = [rest_after(failures) for failures in range(1, 400)]
    assert rests[:4] == [5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND]
    assert all(one <= other for one, other in pairwise(rests))
    assert rests[-1] == 5 * MINUTE


def notice(**changes: object) -> Notice:
    return Notice(**{"kind": NoticeKind.BUDGET_80, "campaign_id": "a", "data": {"x": 1}, "at": NOW, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"kind": NoticeKind.BUDGET_100}, {"campaign_id": "b"}, {"data": {"x": 2}}, {"at": NOW + 1}]
)
def test_what_differs_has_another_id(changes: dict[str, object]) -> None:
    assert notice().notice_id == notice().notice_id
    assert notice(**changes).notice_id != notice().notice_id


def test_what_is_told_once_has_one_id_whenever_it_happens() -> None:
    once = notice(once="strategy/2026-12")
    assert once.notice_id == notice(once="strategy/2026-12", at=NOW + DAY, data={}, campaign_id=None).notice_id
    assert once.notice_id != notice(once="strategy/2027-01").notice_id
    assert once.notice_id != notice(once="strategy/2026-12", kind=NoticeKind.BUDGET_100).notice_id
    assert len(once.notice_id) == 32


def test_documents_may_name_every_kind_and_no_other() -> None:
    assert set(About.__args__) == {kind.value for kind in NoticeKind}  # type: ignore[attr-defined]
