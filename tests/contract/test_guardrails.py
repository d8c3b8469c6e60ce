"""Each guardrail by itself, through decisions and outcomes, on both databases."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optimizer.domain.instants import DAY, HOUR, MINUTE, instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.errors import Conflict
from optimizer.services.decisions.explaining import explain
from optimizer.services.oversight import steering
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.reports.summaries import summary
from optimizer.storage.recipients import Profile

USD = 1_000_000
NEW_YORK = ZoneInfo("America/New_York")

STRATEGY = """\
strategy: shop
currency: USD
time_zone: America/New_York
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  name: {type: text}
channels:
  email: {}
  sms: {}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
control: {message: two}
"""

Play = Callable[..., Any]


@pytest.fixture
def play(deployment: Any, make_house: Callable[..., Any]) -> Play:
    """A house with the small shop in force, its documents changed by ``(old, new)`` pairs."""

    def built(*changes: tuple[str, str], others: dict[str, str] | None = None) -> Any:
        house = make_house(deployment)
        house.files = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN, **(others or {})}
        reapply(house, *changes)
        return house

    return built


def reapply(house: Any, *changes: tuple[str, str]) -> None:
    for old, new in changes:
        (path,) = [name for name, text in house.files.items() if old in text]
        house.files[path] = house.files[path].replace(old, new, 1)
    house.apply(house.files)


def meters(house: Any) -> dict[str, tuple[int, int, int]]:
    with house.deployment.store.reading() as ledger:
        return {f"{key.scope} {key.period}": tuple(reading) for key, reading in ledger.meters.all().items()}


def steer(house: Any, wish: Callable[..., Any], *rest: Any) -> Any:
    with house.deployment.store.writing(alone=True) as ledger:
        return wish(ledger, house.deployment.live, "winback", *rest, actor="ann", note="because", now=house.now)


def local(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


# ---------------------------------------------------------------- people


@pytest.mark.parametrize(("kind", "still_gets_sms"), [("unsubscribed", True), ("complained", False)])
def test_whoever_unsubscribes_or_complains_gets_nothing_from_the_next_decision_on(
    play: Play, kind: str, still_gets_sms: bool
) -> None:
    texting = CAMPAIGN.replace("winback", "texting").replace("channel: email", "channel: sms")
    house = play(others={"campaigns/texting.yaml": texting})
    sent = house.decided("ann", "r1").decision
    assert house.recorded(sent.decision_id, kind) == "accepted"
    refused = house.decided("ann", "r2").decision
    assert (refused.variant_id, refused.reason) == (None, Reason.SUPPRESSED)
    assert (house.decided("ann", "r3", "texting").decision.variant_id is not None) is still_gets_sms
    assert house.decided("bob").decision.variant_id is not None


def test_an_unsubscribe_that_names_no_known_decision_still_counts(play: Play) -> None:
    house = play()
    report = house.report(None, "unsubscribed", recipient="ann", campaign_id="winback")
    (answer,) = house.record(report)
    assert answer.status.value == "unknown"
    assert house.decided("ann").decision.reason is Reason.SUPPRESSED


def test_reversing_an_unsubscribe_lifts_nothing(play: Play) -> None:
    house = play()
    sent = house.decided("ann").decision
    house.recorded(sent.decision_id, "unsubscribed", event_id="u1")
    house.recorded(sent.decision_id, "unsubscribed", event_id="u2", reverses="u1")
    assert house.decided("ann", "r2").decision.reason is Reason.SUPPRESSED


@pytest.mark.parametrize(
    ("stored", "said", "allowed"),
    [
        ({}, {}, False),
        ({"email": True}, {}, True),
        ({}, {"email": True}, True),
        ({"email": False}, {"email": True}, False),
        ({"email": True}, {"email": False}, False),
        ({"sms": True}, {"sms": True}, False),
    ],
)
def test_consent_is_needed_and_a_no_always_wins(
    play: Play, stored: dict[str, bool], said: dict[str, bool], allowed: bool
) -> None:
    house = play(("channels:", "data: {consent_required: [email]}\nchannels:"))
    with house.deployment.store.writing(alone=True) as ledger:
        put_profile(ledger, house.deployment.live, "ann", Profile({}, stored), house.now)
    decision = house.decided("ann", consent=said).decision
    assert (decision.variant_id is not None) is allowed
    assert allowed or decision.reason is Reason.NO_CONSENT
    assert house.verify().clean


@pytest.mark.parametrize(
    ("stored", "said", "allowed"),
    [
        ({}, {}, True),
        ({"email": True}, {}, True),
        ({"email": False}, {}, False),
        ({}, {"email": False}, False),
        ({"email": False}, {"email": True}, False),
        ({"email": True}, {"email": False}, False),
        ({"sms": False}, {"sms": False}, True),
    ],
)
def test_a_no_counts_on_channels_that_need_no_consent_too(
    play: Play, stored: dict[str, bool], said: dict[str, bool], allowed: bool
) -> None:
    house = play()
    with house.deployment.store.writing(alone=True) as ledger:
        put_profile(ledger, house.deployment.live, "ann", Profile({}, stored), house.now)
    decision = house.decided("ann", consent=said).decision
    assert (decision.variant_id is not None) is allowed
    assert allowed or decision.reason is Reason.NO_CONSENT
    assert house.verify().clean


def test_words_that_a_recipients_own_data_would_spoil_are_not_chosen_for_them(play: Play) -> None:
    house = play(
        ("channels:", "brand: {banned_phrases: [guaranteed], link_domains: [shop.example]}\nchannels:"),
        ("subject: One}", 'subject: "Dear {{name|friend}}"}'),
    )
    assert house.decided("ann", attributes={"name": "Ann"}).decision.blocked == {}
    for n, name in enumerate(["GUARANTEED", "www.evil.example"]):
        decision = house.decided("ann", f"s{n}", attributes={"name": name}).decision
        assert decision.blocked == {"one": Block.BRAND_RULE}
        assert decision.variant_id == "two"


# ---------------------------------------------------------------- time


def test_quiet_hours_are_the_recipients_and_say_when_to_ask_again(play: Play) -> None:
    house = play(("email: {}", 'email: {quiet_hours: "21:00-08:00"}'))
    house.now = local("2026-06-01T22:30")  # 04:30 in Paris, 19:30 in Los Angeles
    answers = {
        zone: house.decided("ann", zone.replace("/", "."), time_zone=zone).decision
        for zone in ("America/New_York", "Europe/Paris", "America/Los_Angeles")
    }
    assert answers["America/Los_Angeles"].variant_id is not None
    for zone in ("America/New_York", "Europe/Paris"):
        assert answers[zone].reason is Reason.QUIET_HOURS
    assert answers["America/New_York"].retry_at == local("2026-06-02T08:00")
    assert answers["Europe/Paris"].retry_at == local("2026-06-02T08:00", ZoneInfo("Europe/Paris"))
    unknown = house.decided("ann", "nobody knows").decision
    assert (unknown.reason, unknown.retry_at) == (Reason.UNKNOWN_TIME_ZONE, None)


def test_where_the_strategy_says_so_an_unknown_zone_is_its_own(play: Play) -> None:
    house = play(("email: {}", 'email: {quiet_hours: "21:00-08:00", unknown_time_zone: use_strategy_zone}'))
    house.now = local("2026-06-01T22:30")
    assert house.decided("ann").decision.reason is Reason.QUIET_HOURS
    house.now = local("2026-06-02T08:00")
    assert house.decided("ann", "r2").decision.variant_id is not None


def test_a_send_window_removes_only_its_own_variants(play: Play) -> None:
    windows = "targetings:\n  - {id: am, send_window: 08:00-11:00}\n  - {id: pm, send_window: 17:00-20:00}\ncontrol"
    house = play(("control: {message: two}", f"{windows}: {{message: two, targeting: am}}"))
    house.now = local("2026-06-01T09:00")
    decision = house.decided("ann", time_zone="America/New_York").decision
    assert decision.blocked == dict.fromkeys(("one:pm", "two:pm"), Block.OUTSIDE_SEND_WINDOW)
    house.now = local("2026-06-01T12:00")
    decision = house.decided("ann", "r2", time_zone="America/New_York").decision
    assert (decision.reason, decision.retry_at) == (Reason.OUTSIDE_SEND_WINDOW, local("2026-06-01T17:00"))


# ---------------------------------------------------------------- contacts


def test_contacts_count_across_campaigns_and_roll_out_of_their_window(play: Play) -> None:
    other = CAMPAIGN.replace("winback", "other").replace("channel: email", "channel: sms")
    policy = "contact_policy: [{at_most: 2, per: P7D, channels: [email, sms]}, {at_most: 1, per: PT1H}]\nchannels:"
    house = play(("channels:", policy), others={"campaigns/other.yaml": other})
    began = house.now
    assert house.decided("ann", "r1").decision.variant_id
    within_the_hour = house.decided("ann", "r2", "other").decision
    assert (within_the_hour.reason, within_the_hour.retry_at) == (Reason.CONTACT_POLICY, began + HOUR)
    house.later(HOUR)
    assert house.decided("ann", "r3", "other").decision.variant_id
    house.later(HOUR)
    third = house.decided("ann", "r4").decision
    assert (third.reason, third.retry_at) == (Reason.CONTACT_POLICY, began + 7 * DAY)
    house.now = began + 7 * DAY - 1
    assert house.decided("ann", "r5").decision.reason is Reason.CONTACT_POLICY
    house.now = began + 7 * DAY
    assert house.decided("ann", "r6").decision.variant_id
    assert house.decided("bob").decision.variant_id


def test_a_batch_that_asks_twice_for_a_recipient_contacts_once(play: Play) -> None:
    house = play(("channels:", "contact_policy: [{at_most: 1, per: P1D}]\nchannels:"))
    answers = house.decide(*[house.request(f"p{n % 300}", f"r{n}") for n in range(900)])
    sent = [a.decision.recipient_key for a in answers if a.decision.variant_id]
    assert len(sent) == len(set(sent)) == 300
    assert {a.decision.reason for a in answers if not a.decision.variant_id} == {Reason.CONTACT_POLICY}


def test_what_was_sent_before_a_rule_was_written_counts(play: Play) -> None:
    house = play()
    house.decided("ann", "r1")
    reapply(house, ("channels:", "contact_policy: [{at_most: 1, per: P1D}]\nchannels:"))
    assert house.decided("ann", "r2").decision.reason is Reason.CONTACT_POLICY


def test_a_withdrawn_decision_gives_its_contact_back_for_good(play: Play) -> None:
    house = play(("channels:", "contact_policy: [{at_most: 1, per: P1D}]\nchannels:"))
    first = house.decided("ann", "r1").decision
    house.recorded(first.decision_id, "withdrawn", event_id="w")
    assert house.decided("ann", "r2").decision.variant_id
    (undone,) = house.record(house.report(first.decision_id, "withdrawn", event_id="u", reverses="w"))
    assert undone.status.value == "rejected"
    assert "a withdrawal" in undone.detail


# ---------------------------------------------------------------- budgets

CLICKS = ("subject: One}", 'subject: One, cost: "1 USD per click"}')
SENDING = ("email: {}", 'email: {cost: "0.5 USD"}')
ONLY_ONE = ("  - {id: two, subject: Two}\ncontrol: {message: two}", "control: {message: one}")


def test_money_is_reserved_then_settled_then_released(play: Play) -> None:
    house = play(SENDING, CLICKS, ONLY_ONE, ("control:", 'budget: {total: "6 USD"}\ncontrol:'))
    sent = [house.decided(f"p{n}").decision for n in range(4)]
    meter = "campaign:winback ever"
    assert meters(house) == {meter: (4 * USD, 2 * USD, 4)}  # 0.5 due at once, 1 only if they click
    refused = house.decided("late").decision
    assert (refused.reason, refused.retry_at) == (Reason.BUDGET_EXHAUSTED, None)

    house.recorded(sent[0].decision_id, "clicked", event_id="c1")
    house.recorded(sent[0].decision_id, "clicked", event_id="c2")  # due once per decision
    house.recorded(sent[1].decision_id, "withdrawn")
    assert meters(house) == {meter: (2 * USD, int(2.5 * USD), 3)}
    house.later(7 * DAY + MINUTE)
    assert house.decided("later").decision.variant_id
    assert meters(house) == {meter: (1 * USD, 3 * USD, 4)}  # two never clicked: their dollar is free again
    house.recorded(sent[2].decision_id, "clicked")  # within its window, but reported after it
    assert meters(house) == {meter: (1 * USD, 3 * USD, 4)}
    assert house.verify().clean


def test_a_day_begins_in_the_strategys_zone_and_says_when(play: Play) -> None:
    house = play(SENDING, ("control:", 'budget: {daily: "1 USD", sends: {monthly: 3}}\ncontrol:'))
    house.now = local("2026-03-07T23:59")
    assert [house.decided(f"p{n}").decision.variant_id is not None for n in range(3)] == [True, True, False]
    refused = house.decided("p9").decision
    assert (refused.reason, refused.retry_at) == (Reason.BUDGET_EXHAUSTED, local("2026-03-08T00:00"))
    house.now = local("2026-03-08T23:00")  # the day on which clocks go forward
    assert house.decided("q1").decision.variant_id
    exhausted = house.decided("q2").decision
    assert (exhausted.reason, exhausted.retry_at) == (Reason.SENDS_EXHAUSTED, local("2026-04-01T00:00"))


def test_budgets_of_strategy_channel_and_campaign_hold_together(play: Play) -> None:
    other = CAMPAIGN.replace("winback", "other")
    house = play(
        ("email: {}", 'email: {cost: "1 USD", sends_per_day: 3}'),
        ("channels:", 'budget: {total: "100 USD", per: month}\nchannels:'),
        others={"campaigns/other.yaml": other},
    )
    batch = [house.request(f"p{n}", f"r{n}", name) for n in range(4) for name in ("winback", "other")]
    sent = [answer.decision.campaign_id for answer in house.decide(*batch) if answer.decision.variant_id]
    assert len(sent) == 3
    assert sum(1 for key in meters(house) if key.startswith(("strategy", "channel:email"))) == 2


def test_a_cheaper_variant_is_served_when_only_it_fits(play: Play) -> None:
    house = play(CLICKS, ("control:", 'budget: {total: "2 USD"}\ncontrol:'))
    served = [house.decided(f"p{n}").decision for n in range(30)]
    assert [d.variant_id for d in served].count("one") == 2
    assert served[-1].blocked == {"one": Block.BUDGET_EXHAUSTED}
    assert served[-1].variant_id == "two"
    with house.deployment.store.reading() as ledger:
        assert all(explain(ledger, house.deployment.live, d.decision_id).same for d in served)


def test_a_limit_that_is_written_later_counts_what_was_spent_before(play: Play) -> None:
    house = play(SENDING)
    for n in range(3):
        house.decided(f"p{n}")
    reapply(house, ("control:", 'budget: {total: "2 USD"}\ncontrol:'))
    assert house.decided("q1").decision.variant_id
    assert house.decided("q2").decision.reason is Reason.BUDGET_EXHAUSTED
    reapply(house, ('budget: {total: "2 USD"}', 'budget: {total: "1 USD"}'))
    assert house.decided("q3").decision.reason is Reason.BUDGET_EXHAUSTED
    reapply(house, ('budget: {total: "1 USD"}\n', ""))
    assert house.decided("q4").decision.variant_id
    reapply(house, ("control:", 'budget: {total: "3 USD"}\ncontrol:'))
    assert house.decided("q5").decision.variant_id
    assert house.decided("q6").decision.reason is Reason.BUDGET_EXHAUSTED
    assert house.verify().clean


def test_an_exhausted_campaign_says_so(play: Play) -> None:
    house = play(SENDING, ("control:", 'budget: {total: "0.7 USD"}\ncontrol:'))
    house.decided("ann")
    with house.deployment.store.reading() as ledger:
        found = summary(ledger, house.deployment.live, "winback", house.now)
    assert found.state.value == "budget_exhausted"
    assert [line.exhausted for line in found.budget] == [True]


def test_a_false_meter_is_found(play: Play) -> None:
    house = play(SENDING, ("control:", 'budget: {total: "5 USD"}\ncontrol:'))
    house.decided("ann")
    assert house.verify().clean
    with house.deployment.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meters SET settled = settled + 1")
    found = house.verify()
    assert not found.clean
    assert [key.scope for key, _, _ in found.false_meters] == ["campaign:winback"]


# ---------------------------------------------------------------- rollout, people, reviews


def test_recipients_the_rollout_has_not_reached_get_control_and_teach_nothing(play: Play) -> None:
    house = play(("control:", "rollout: [{share: 0.3}, {share: 1}]\ncontrol:"))
    decisions = [house.decided(f"p{n}").decision for n in range(200)]
    outside = [d for d in decisions if d.group is Group.OUTSIDE_ROLLOUT]
    assert 100 < len(outside) < 180  # 140 expected, standard error 6.5
    assert {(d.variant_id, d.reason, d.propensity) for d in outside} == {("two", Reason.OUTSIDE_ROLLOUT, 1.0)}
    house.recorded(outside[0].decision_id)
    assert house.trials()[0] == 200 - len(outside)
    assert house.verify().clean


def test_a_pinned_variant_is_given_to_all_but_holdouts_and_not_learned_from(play: Play) -> None:
    house = play(("control:", "holdout: {share: 0.2}\ncontrol:"))
    steer(house, steering.pin, "one")
    decisions = [house.decided(f"p{n}").decision for n in range(60)]
    pinned = [d for d in decisions if d.group is Group.CHOSEN_BY_PEOPLE]
    assert len(pinned) > 30
    assert {(d.variant_id, d.reason, d.propensity) for d in pinned} == {("one", Reason.PINNED, 1.0)}
    assert {d.group for d in decisions} == {Group.CHOSEN_BY_PEOPLE, Group.CAMPAIGN_HOLDOUT}
    assert house.trials() == (0, 0, 0)
    steer(house, steering.unpin)
    assert house.decided("again").decision.reason is not Reason.PINNED
    assert house.verify().clean


def test_a_pin_obeys_every_other_guardrail(play: Play) -> None:
    house = play()
    steer(house, steering.pin, "one")
    refused = house.decided("ann", excluded=("one",)).decision
    assert refused.variant_id is None
    assert refused.blocked == {"one": Block.EXCLUDED_BY_CALLER, "two": Block.NOT_PINNED}


def test_an_overdue_review_stops_or_freezes(play: Play) -> None:
    house = play(("channels:", "review: {every: P14D, when_overdue: stop}\nchannels:"))
    house.later(14 * DAY - 1)
    assert house.decided("ann", "r1").decision.variant_id
    house.later(1)
    assert house.decided("ann", "r2").decision.reason is Reason.REVIEW_OVERDUE
    steer(house, steering.review)
    first = house.decided("ann", "r3").decision
    assert first.variant_id

    reapply(house, ("when_overdue: stop", "when_overdue: freeze"))
    house.later(14 * DAY)
    frozen = house.learn()
    house.recorded(first.decision_id, occurred_at=house.now - 13 * DAY)
    assert house.learn().number == frozen.number
    steer(house, steering.review)
    assert house.learn().number > frozen.number


def test_only_approvers_approve(play: Play) -> None:
    house = play(("approval: {required: false}", "approval: {required: true, approvers: [brand]}"))
    with pytest.raises(Conflict, match="found tester; allowed an approver of the strategy: brand"):
        house.approve("winback", "one")
    assert house.decided("ann").decision.variant_id is None


def test_penalties_are_learned(play: Play) -> None:
    house = play(("attribution_window: P7D}", "attribution_window: P7D, penalties: {unsubscribed: 5}}"))
    decisions = [house.decided(f"p{n}").decision for n in range(120)]
    for decision in decisions:
        house.record(
            house.report(decision.decision_id, "purchase"),
            *([house.report(decision.decision_id, "unsubscribed")] if decision.variant_id == "one" else []),
        )
    sums = {cell.metric: s for cell, s in house.statistics().items() if cell.variant_id == "one"}
    n = sum(d.variant_id == "one" for d in decisions)
    assert sums["reward:buy"] == (n, n, -4 * n * USD)
    assert sums["penalty:buy:unsubscribed"][0] == n
    snapshot = house.learn()
    house.later(HOUR)
    assert snapshot.belief.arrays["penalty"] == 5.0
    chosen = [house.decided(f"q{n}").decision.variant_id for n in range(50)]
    assert chosen.count("two") > 40
    assert house.verify().clean


# ---------------------------------------------------------------- pacing and explanation


def test_scarce_budget_is_paced_and_what_is_withheld_is_explained(play: Play) -> None:
    house = play(
        SENDING,
        ("control:", 'starts: 2026-12-01\nends: 2026-12-10\nbudget: {total: "100 USD", pacing: even}\ncontrol:'),
    )
    house.now = local("2026-12-01T00:00")
    decisions = []
    for hour in range(36):  # twenty times as much traffic as the budget is for
        house.now = local("2026-12-01T00:00") + hour * HOUR
        answers = house.decide(*[house.request(f"h{hour}p{n}", "r") for n in range(17)])
        decisions += [answer.decision for answer in answers]
        house.learn()
    (spent,) = [(reserved + settled) / USD for reserved, settled, _ in meters(house).values()]
    assert spent == pytest.approx(15, abs=5)  # of 100 dollars, one and a half days of ten are over
    withheld = [d for d in decisions if d.reason is Reason.WITHHELD]
    assert len(withheld) > 300
    with house.deployment.store.reading() as ledger:
        found = explain(ledger, house.deployment.live, withheld[-1].decision_id)
    assert found.same
    assert found.withheld == withheld[-1].propensity
    assert found.price is not None
    assert [step.name for step in found.steps] == ["posterior", "price", "floor", "cap"]
    assert sum(found.steps[-1].shares.values()) + found.steps[-1].withheld == pytest.approx(1.0, abs=1e-12)
    assert house.verify().clean


def test_an_explanation_shows_the_shares_before_and_after_each_rule(play: Play) -> None:
    house = play(("subject: Two}\n", "subject: Two}\n  - {id: three, subject: Three}\n"))
    steer(house, steering.pause_variant, "two")
    decision = house.decided("ann", excluded=("three",)).decision
    with house.deployment.store.reading() as ledger:
        found = explain(ledger, house.deployment.live, decision.decision_id)
    assert [(step.name, step.removed) for step in found.steps] == [
        ("posterior", ()),
        ("variant_paused", ("two",)),
        ("excluded_by_caller", ("three",)),
        ("floor", ()),
        ("cap", ()),
    ]
    assert [step.shares["one"] for step in found.steps] == pytest.approx([1 / 3, 1 / 2, 1, 1, 1], abs=1e-6)
    assert found.commitment is not None


def test_a_decision_without_a_draw_is_explained_rule_by_rule(play: Play) -> None:
    house = play()
    steer(house, steering.pause_variant, "two")
    decision = house.decided("ann", excluded=("one",)).decision
    assert decision.reason is Reason.NOTHING_ELIGIBLE
    with house.deployment.store.reading() as ledger:
        found = explain(ledger, house.deployment.live, decision.decision_id)
    assert [(step.name, step.removed) for step in found.steps] == [
        ("posterior", ()),
        ("variant_paused", ("two",)),
        ("excluded_by_caller", ("one",)),
    ]
    assert found.steps[-1].shares == {"one": 0.0, "two": 0.0}
