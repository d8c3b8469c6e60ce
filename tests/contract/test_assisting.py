"""What people offered: what may be reported of it, and how their choices did beside the policy's."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.domain.instants import DAY
from optimizer.errors import Conflict, NotFound
from optimizer.services.decisions.deciding import Answer
from optimizer.services.oversight import steering
from optimizer.services.reports.assisting import choices, offered, offers


def chosen(house: Any, variant: str, n: int) -> list[Answer]:
    """Choices of a person for customers who are in no holdout."""
    found: list[Answer] = []
    place = 0
    while len(found) < n:
        (answer,) = house.decide(house.request(f"caller-{variant}-{place}", "call", chosen=variant, actor="ann"))
        found += [answer] if isinstance(answer, Answer) and answer.decision.actor == "ann" else []
        place += 1
    return found


def asked(house: Any, use_case: Any, *args: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        return use_case(ledger, house.deployment.live, *args)


def test_a_choice_is_shown_with_its_words_and_what_may_come_of_it(sqlite_house: Any) -> None:
    (answer,) = chosen(sqlite_house, "hello", 1)
    found = asked(sqlite_house, offered, "winback", answer.decision.decision_id)
    assert found.variant is not None
    assert found.variant.message.subject == "How are you"
    assert [one.kind for one in found.kinds] == ["purchase", "clicked"]
    assert [one.currency for one in found.kinds] == [None, None]
    sqlite_house.recorded(answer.decision.decision_id, "purchase")
    found = asked(sqlite_house, offered, "winback", answer.decision.decision_id)
    assert [one.kind for one in found.outcomes] == ["purchase"]


def test_a_decision_that_nobody_chose_is_no_offer(sqlite_house: Any) -> None:
    (drawn,) = sqlite_house.learning(1)
    (mine,) = chosen(sqlite_house, "hello", 1)
    for campaign, decision in (("winback", drawn), ("newsletter", mine)):
        with pytest.raises(Conflict, match="allowed a choice that a person recorded"):
            asked(sqlite_house, offered, campaign, decision.decision.decision_id)
    with pytest.raises(NotFound, match="decision_id"):
        asked(sqlite_house, offered, "winback", "nothing")


def test_choices_of_people_stand_beside_the_policys_and_apart_from_them(house: Any) -> None:
    for answer in chosen(house, "hello", 4)[:3]:
        house.recorded(answer.decision.decision_id, "purchase")
    house.learning(10)
    before = house.statistics()
    found = asked(house, choices, "winback", house.now)
    (side,) = found.sides
    assert (side.segment_id, side.people.trials, side.people.positives) == ("everyone-else", 4, 3)
    assert (side.policy.trials, side.policy.positives) == (10, 0)
    assert side.people.low < side.people.rate < side.people.high
    assert (found.outcome, "too few to compare" in found.sentence) == ("purchase", True)
    assert house.trials()[:2] == (10, 0)
    assert before == house.statistics()


def test_offers_are_found_among_many_decisions_newest_first_and_pins_are_none(house: Any) -> None:
    first = chosen(house, "hello", 2)
    house.later(DAY)
    with house.deployment.store.writing() as ledger:
        steering.pin(ledger, house.deployment.live, "winback", "hello", actor="ann", note="for all", now=house.now)
    house.decided("pinned-for")
    with house.deployment.store.writing() as ledger:
        steering.unpin(ledger, house.deployment.live, "winback", actor="ann", note="enough", now=house.now)
    house.learning(5)
    (last,) = chosen(house, "ten-percent", 1)
    house.recorded(last.decision.decision_id, "purchase", after=DAY)
    found = asked(house, offers, "winback", house.now)
    assert found[0].decision == last.decision
    assert [one.kind for one in found[0].outcomes] == ["purchase"]
    assert {one.decision.decision_id for one in found[1:]} == {one.decision.decision_id for one in first}


def test_nothing_is_compared_before_anybody_chose(sqlite_house: Any) -> None:
    sqlite_house.learning(2)
    found = asked(sqlite_house, choices, "winback", sqlite_house.now)
    assert found.sides == []
    assert found.sentence == "Nobody has recorded a choice that counts yet."
