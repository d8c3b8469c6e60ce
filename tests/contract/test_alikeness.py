"""Recipients who come back widen the intervals of reports, pages and reviews as they widen those of the measurement."""

from __future__ import annotations

import random
from math import isnan
from typing import Any, NamedTuple

import pytest

from optimizer.domain.instants import DAY, HOUR, isoformat
from optimizer.insights.measures.alikeness import NOT_LOOKED_AT, Alikeness
from optimizer.insights.measures.measurement import CampaignMeasurement
from optimizer.insights.weekly.found import Lift as WeeklyLift
from optimizer.services.learning.alikeness import alikeness
from optimizer.services.measures.measuring import measured
from optimizer.services.proposing.keeping import keep, made
from optimizer.services.reports.dossier import dossier
from optimizer.services.reports.overviewing import Lift, lifts
from optimizer.services.reports.reporting import CampaignReport, report
from optimizer.services.reports.tabulating import groups_table, variants_table
from optimizer.services.reports.weekly import weekly_review
from optimizer.web.shapes.report_answers import ReportOut, report_json

MEMBERS = "members"
TIMES = 5  # decisions of each recipient who comes back


class Seen(NamedTuple):
    """What each place says of the same campaign at the same instant."""

    measured: CampaignMeasurement
    report: CampaignReport
    overview: Lift
    weekly: WeeklyLift


def lived(house: Any, *, people: int, times: int) -> None:
    """Each recipient answers always or never, so that of several trials the first says everything."""
    chance = random.Random(3)
    tastes = [chance.random() for _ in range(people)]
    for day in range(times):
        answers = house.decide(
            *[house.request(f"p{one}", f"d{day}", MEMBERS, attributes={"vip": True}) for one in range(people)]
        )
        told = []
        for taste, answer in zip(tastes, answers, strict=True):
            one, held = answer.decision, answer.decision.variant_id is None
            if not held:
                told.append(house.report(one.decision_id, "opened", occurred_at=house.now + HOUR))
            if taste < (0.2 if held else 0.45):
                told.append(house.report(one.decision_id, "clicked", occurred_at=house.now + 2 * HOUR))
        house.later(3 * HOUR)
        house.record(*told)
        house.later(DAY - 3 * HOUR)
    house.later(8 * DAY)


def look(house: Any) -> float:
    """Ask the evidence what it suggests, as a serving process does once a day; the design effect it noted."""
    with house.deployment.store.writing(alone=True) as ledger:
        keep(ledger, house.deployment.live, made(ledger, house.deployment.live, MEMBERS, house.now), house.now)
        return float(ledger.proposals.rounds()[MEMBERS].design)


def seen(house: Any) -> Seen:
    live, now = house.deployment.live, house.now
    with house.deployment.store.reading() as ledger:
        (weekly,) = [one for one in weekly_review(ledger, live, None, now).campaigns if one.campaign_id == MEMBERS]
        assert weekly.lift is not None
        return Seen(
            measured(ledger, live, MEMBERS, now),
            report(ledger, live, MEMBERS, now),
            lifts(ledger, live, now)[MEMBERS],
            weekly.lift,
        )


def ends(found: Seen) -> list[tuple[float, float]]:
    """The interval of the lift in each place; that of the measurement first."""
    so_far = found.measured.lift.so_far
    assert so_far is not None
    assert found.report.lift is not None
    of_report = found.report.lift.found.anytime_interval()
    assert not isnan(of_report[0])
    places = [(one.low, one.high) for one in (found.overview, found.weekly)]
    return [(so_far.low, so_far.high), of_report, *[(low, high) for low, high in places if low and high]]


def test_intervals_are_those_of_the_measurement_once_somebody_has_looked(house: Any) -> None:
    lived(house, people=220, times=TIMES)
    before = seen(house)
    widest, *others = ends(before)
    assert len(others) == 3
    for low, high in others:
        assert high - low < 0.6 * (widest[1] - widest[0]), "every trial is taken for somebody else's"
    assert [one.alike for one in (before.report, before.overview, before.weekly)] == [Alikeness()] * 3

    design = look(house)
    assert design == pytest.approx(TIMES, rel=0.2)
    after = seen(house)
    assert [one.alike for one in (after.report, after.overview, after.weekly)] == [Alikeness(design, house.now)] * 3
    for end in ends(after):
        assert end == pytest.approx(widest, rel=1e-9)
    variants = {one.variant_id: one for one in after.measured.variants}
    told = [one for segment in after.report.segments for one in segment.variants if one.difference is not None]
    assert told
    for one in told:
        compared = variants[one.variant_id].compared
        assert compared is not None
        assert compared.design == design
        assert one.difference is not None
        assert one.difference.found.standard_error == pytest.approx(compared.found.standard_error)


def test_differences_of_recipients_who_come_once_are_what_they_were(sqlite_house: Any) -> None:
    lived(sqlite_house, people=400, times=1)
    before = seen(sqlite_house)
    assert look(sqlite_house) == pytest.approx(1.0)
    after = seen(sqlite_house)
    for one, other in zip(ends(before), ends(after), strict=True):
        assert other == pytest.approx(one)
    assert after.report.caution == ""
    assert before.report.caution == NOT_LOOKED_AT


def test_what_was_seen_of_less_than_half_the_trials_does_not_count(sqlite_house: Any) -> None:
    lived(sqlite_house, people=40, times=2)
    design = look(sqlite_house)
    with sqlite_house.deployment.store.reading() as ledger:
        trials = ledger.proposals.rounds()[MEMBERS].seen
        assert alikeness(ledger, MEMBERS, 2 * trials).design == design
        assert alikeness(ledger, MEMBERS, 2 * trials + 1) == Alikeness()
        assert alikeness(ledger, "winback", 0) == Alikeness()


def test_pages_tables_and_answers_for_machines_say_what_was_made_of_it(sqlite_house: Any) -> None:
    house, live = sqlite_house, sqlite_house.deployment.live
    lived(house, people=220, times=TIMES)
    for looked in (False, True):
        design = look(house) if looked else None
        with house.deployment.store.reading() as ledger:
            found = report(ledger, live, MEMBERS, house.now)
            page = dossier(ledger, live, MEMBERS, house.now).report
            tables = [make(ledger, live, MEMBERS, house.now) for make in (variants_table, groups_table)]
        said = report_json(found)
        ReportOut.model_validate(said)
        assert (said["design"], said["design_as_of"]) == (design, isoformat(house.now) if looked else None)
        for table in tables:
            assert set(table.filter(table["difference"].is_not_null())["design"]) == {design}
        assert page.alike == found.alike
        assert page.lift == found.lift
        assert ("as those of as many different recipients" in page.caution) is looked
        assert (page.caution == NOT_LOOKED_AT) is not looked
