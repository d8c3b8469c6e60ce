"""Ledgers of an earlier release: what it did not count is counted once, when one is opened, and never again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from optimizer.domain.instants import DAY, HOUR
from optimizer.services.learning.catching_up import COUNTED, catch_up, is_behind

STATISTICS = SQLModel.metadata.tables["statistics"]
REVISIONS = SQLModel.metadata.tables["revisions"]


def as_of_the_first_release(house: Any) -> None:
    """Take out of the statistics what that release did not count."""
    with house.deployment.store.engine.begin() as connection:
        connection.execute(sa.delete(STATISTICS).where(STATISTICS.c.metric.like("delay:%")))
        connection.execute(sa.delete(REVISIONS).where(REVISIONS.c.name == COUNTED))


def caught_up(house: Any) -> int:
    with house.deployment.store.writing(alone=True) as ledger:
        return catch_up(ledger, house.deployment.live)


def test_what_an_earlier_release_did_not_count_is_counted_once(house: Any) -> None:
    house.apply()
    ids = [answer.decision.decision_id for answer in house.learning(6)]
    house.later(2 * DAY)
    for number, decision_id in enumerate(ids[:4]):
        house.recorded(decision_id, after=(1 + 5 * number) * HOUR)
    assert house.verify().clean
    as_of_the_first_release(house)
    assert not house.verify().clean
    assert caught_up(house) == 4
    assert house.verify().clean
    assert caught_up(house) == 0
    with house.deployment.store.reading() as ledger:
        assert not is_behind(ledger)


def test_an_empty_ledger_is_up_to_date_once_it_is_opened(house: Any) -> None:
    with house.deployment.store.reading() as ledger:
        assert not is_behind(ledger)
    assert caught_up(house) == 0
