"""The log of decisions: newest first, page by page, nothing twice and nothing left out, however it is filtered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from optimizer.domain.decision import Decision
from optimizer.domain.instants import DAY, HOUR, SECOND
from optimizer.domain.reasons import Group, Reason
from optimizer.errors import InvalidRequest, NotFound
from optimizer.services.decisions.paging import PAGE, day_of, decision_log, decisions_about
from optimizer.storage.decision_log import Wanted

ANY = Wanted()


def written(house: Any, n: int, *, at_once: int = 10) -> list[Decision]:
    """Decisions straight into the ledger; ``at_once`` of them have the same instant, as those of a batch do."""
    groups = [Group.LEARNING, Group.LEARNING, Group.CAMPAIGN_HOLDOUT]
    made = [
        Decision(
            f"{(k * 2_654_435_761) % 2**32:08x}{k:08x}",
            "winback",
            f"key-{k % 50}",
            f"r{k}",
            1,
            ("lapsed", "american", None)[k % 3],
            groups[k % 3],
            None if k % 3 == 2 else ("ten-percent", "hello")[k % 2],
            None,
            None if k % 3 == 2 else 0.5,
            Reason.EXPLOIT if k % 3 != 2 else Reason.OUTSIDE_AUDIENCE,
            None,
            house.now + k // at_once * SECOND,
            {},
            False,
            {},
            (),
        )
        for k in range(n)
    ]
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.decisions.insert(made)
    return sorted(made, key=lambda one: (-one.decided_at, one.decision_id))


def pages(house: Any, wanted: Wanted, n: int, most: int) -> Iterator[list[str]]:
    after = None
    with house.deployment.store.reading() as ledger:
        while True:
            found = ledger.decision_log.page("winback", wanted, after, n, most)
            yield list(found.decision_ids)
            if found.reached is None:
                return
            after = found.reached


LOOKED_FOR = (
    ANY,
    Wanted(segment_id="lapsed"),
    Wanted(segment_id=""),
    Wanted(variant_id="hello"),
    Wanted(variant_id=""),
    Wanted(group=Group.CAMPAIGN_HOLDOUT),
    Wanted(segment_id="american", variant_id="hello", group=Group.LEARNING),
    Wanted(segment_id="nowhere"),
)


def test_the_pages_together_are_the_whole_log_in_order(house: Any) -> None:
    every = written(house, 61)
    for wanted in LOOKED_FOR:
        expected = [
            one.decision_id
            for one in every
            if wanted.segment_id in {None, one.segment_id or ""}
            and wanted.variant_id in {None, one.variant_id or ""}
            and wanted.group in {None, one.group}
        ]
        for n, most in ((7, 20), (50, 1_000), (10, 61), (10, 3)):
            found = list(pages(house, wanted, n, most))
            assert [id_ for page in found for id_ in page] == expected, (wanted, n, most)
            assert all(len(page) <= n for page in found)


def test_a_day_begins_at_midnight_where_the_strategy_is_at_home(sqlite_house: Any) -> None:
    every = written(sqlite_house, 40, at_once=1)
    since, until = every[30].decided_at, every[10].decided_at
    found = [id_ for page in pages(sqlite_house, Wanted(since=since, until=until), 8, 100) for id_ in page]
    assert found == [one.decision_id for one in every[11:31]]
    first, after = day_of(ZoneInfo("Europe/London"), date(2026, 10, 25))  # clocks go back
    assert after - first == DAY + HOUR


def test_a_rare_group_is_looked_for_in_portions_and_says_where_to_go_on(sqlite_house: Any) -> None:
    every = written(sqlite_house, 100)
    with sqlite_house.deployment.store.reading() as ledger:
        found = ledger.decision_log.page("winback", Wanted(segment_id="nowhere"), None, 10, 30)
    assert list(found.decision_ids) == []
    assert found.reached == (every[29].decided_at, every[29].decision_id)


def test_no_page_reads_more_than_its_portion(sqlite_house: Any) -> None:
    written(sqlite_house, 20)
    seen: list[str] = []
    store = sqlite_house.deployment.store
    sa.event.listen(store.engine, "before_cursor_execute", lambda _c, _u, text, *_: seen.append(text))
    with store.reading() as ledger:
        ledger.decision_log.page("winback", Wanted(group=Group.LEARNING), (2**60, "ff"), 5, 10)
    queries = [text for text in seen if "FROM decisions" in text]
    assert queries
    with store.engine.connect() as connection:
        for text in queries:
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + text, ("winback", *[1] * (text.count("?") - 1)))
            assert any("ix_decisions_newest" in row[-1] for row in plan), text


def test_the_log_of_a_campaign_says_what_came_of_each(sqlite_house: Any) -> None:
    (answer,) = sqlite_house.learning(1)
    sqlite_house.recorded(answer.decision.decision_id, "clicked", after=2)
    sqlite_house.recorded(answer.decision.decision_id, "opened", after=1)
    with sqlite_house.deployment.store.reading() as ledger:
        log = decision_log(ledger, sqlite_house.deployment.live, "winback", ANY, None, sqlite_house.now)
        line = next(one for one in log.lines if one.decision == answer.decision)
        assert [one.kind for one in line.outcomes] == ["opened", "clicked"]
        assert log.segments == ("lapsed", "american", "everyone-else")
        with pytest.raises(NotFound, match="campaign: found 'nonsense'"):
            decision_log(ledger, sqlite_house.deployment.live, "nonsense", ANY, None, sqlite_house.now)


def test_decisions_about_somebody_are_theirs_alone_newest_first(sqlite_house: Any) -> None:
    for n in range(3):
        sqlite_house.decided("ann", f"a{n}")
        sqlite_house.decided("ben", f"b{n}")
        sqlite_house.later(HOUR)
    with sqlite_house.deployment.store.reading() as ledger:
        found = decisions_about(ledger, sqlite_house.deployment.live, "ann")
        assert [one.decision.request_id for one in found] == ["a2", "a1", "a0"]
        assert decisions_about(ledger, sqlite_house.deployment.live, "nobody") == []
        with pytest.raises(InvalidRequest, match="/recipients/1: found 'an n'"):
            decisions_about(ledger, sqlite_house.deployment.live, "an n")


@pytest.mark.slow
def test_ten_thousand_decisions_are_paged_to_the_end(house: Any) -> None:
    every = written(house, 10_000, at_once=1_000)
    found = [id_ for page in pages(house, ANY, PAGE, 20_000) for id_ in page]
    assert found == [one.decision_id for one in every]
    held = [id_ for page in pages(house, Wanted(group=Group.CAMPAIGN_HOLDOUT), PAGE, 500) for id_ in page]
    assert held == [one.decision_id for one in every if one.group is Group.CAMPAIGN_HOLDOUT]
