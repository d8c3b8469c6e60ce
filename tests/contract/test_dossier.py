"""A campaign's dossier, on both databases: wide sums say what all of them say, and every part follows the ledger."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optimizer.deployment import Deployment
from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.statistics import DECIDED, Cell, Sums, Tally
from optimizer.engine.watching import watched
from optimizer.errors import NotFound
from optimizer.insights.guardrail_rates import guardrail_rates
from optimizer.policy.beta_bernoulli import BetaPosterior
from optimizer.services.oversight.steering import pause_variant, review
from optimizer.services.reports import campaign_sums as sums_module
from optimizer.services.reports.campaign_sums import campaign_sums
from optimizer.services.reports.dossier import HOLDOUT, LEARNING, Dossier, dossier
from optimizer.services.reports.illustrating import Illustrated, illustrated
from optimizer.services.reports.leaderboards import Sort, leaderboard
from optimizer.services.reports.reporting import report
from optimizer.settings import Settings
from optimizer.storage.readings import FOR_EVER, day_of

METRICS = (
    "approval: {required: false}\n",
    "approval: {required: false}\n"
    "guardrail_metrics:\n"
    "  - {outcome: unsubscribed, at_most: 0.02, then: pause_variant}\n"
    "  - {outcome: complained, at_most: 0.01, then: alert}\n",
)
BUDGET = (
    "holdout: {share: 0.1}\n",
    "holdout: {share: 0.1}\nstarts: 2026-09-01\nends: 2027-01-01\n"
    'budget: {total: "60 USD", per: month, pacing: even}\n',
)
COSTS = ("holdout: {share: 0.05}\n", 'holdout: {share: 0.05}\nchannels:\n  email: {cost: "0.01 USD"}\n')


def opened(house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Any:
    """Three days of decisions in two segments, with purchases, unsubscribes, costs and a paced budget."""
    documents = edited(edited(files, "strategy.yaml", METRICS, COSTS), "campaigns/winback.yaml", BUDGET)
    house.apply(documents, note="with limits")
    chance = random.Random(7)
    for day in range(3):
        wanted = [{"attributes": {"country": "US"} if i % 3 else {"days": 120}} for i in range(80)]
        answers = house.decide(*[house.request(f"{day}-{i}", **rest) for i, rest in enumerate(wanted)])
        sent = [answer.decision for answer in answers if answer.decision.variant_id]
        at = house.now + HOUR
        reports = [house.report(one.decision_id, occurred_at=at) for one in sent if chance.random() < 0.3]
        reports += [
            house.report(one.decision_id, "unsubscribed", occurred_at=at)
            for one in sent
            if one.variant_id == "new-arrivals" and chance.random() < 0.3
        ]
        house.later(DAY)
        house.record(*reports)
    house.learn()
    return house


@pytest.fixture
def own_shop(house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Any:
    """The shop on each database, for a test alone."""
    return opened(house, files, edited)


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory,
    make_house: Callable[..., Any],
    files: Mapping[str, str],
    edited: Callable[..., dict[str, str]],
) -> Iterator[Any]:
    """The shop on SQLite, for all tests that only look at it."""
    deployment = Deployment(tmp_path_factory.mktemp("shop"), Settings(actor="tester"))
    try:
        yield opened(make_house(deployment), files, edited)
    finally:
        deployment.close()


def read(house: Any, use_case: Callable[..., Any] = dossier, campaign: str = "winback") -> Any:
    with house.deployment.store.reading() as ledger:
        return use_case(ledger, house.deployment.live, campaign, house.now)


def test_wide_sums_give_the_report_that_all_of_them_give(own_shop: Any) -> None:
    for waited in (6, 2):  # some days still mature; then some are past
        own_shop.later(waited * DAY)
        with own_shop.deployment.store.reading() as ledger:
            live = own_shop.deployment.live
            tactic = live.at(ledger).tactic("winback")
            wide = campaign_sums(ledger, live, tactic, own_shop.now)
            whole = list(ledger.statistics.of_campaign("winback"))
            by_all, by_wide = (report(ledger, live, "winback", own_shop.now, cells) for cells in (None, wide.cells))
        assert len(wide.cells) < len(whole)
        assert by_all.outcomes == by_wide.outcomes
        for one, other in zip(by_all.segments, by_wide.segments, strict=True):
            assert (one.learning, one.holdout, one.lift) == (other.learning, other.holdout, other.lift)
            for left, right in zip(one.variants, other.variants, strict=True):
                assert (left.rate, left.matured, left.difference) == (right.rate, right.matured, right.difference)
                values = [-1.0 if each is None else each.value for each in (left.at_maturity, right.at_maturity)]
                assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_of_a_large_campaign_the_past_is_read_once_and_the_present_each_time(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = shop.now + 8 * DAY
    monkeypatch.setattr(sums_module, "LARGE", 1)
    reads: list[tuple[int, int]] = []
    actual = sums_module._read

    def counted(*args: Any, **rest: Any) -> Any:
        reads.append((rest.get("since", 0), rest.get("until", 0)))
        return actual(*args, **rest)

    monkeypatch.setattr(sums_module, "_read", counted)
    with shop.deployment.store.reading() as ledger:
        live = shop.deployment.live
        tactic = live.at(ledger).tactic("winback")
        first = campaign_sums(ledger, live, tactic, now)
        again = campaign_sums(ledger, live, tactic, now + HOUR // 6)
        assert len(reads) == 3, "past, present, present"
        later = campaign_sums(ledger, live, tactic, now + HOUR)
        assert len(reads) == 5, "after a quarter of an hour the past is read anew"
    for other in (again, later):
        assert tally(other.cells) == tally(first.cells)


def tally(cells: Any) -> dict[Any, Sums]:
    summed = Tally()
    summed.add((cell._replace(bucket=0), sums) for cell, sums in cells)
    return dict(summed)


def test_days_are_those_of_the_strategys_clocks_even_when_they_are_changed(house: Any) -> None:
    zone = ZoneInfo("America/New_York")
    # 2026-11-01: New York's clocks go back at 06:00 UTC; its day has 25 hours, from 04:00 UTC to 05:00 UTC.
    midnight = 1_793_491_200_000_000
    with house.deployment.store.writing(alone=True) as ledger:
        for hour in range(-24, 49):
            cell = Cell("winback", "lapsed", "hello", "h", "learning", DECIDED, midnight + hour * HOUR)
            ledger.statistics.pending.add([(cell, Sums(1, 0, 0, 0))])
    with house.deployment.store.reading() as ledger:
        rows = ledger.readings.days("winback", (DECIDED,), zone, midnight - DAY, midnight + 3 * DAY)
    found = {day_of(row.day).isoformat(): row.sums.n for row in rows}
    assert found == {"2026-10-30": 4, "2026-10-31": 24, "2026-11-01": 25, "2026-11-02": 20}


def test_wide_buckets_lose_nothing_and_only_what_is_asked_for_is_read(own_shop: Any) -> None:
    with own_shop.deployment.store.reading() as ledger:
        whole = [(c, s) for c, s in ledger.statistics.of_campaign("winback") if c.metric in {DECIDED, "reward:buy"}]
        cells, rows = ledger.readings.cells("winback", {DECIDED: FOR_EVER, "reward:buy": DAY})
        some, _ = ledger.readings.cells("winback", {"decide%": FOR_EVER})
    assert rows == len(whole)
    assert tally(cells) == tally(whole)
    assert {cell.bucket % DAY for cell, _ in cells} == {0}
    assert {cell.bucket for cell, _ in cells if cell.metric == DECIDED} == {0}
    assert some == [], "what looks like a pattern is none"


def test_the_rates_shown_are_those_by_which_guardrails_act(shop: Any) -> None:
    found: Dossier = read(shop)
    (breached,) = [rate for rate in found.rates if rate.breached]
    assert (breached.outcome, breached.variant_id) == ("unsubscribed", "new-arrivals")
    assert "new-arrivals" in found.standing.paused
    with shop.deployment.store.reading() as ledger:
        tactic = shop.deployment.live.at(ledger).tactic("winback")
        cells = list(ledger.statistics.of_campaign("winback"))
    _, done = watched(tactic, UNTOUCHED, cells, shop.now)
    (pause,) = [one for one in done if one.action == "pause"]
    assert f"unsubscribed {breached.events} of {breached.exposures} " in pause.sentence
    assert breached.rate is not None
    assert breached.low < breached.rate < breached.high
    (alert,) = [rate for rate in found.rates if rate.outcome == "complained"]
    assert (alert.variant_id, alert.events, alert.breached) == (None, 0, False)


def test_what_somebody_has_answered_for_counts_no_more(shop: Any) -> None:
    with shop.deployment.store.reading() as ledger:
        tactic = shop.deployment.live.at(ledger).tactic("winback")
    asked: list[int] = []

    def counted_since(since: int) -> list[tuple[Cell, Sums]]:
        asked.append(since)
        return []

    controls = type(UNTOUCHED)(watched_since={"new-arrivals": 50, "outcome/complained": 70})
    rates = guardrail_rates(tactic, controls, counted_since)
    assert sorted(asked) == [0, 50, 70]
    assert {(rate.variant_id, rate.since) for rate in rates if rate.since} == {("new-arrivals", 50), (None, 70)}


def test_what_earlier_words_did_counts_for_the_campaign_but_not_for_the_variant(shop: Any) -> None:
    with shop.deployment.store.reading() as ledger:
        tactic = shop.deployment.live.at(ledger).tactic("winback")
    before = [
        (Cell("winback", "lapsed", "hello", "earlier words", "learning", metric, 0), Sums(50, 40, 0, 0))
        for metric in ("reward:buy", "outcome:unsubscribed", "outcome:complained")
    ]
    rates = {(one.outcome, one.variant_id): one for one in guardrail_rates(tactic, UNTOUCHED, lambda _: before)}
    assert (rates["unsubscribed", "hello"].exposures, rates["unsubscribed", "hello"].rate) == (0, None)
    assert (rates["complained", None].events, rates["complained", None].exposures) == (40, 50)


def test_a_dossier_says_everything_and_can_be_handed_on(own_shop: Any) -> None:
    found: Dossier = read(own_shop)
    assert pickle.loads(pickle.dumps(found)).sentence == found.sentence
    assert found.sentence.endswith(".")
    assert " of 60.00 spent, " in found.sentence
    assert found.numbers == {"ten-percent": 1, "new-arrivals": 2, "hello": 0}
    decided, exposed, *_, rewarded = found.funnel.steps
    assert decided.learning > exposed.learning * 0.9 > 0
    assert rewarded.learning == sum(segment.learning.positives for segment in found.report.segments)
    assert rewarded.holdout == sum(segment.holdout.positives for segment in found.report.segments)
    assert [step.name for step in found.funnel.unwanted] == ["unsubscribed", "complained"]
    assert set(found.means) == {LEARNING, HOLDOUT}
    assert sum(day.trials for day in found.means[LEARNING]) == exposed.learning
    assert found.maturing_from == found.means[LEARNING][0].day, "no window of seven days is over"


def test_courses_are_shares_of_what_was_sent_and_end_with_what_is_in_force(shop: Any) -> None:
    found: Dossier = read(shop)
    american = next(course for course in found.courses if course.segment_id == "american")
    assert american.at[-1] == shop.now
    assert len(american.at) == 4
    for place in range(len(american.at)):
        assert sum(shares[place] for shares in american.shares.values()) + american.withheld[place] == pytest.approx(1)
    assert american.shares["new-arrivals"][0] > 0.0
    assert american.shares["new-arrivals"][-1] == 0.0, "it is paused now"
    assert all(0.0 <= one <= 1.0 for one in american.exploring)
    assert 0.0 < max(found.held_out.share) < 0.5


def test_spend_keeps_to_its_plan_and_its_course_ends_where_the_meter_stands(shop: Any) -> None:
    found: Dossier = read(shop)
    own = found.spend_lines[0]
    assert (own.own, own.whose, own.limit) == (True, "this campaign", 60_000_000)
    assert own.plan is not None
    assert 0.0 < own.plan < 60.0
    course = read(shop, illustrated).spend_course
    assert course.in_use[-1] == pytest.approx((own.reserved + own.settled) / 1e6)
    assert list(course.in_use) == sorted(course.in_use)
    assert course.plan[-1] == course.limit == 60.0


def test_events_are_the_campaigns_own_and_say_who_and_why(sqlite_house: Any) -> None:
    live, at = sqlite_house.deployment.live, sqlite_house.now
    with sqlite_house.deployment.store.writing(alone=True) as ledger:
        pause_variant(ledger, live, "winback", "hello", actor="ann", note="a typo", now=at)
        review(ledger, live, "members", actor="ben", note="elsewhere", now=at)
    found: Dossier = read(sqlite_house)
    assert (found.events[0].who, found.events[0].what, found.events[0].why) == ("ann", "pause hello", "a typo")
    assert "elsewhere" not in {event.why for event in found.events}
    assert "test" in {event.why for event in found.events}
    (hello,) = [one for one in found.wordings if one.variant_id == "hello"]
    assert (hello.is_control, hello.paused, hello.by) == (True, "ann: a typo", found.events[0])


def test_versions_that_change_another_campaign_are_none_of_its_events(
    sqlite_house: Any, files: Any, edited: Any
) -> None:
    sqlite_house.later(HOUR)
    sqlite_house.apply(
        edited(files, "campaigns/newsletter.yaml", ("subject: Short}", "subject: Shorter}")), note="news"
    )
    assert "news" in {event.why for event in read(sqlite_house, campaign="newsletter").events}
    assert "news" not in {event.why for event in read(sqlite_house).events}


def test_words_are_cut_at_their_placeholders(sqlite_house: Any, files: Any, edited: Any) -> None:
    greeting = ('body: "Hi there"', 'body: "Hi {{first_name|friend}}, <b>hello</b>"')
    sqlite_house.apply(edited(files, "campaigns/winback.yaml", greeting))
    (one,) = [one for one in read(sqlite_house).wordings if one.variant_id == "ten-percent"]
    pieces = one.texts["body"]
    assert [(piece.text, piece.filled) for piece in pieces] == [
        ("Hi ", False), ("first_name", True), (", <b>hello</b>", False),
    ]  # fmt: skip
    assert pieces[1].fallback == "friend"


def test_what_is_believed_is_worked_out_once_however_many_variants_there_are(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []
    actual = BetaPosterior.interval

    def counted(self: BetaPosterior, level: float = 0.95) -> Any:
        asked.append(self.alpha.shape)
        return actual(self, level)

    monkeypatch.setattr(BetaPosterior, "interval", counted)
    found: Dossier = read(shop)
    assert asked == [(3, 3)] * 2, "what the policy believes, and what is expected at maturity"
    with shop.deployment.store.reading() as ledger:
        posterior = shop.deployment.live.at(ledger).tables["winback"].posterior
    lows, highs = actual(posterior)
    for segment, of_segment in enumerate(found.report.segments):
        for arm, one in enumerate(of_segment.variants):
            assert (one.believed.low, one.believed.high) == (lows[segment, arm], highs[segment, arm])


def test_before_the_first_decision_there_is_a_page_without_pictures(house: Any) -> None:
    assert read(house, illustrated).pictures == {}
    found: Dossier = read(house)
    assert found.sentence.startswith("Nothing is known yet")
    assert found.means == {}
    with pytest.raises(NotFound, match="allowed"):
        read(house, campaign="nobody")


def test_every_picture_is_drawn_once_there_is_something_to_draw(shop: Any) -> None:
    found: Illustrated = read(shop, illustrated)
    assert list(found.pictures) == ["allocation", "ridges", "means", "metrics", "spend"]
    assert found.left_out == ()
    assert "paused or stopped" in found.pictures["allocation"]
    assert "<" not in "".join(found.pictures.values())


def test_segments_are_sorted_by_where_the_choice_differs(shop: Any) -> None:
    found: Dossier = read(shop)
    boards = {sort: leaderboard(found.report, found.numbers, found.may_be_chosen, sort).segments for sort in Sort}
    assert [row.segment_id for row in boards[Sort.DOCUMENTS]] == ["lapsed", "american", "everyone-else"]
    differs = [row.differs for row in boards[Sort.DIFFERS]]
    assert differs == sorted(differs, reverse=True)
    assert boards[Sort.TRIALS][0].segment_id == "american"
    known = [max(one.p_best for one in row.variants) for row in boards[Sort.OPEN]]
    assert known == sorted(known)


def test_all_bars_fit_on_the_one_axis(shop: Any) -> None:
    found: Dossier = read(shop)
    board = leaderboard(found.report, found.numbers, found.may_be_chosen, Sort.DOCUMENTS)
    bars = [one.believed for row in board.segments for one in row.variants if one.trials]
    assert bars
    assert all(board.axis_low <= one.low <= one.value <= one.high <= board.axis_high for one in bars)
