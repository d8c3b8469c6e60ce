"""Where what happens is not what the strategy asks for; what people are asked to read; what each version changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import NotFound
from optimizer.services.auditing import trail
from optimizer.services.documents.editions import comparison, edition, editions
from optimizer.services.outcomes.quarantine import piles
from optimizer.services.oversight import steering
from optimizer.services.oversight.reviewing import agenda
from optimizer.services.oversight.surveying import violations

Edited = Callable[..., dict[str, str]]


def asked(house: Any, use_case: Callable[..., Any], *args: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        return use_case(ledger, house.deployment.live, *args, house.now)


def with_people(files: Mapping[str, str], edited: Edited) -> dict[str, str]:
    """Documents under which people have to look, and have little time."""
    more = "review: {every: P14D, when_overdue: freeze}\ncapacity: {approvals_per_week: 2}\nholdout: {share: 0.05}"
    files = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    return edited(files, "strategy.yaml", ("holdout: {share: 0.05}", more))


def test_a_strategy_that_holds_has_no_violations(sqlite_house: Any) -> None:
    assert asked(sqlite_house, violations) == ()


def test_a_paused_variant_is_one_with_its_reason(sqlite_house: Any) -> None:
    with sqlite_house.deployment.store.writing() as ledger:
        steering.pause_variant(
            ledger, sqlite_house.deployment.live, "winback", "hello", actor="ann", note="a typo", now=sqlite_house.now
        )
    (one,) = asked(sqlite_house, violations)
    assert (one.rule, one.campaign_id, one.sentence) == ("guardrail_metrics", "winback", "hello is paused: ann: a typo")


def test_overdue_reviews_and_too_many_words_are_violations(
    sqlite_house: Any, files: Mapping[str, str], edited: Edited
) -> None:
    sqlite_house.apply(with_people(files, edited))
    sqlite_house.later(15 * DAY)
    found = asked(sqlite_house, violations)
    assert [one.campaign_id for one in found if one.rule == "review"] == ["members", "newsletter", "winback"]
    assert all(one.since is not None and one.since <= sqlite_house.now for one in found if one.rule == "review")
    (capacity,) = [one for one in found if one.rule == "capacity"]
    assert "messages wait for approval" in capacity.sentence


def test_reports_in_quarantine_are_a_violation_of_hygiene(sqlite_house: Any) -> None:
    sqlite_house.record(sqlite_house.report("nothing-of-ours"))
    (one,) = asked(sqlite_house, violations)
    assert (one.rule, one.sentence[:25]) == ("hygiene", "1 report waits in quarant")


def test_the_agenda_has_what_is_due_first_and_the_words_that_wait(
    sqlite_house: Any, files: Mapping[str, str], edited: Edited
) -> None:
    sqlite_house.apply(with_people(files, edited))
    sqlite_house.approve("winback", "hello")
    sqlite_house.later(HOUR)
    with sqlite_house.deployment.store.writing() as ledger:
        steering.review(
            ledger, sqlite_house.deployment.live, "members", actor="ann", note="looked", now=sqlite_house.now
        )
    found = asked(sqlite_house, agenda)
    assert [one.campaign_id for one in found.reviews] == ["newsletter", "winback", "members"]
    assert not any(one.overdue for one in found.reviews)
    assert (found.approved, found.approvals_per_week, found.every) == (1, 2, 14 * DAY)
    waiting = [(one.campaign_id, one.message.id) for one in found.unread]
    assert ("winback", "hello") not in waiting
    assert ("winback", "ten-percent") in waiting
    long = next(one for one in found.unread if one.message.id == "long")
    assert list(long.variants) == ["long:morning", "long:evening"]
    assert found.too_much
    sqlite_house.later(14 * DAY)
    assert [one.overdue for one in asked(sqlite_house, agenda).reviews] == [True, True, True]


def test_there_is_no_agenda_without_documents(
    deploy: Callable[..., Any], new_database: Callable[[str], str], make_house: Callable[..., Any]
) -> None:
    empty = make_house(deploy(new_database("sqlite")))
    assert asked(empty, agenda) is None
    assert asked(empty, violations) == ()


def test_versions_are_listed_newest_first_and_compared(house: Any, files: Mapping[str, str], edited: Edited) -> None:
    house.later()
    changed = edited(files, "campaigns/winback.yaml", ("We saved you 10%", "Ten percent off"))
    house.apply(changed, note="kinder")
    with house.deployment.store.reading() as ledger:
        listed = editions(ledger)
        assert [(one.version, one.actor, one.note) for one in listed] == [
            (2, "tester", "kinder"),
            (1, "tester", "test"),
        ]
        found = comparison(ledger, 2, 1)
        assert [one.path for one in found.files] == ["campaigns/winback.yaml"]
        lines = found.files[0].lines
        assert [line[0] for line in lines if line[0] in "+-"] == ["-", "+"]
        assert any(line.startswith("+") and "Ten percent off" in line for line in lines)
        assert any("Ten percent off" in sentence for sentence in found.sentences)
        new = comparison(ledger, 1, 0)
        assert next(one.path for one in new.files) == "strategy.yaml"
        assert all(line[0] in "+@" for one in new.files for line in one.lines)
        assert edition(ledger, 1).files == dict(files)
        for version in (0, 3):
            with pytest.raises(NotFound, match=f"strategy version: found {version}"):
                edition(ledger, version)


def test_quarantine_is_piled_by_cause_the_largest_first(sqlite_house: Any) -> None:
    (answer,) = sqlite_house.learning(1)
    sqlite_house.record(*(sqlite_house.report(f"stray-{n}", "opened" if n else "clicked") for n in range(7)))
    sqlite_house.record(
        sqlite_house.report(answer.decision.decision_id, occurred_at=sqlite_house.now + 3 * DAY, event_id="early")
    )
    found = asked(sqlite_house, piles)
    assert (found.waiting, found.looked_at) == (8, 8)
    first, second = found.piles
    assert (first.cause.id, first.reports, len(first.examples)) == ("unknown-decision", 7, 5)
    assert list(first.kinds) == ["opened", "clicked"]
    assert (second.cause.id, list(second.event_ids)) == ("impossible-time", ["early"])


def test_the_trail_of_an_honest_house_is_intact(sqlite_house: Any) -> None:
    assert asked(sqlite_house, trail).intact
