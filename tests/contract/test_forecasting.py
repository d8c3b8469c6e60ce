"""Forecasts from a ledger: what is known of the past, limits of the documents, and what cannot be said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import NotFound
from optimizer.services.decisions.deciding import Answer
from optimizer.services.forecasts.forecasting import CampaignForecast, forecast
from optimizer.services.oversight import steering
from optimizer.web.shapes.forecast_answers import ForecastOut, forecast_json

CONTROL = "control: {message: hello}\n"
HOLDOUT = "holdout: {share: 0.1}\n"
APPROVAL = "approval: {required: false}\n"
PRICED = (APPROVAL, f"{APPROVAL}channels: {{email: {{cost: 0.10 USD}}}}\n")


def forecasted(house: Any, days: int | None = None, campaign: str = "winback") -> CampaignForecast:
    with house.deployment.store.reading() as ledger:
        return forecast(ledger, house.deployment.live, campaign, house.now, days)


def a_day(house: Any, day: int, n: int = 20, bought: int = 4) -> None:
    """Decisions of one day, purchases an hour later, and learning in the evening."""
    answers = house.decide(*[house.request(f"{day}-{i}", attributes={"days": 100}) for i in range(n)])
    at = house.now + HOUR
    house.later(HOUR)
    sent = [one.decision.decision_id for one in answers if isinstance(one, Answer) and one.decision.variant_id]
    house.record(*[house.report(decision_id, occurred_at=at) for decision_id in sent[:bought]])
    house.learn()
    house.later(DAY - HOUR)


@pytest.fixture
def running(sqlite_house: Any) -> Any:
    """Ten days of twenty decisions."""
    for day in range(10):
        a_day(sqlite_house, day)
    return sqlite_house


def test_a_forecast_goes_on_from_what_the_ledger_knows(running: Any) -> None:
    found = forecasted(running)
    assert found.unknown == ""
    assert len(found.days) == 28
    assert [day.decisions for day in found.history[:-1]] == [20.0] * 10
    assert found.history[-1].decisions == 0.0  # today has only begun
    middle = found.decisions.expected[3]
    assert middle.low95 <= 20.0 <= middle.high95
    assert found.decisions_in_all is not None
    assert 28 * 14 < found.decisions_in_all.median < 28 * 27
    assert found.reward_so_far == pytest.approx(40.0)
    assert found.reward_in_all is not None
    assert found.reward_in_all.low95 > 40.0
    assert found.reward_in_all.median == pytest.approx(40.0 + 28 * 4, rel=0.35)
    assert found.spend is None  # nothing costs anything
    assert found == forecasted(running)  # whoever asks again within the hour
    assert (len(forecasted(running, 5).days), forecasted(running, 5).last) == (5, "5 days, as asked")
    said = json.loads(json.dumps(forecast_json(found)))
    ForecastOut.model_validate(said)
    assert said["as_of"].endswith("Z")
    assert len(said["reward"]["expected"]) == 28
    with running.deployment.store.writing(alone=True) as ledger:
        steering.stop(ledger, running.deployment.live, "winback", actor="ann", note="over", now=running.now)
    assert forecasted(running).unknown == "the campaign is stopped: nothing is sent any more"
    with pytest.raises(NotFound):
        forecasted(running, campaign="nobody")


def test_where_each_outcome_counts_so_do_those_to_come(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    house.apply(
        edited(files, "strategy.yaml", ("{outcome: purchase, value: first}", "{outcome: purchase, value: count}"))
    )
    for day in range(10):
        answers = house.decide(*[house.request(f"{day}-{i}", attributes={"days": 100}) for i in range(20)])
        house.later(HOUR)
        sent = [one.decision.decision_id for one in answers if isinstance(one, Answer) and one.decision.variant_id]
        house.record(*[house.report(bought, occurred_at=house.now) for bought in sent[:4] for _ in range(3)])
        house.learn()
        house.later(DAY - HOUR)
    found = forecasted(house)
    assert found.reward_so_far == pytest.approx(120.0)
    assert found.reward_in_all is not None
    assert found.reward_in_all.median == pytest.approx(120.0 + 28 * 12, rel=0.35)


def test_before_anything_came_nothing_is_said_unless_people_expect_something(
    sqlite_house: Any, files: Any, edited: Any
) -> None:
    found = forecasted(sqlite_house)
    assert found.unknown.startswith("no whole day of traffic is known yet")
    assert (found.days, found.decisions_in_all, found.answers) == ((), None, ())
    ForecastOut.model_validate(forecast_json(found))
    expects = (CONTROL, f"{CONTROL}expects: {{decisions_per_day: 500, success_rate: 0.1}}\n")
    sqlite_house.apply(edited(files, "campaigns/winback.yaml", expects))
    found = forecasted(sqlite_house, 7)
    assert found.decisions_in_all is not None
    assert found.decisions_in_all.low95 < 7 * 500 < found.decisions_in_all.high95
    assert "500 decisions a day, as the campaign expects" in found.assumed[0]
    assert "say too little yet" in found.answers[0].sentence


def test_a_pause_says_nothing_about_traffic(sqlite_house: Any) -> None:
    house = sqlite_house
    for day in range(10):
        a_day(house, day)
    with house.deployment.store.writing(alone=True) as ledger:
        steering.pause(ledger, house.deployment.live, "winback", actor="ann", note="legal", now=house.now)
    house.later(9 * DAY)
    found = forecasted(house, 7)
    assert {day.known for day in found.history[1:10]} == {1.0}
    assert {day.known for day in found.history[11:-1]} == {0.0}
    assert found.decisions_in_all is not None
    assert 70 < found.decisions_in_all.median < 220
    assert any("while it is paused, nothing is sent" in sentence for sentence in found.assumed)


def test_money_never_crosses_the_limit_of_the_documents(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    limited = edited(files, "campaigns/winback.yaml", (CONTROL, f"{CONTROL}budget: {{total: 40 USD}}\n"))
    house.apply(edited(limited, "strategy.yaml", PRICED))
    for day in range(10):
        a_day(house, day)
    found = forecasted(house)
    assert found.spend is not None
    assert found.limit == 40.0
    assert max(one.high95 for one in found.spend.expected) <= 40.0 + 1e-6
    (budget,) = found.budgets
    assert budget.used == pytest.approx(sum(day.settled + day.reserved for day in found.history))
    assert budget.ends.probability == 1.0
    assert budget.ends.early is not None
    assert found.days[0] < budget.ends.early <= (budget.ends.late or "")
    assert "used up about" in budget.sentence


def test_a_campaign_that_ends_is_not_forecast_beyond_its_end(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    house.apply(edited(files, "campaigns/winback.yaml", (CONTROL, f"{CONTROL}ends: 2026-10-10T00:00:00Z\n")))
    for day in range(8):
        a_day(house, day)
    found = forecasted(house)
    assert found.days[-1] == "2026-10-10"  # in London it ends at one in the morning
    assert found.decisions.expected[-1].median > 0  # callers may go on asking
    assert found.reward.expected[-1].median == pytest.approx(found.reward.expected[-2].median, abs=3.0)
    house.later(30 * DAY)
    assert forecasted(house).unknown == "the campaign has ended"


def test_what_the_database_sums_is_what_the_rows_say(house: Any) -> None:
    for day in range(2):
        a_day(house, day)
    with house.deployment.store.reading() as ledger:
        commitments = list(ledger.commitments.stream())
        outlays = ledger.outlays.by_hour(0, campaign_id="winback")
        hours = ledger.hourly_sums.of_campaign("winback", "decided", 0, house.now)
        assert ledger.outlays.by_hour(0, campaign_id="members") == ()
        assert ledger.outlays.by_hour(0, channel="email") == outlays
        assert ledger.outlays.by_hour(outlays[0].hour + 2 * HOUR) == outlays[1:]
        assert ledger.hourly_sums.of_campaign("winback", "decided", 0, hours[0].bucket) == ()
    assert sum(one.sends for one in outlays) == len(commitments)
    assert [one.n for one in hours] == [20, 20]


def test_those_held_out_bring_nothing_more_of_days_on_which_nothing_was_sent(
    sqlite_house: Any, files: Any, edited: Any
) -> None:
    house = sqlite_house
    house.apply(
        edited(files, "campaigns/winback.yaml", (CONTROL, "control: nothing\n"), (HOLDOUT, "holdout: {share: 0.5}\n"))
    )
    for day in range(10):
        answers = house.decide(*[house.request(f"{day}-{i}", attributes={"days": 100}) for i in range(20)])
        house.later(HOUR)
        house.record(*[house.report(one.decision.decision_id, occurred_at=house.now) for one in answers[:8]])
        house.learn()
        house.later(DAY - HOUR)
    with house.deployment.store.writing(alone=True) as ledger:
        steering.pause(ledger, house.deployment.live, "winback", actor="ann", note="legal", now=house.now)
    for day in range(10, 20):
        house.decide(*[house.request(f"{day}-{i}", attributes={"days": 100}) for i in range(20)])
        house.later(DAY)
    coming = forecasted(house, 7).reward_maturing
    assert coming is not None
    assert (coming.median, coming.high95) == (0.0, 0.0)
