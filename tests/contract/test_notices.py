"""Notices: announced with the fact and only with it, once, and on their way to whoever the strategy names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.domain.notices import ABOUT_PEOPLE, WAITS, Notice, NoticeKind
from optimizer.domain.statistics import DECIDED, Cell, Sums, outcome_metric
from optimizer.errors import Conflict, NotFound
from optimizer.services.notices.announcing import KEPT, address, announce, forget_old, post, retry
from optimizer.services.notices.delivering import LEASE, Attempt, settle, take
from optimizer.services.notices.noticing import NEARLY
from optimizer.services.oversight import steering

TAKEN = Attempt(delivered=True)
REFUSED = Attempt(delivered=False, trouble="answered 400")
AWAY = Attempt(delivered=False, trouble="not reached: ConnectError", reached=False)
GONE = Attempt(delivered=False, trouble="answered 410", again=False)
APPROVAL, HELD_OUT = "approval: {required: false}\n", "holdout: {share: 0.1}\n"
EVERYTHING = ", ".join(sorted(set(NoticeKind) - ABOUT_PEOPLE))
NOTIFY = (
    APPROVAL,
    f"{APPROVAL}notify:\n  - {{id: ops, about: [{EVERYTHING}]}}\n  - {{id: chat, about: [budget_80], format: slack}}\n",
)


class Office:
    """A house whose strategy tells ``ops`` everything and ``chat`` of budgets that run low."""

    def __init__(self, house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> None:
        self.house, self.files, self.edited = house, files, edited

    def apply(self, strategy: str = "", campaign: str = "") -> None:
        files = self.edited(self.files, "strategy.yaml", (APPROVAL, NOTIFY[1] + strategy))
        self.house.apply(self.edited(files, "campaigns/winback.yaml", (HELD_OUT, HELD_OUT + campaign)))

    def write(self, do: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        with self.house.deployment.store.writing(alone=True) as ledger:
            return do(ledger, *rest, **named)

    def announced(self) -> list[tuple[str, str | None, dict[str, Any]]]:
        with self.house.deployment.store.reading() as ledger:
            found = post(ledger, 1_000).notices
        return [(one.notice.kind.value, one.notice.campaign_id, dict(one.notice.data)) for one in reversed(found)]

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.announced()]

    def announce(self, kind: NoticeKind = NoticeKind.PROPOSAL_MADE, **data: Any) -> Notice:
        notice = Notice(kind, "winback", data, self.house.now)
        self.write(announce, notice)
        self.write(address, self.house.deployment.live, self.house.now, 100)
        return notice

    def take(self, receiver: str = "ops", worker: str = "one", most: int = 10) -> list[Any]:
        live = self.house.deployment.live
        return [letter.due for letter in self.write(take, live, receiver, worker, self.house.now, most)]

    def settle(self, due: Any, attempt: Attempt, receiver: str = "ops") -> None:
        self.write(settle, receiver, due, attempt, self.house.now)

    def states(self) -> dict[str, str]:
        with self.house.deployment.store.reading() as ledger:
            found = post(ledger, 1_000).notices
        return {f"{told.notice.data.get('n')}/{one.receiver}": one.state for told in found for one in told.deliveries}


@pytest.fixture
def office(sqlite_house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Office:
    built = Office(sqlite_house, files, edited)
    built.apply()
    return built


@pytest.fixture
def post_office(house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> Office:
    """The same on each database."""
    built = Office(house, files, edited)
    built.apply()
    return built


def test_what_is_rolled_back_was_never_announced(post_office: Office) -> None:
    def fail(ledger: Any) -> None:
        announce(ledger, Notice(NoticeKind.PROPOSAL_MADE, "winback", {}, post_office.house.now))
        raise Conflict("changed its mind")

    with pytest.raises(Conflict):
        post_office.write(fail)
    assert post_office.announced() == []


def test_a_proposal_reaches_those_who_want_to_hear_of_it(office: Office) -> None:
    office.announce(n=1)
    office.announce(NoticeKind.BUDGET_80, n=2)
    assert office.states() == {"1/ops": "waiting", "2/ops": "waiting", "2/chat": "waiting"}
    assert office.write(address, office.house.deployment.live, office.house.now, 100) == 0


def test_the_same_fact_is_announced_once_for_ever(post_office: Office) -> None:
    for days in range(3):
        once = Notice(NoticeKind.BUDGET_80, "winback", {"day": days}, post_office.house.now, "strategy/2026-12")
        post_office.write(announce, once)
        post_office.house.later(KEPT)
        post_office.write(forget_old, post_office.house.now, 100)
    assert post_office.announced() == [("budget_80", "winback", {"day": 0})]


def test_nothing_about_a_person_is_announced_by_that_door(office: Office) -> None:
    with pytest.raises(ValueError, match="allowed a kind that is not about one person"):
        office.write(announce, Notice(NoticeKind.SEGMENT_LEFT, "winback", {}, office.house.now))


def test_a_receiver_named_later_hears_of_what_happens_later(office: Office) -> None:
    office.house.apply(office.files)
    office.announce(n=1)
    office.apply()
    office.announce(n=2)
    assert office.states() == {"2/ops": "waiting"}


# ------------------------------------------------------------ where facts become notices


def test_a_variant_that_a_person_pauses_is_announced_with_the_reason(office: Office) -> None:
    live, now = office.house.deployment.live, office.house.now
    for _ in range(2):
        office.write(steering.pause_variant, live, "winback", "hello", actor="ann", note="a typo", now=now)
    office.write(steering.pause, live, "winback", actor="ann", note="sleep", now=now)
    assert office.announced() == [("variant_paused", "winback", {"variant": "hello", "because": "ann: a typo"})]


def seen(office: Office, exposures: int, events: int, variant: str = "hello") -> None:
    """Exposures and unsubscribes of a variant, written into the statistics."""
    loaded = office.house.deployment.live
    with office.house.deployment.store.writing(alone=True) as ledger:
        tactic = loaded.at(ledger).tactic("winback")
        place = tactic.variant_ids.index(variant)
        of = ("winback", "everyone-else", variant, tactic.content_hashes[place], "learning")
        hour = office.house.now - office.house.now % HOUR
        for metric, n in (("reward:buy", exposures), (DECIDED, exposures), (outcome_metric("unsubscribed"), events)):
            ledger.statistics.pending.add([(Cell(*of, metric, hour), Sums(n, events, 0, 0))])


@pytest.mark.parametrize(
    ("then", "kinds"),
    [
        ("pause_variant", ["guardrail_breach", "variant_paused"]),
        ("alert", ["guardrail_breach"]),
        ("stop_campaign", ["guardrail_breach"]),
    ],
)
def test_a_breach_is_announced_when_it_is_acted_upon_and_not_again(office: Office, then: str, kinds: list[str]) -> None:
    office.apply(f"guardrail_metrics:\n  - {{outcome: unsubscribed, at_most: 0.01, then: {then}}}\n")
    seen(office, 1_000, 100)
    for _ in range(3):
        office.house.learn()
        office.house.later(HOUR)
    assert sorted(office.kinds()) == kinds
    for kind, campaign, data in office.announced():
        assert (campaign, data["variant"]) == ("winback", "hello" if then == "pause_variant" else None)
        assert "unsubscribed 100 of 1,000" in data["because"]
        assert data.get("consequence") == (then if kind == "guardrail_breach" else None)


def test_a_rollout_that_goes_on_is_announced(office: Office) -> None:
    office.apply(campaign="rollout:\n  - {share: 0.5, for: PT1H}\n  - {share: 1.0}\n")
    office.house.decided("ann")
    office.house.learn()
    assert office.announced() == []
    for _ in range(3):
        office.house.later(2 * HOUR)
        office.house.learn()
    (one,) = office.announced()
    assert one[:2] == ("stage_advanced", "winback")
    assert one[2]["after"] == "stage 2 of 2 (100 % of recipients)"


def test_an_overdue_review_is_announced_once_each_time_it_is_due(office: Office) -> None:
    office.apply("review: {every: P1D}\n")
    live = office.house.deployment.live
    for _ in range(2):
        office.house.learn()
        office.house.later(DAY)
        for _ in range(3):
            office.house.learn()
            office.house.later(MINUTE)
        office.write(steering.review, live, "winback", actor="ann", note="looked", now=office.house.now)
    assert office.kinds() == ["review_overdue"] * 2


def test_a_budget_is_announced_at_four_fifths_and_when_nothing_more_fits_once_a_period(office: Office) -> None:
    office.apply(campaign="budget: {sends: {daily: 10}}\n")
    told: dict[int, list[str]] = {}
    for n in range(1, 12):
        office.house.decided(f"p{n}")
        office.house.learn()
        told[n] = office.kinds()
    assert told[7] == []
    assert told[8] == told[9] == ["budget_80"]
    assert told[10] == told[11] == ["budget_80", "budget_100"]
    _, campaign, data = office.announced()[0]
    assert campaign == "winback"
    assert data == {
        "scope": "campaign:winback",
        "period": "2026-09-21",
        "sends_used": 8,
        "sends_allowed": 10,
        "ends_at": "2026-09-21T23:00:00.000000Z",
    }
    assert NEARLY == 0.8
    office.house.later(DAY)
    for n in range(8):
        office.house.decided(f"q{n}")
    office.house.learn()
    assert office.kinds()[2:] == ["budget_80"]


def test_a_budget_of_all_campaigns_is_announced_once_whichever_notices(post_office: Office) -> None:
    post_office.apply("budget: {sends: {total: 4}}\n")
    for n in range(4):
        post_office.house.decided(f"p{n}")
    for campaign in ("winback", "newsletter", "members"):
        post_office.house.learn(campaign)
    assert [(kind, campaign) for kind, campaign, _ in post_office.announced()] == [("budget_100", None)]


def test_budgets_are_not_looked_at_for_nobody(office: Office) -> None:
    office.house.apply(
        office.edited(office.files, "campaigns/winback.yaml", (HELD_OUT, "budget: {sends: {daily: 1}}\n"))
    )
    office.house.decided("ann")
    office.house.learn()
    assert office.announced() == []


# ------------------------------------------------------------ on their way


def test_one_worker_at_a_time_holds_a_receiver(post_office: Office) -> None:
    for n in range(3):
        post_office.announce(n=n)
        post_office.house.later(1)
    (first,) = post_office.take(worker="one", most=1)
    assert post_office.take(worker="two") == []
    post_office.settle(first, TAKEN)
    assert len(post_office.take(worker="one")) == 2
    post_office.house.later(LEASE - 1)
    assert post_office.take(worker="two") == []
    post_office.house.later(1)
    assert [due.announced.data["n"] for due in post_office.take(worker="two")] == [1, 2]  # what "one" left undone
    assert post_office.take(worker="one") == []


def test_whoever_finds_nothing_due_lets_go(office: Office) -> None:
    assert office.take(worker="one") == []
    office.announce(n=1)
    assert len(office.take(worker="two")) == 1


def test_notices_are_taken_in_the_order_in_which_they_happened(office: Office) -> None:
    for n in range(20):
        office.announce(n=n)
        office.house.later(-1)  # whichever is announced first: times tell
    office.house.later(DAY)
    assert [due.announced.data["n"] for due in office.take(most=15)] == list(range(19, 4, -1))


def test_a_notice_is_given_up_after_ten_attempts_and_sent_again_when_somebody_asks(post_office: Office) -> None:
    notice = post_office.announce(n=1)
    began = post_office.house.now
    for attempt in range(1, 11):
        (due,) = post_office.take()
        assert (due.attempts, due.announced.notice_id) == (attempt - 1, notice.notice_id)
        post_office.settle(due, REFUSED)
        if attempt < 10:
            assert post_office.take() == []
            post_office.house.later(WAITS[attempt - 1] * 6 // 5)
    assert post_office.states() == {"1/ops": "dead"}
    assert 3 * DAY < post_office.house.now - began < 4 * DAY
    post_office.house.later(DAY)
    assert post_office.take() == []
    assert post_office.write(retry, [notice.notice_id], None, post_office.house.now) == 1
    assert post_office.write(retry, None, None, post_office.house.now) == 0
    (due,) = post_office.take()
    assert due.attempts == 0
    post_office.settle(due, TAKEN)
    assert post_office.states() == {"1/ops": "delivered"}


def test_whoever_says_gone_is_not_asked_again(office: Office) -> None:
    office.announce(n=1)
    office.settle(office.take()[0], GONE)
    assert office.states() == {"1/ops": "dead"}


def test_a_receiver_that_is_away_rests_and_nobody_else_waits_for_it(post_office: Office) -> None:
    for n in range(3):
        post_office.announce(NoticeKind.BUDGET_80, n=n)
    post_office.settle(post_office.take()[0], AWAY)
    assert post_office.take() == []  # not even what was never tried
    assert len(post_office.take("chat")) == 3
    post_office.house.later(4 * SECOND)
    assert post_office.take() == []
    post_office.house.later(2 * SECOND)
    first, *_ = post_office.take()
    post_office.settle(first, AWAY)
    post_office.house.later(6 * SECOND)
    assert post_office.take() == []  # it rests longer each time
    post_office.house.later(5 * SECOND)
    for due in post_office.take():
        post_office.settle(due, TAKEN)
    post_office.house.later(10 * MINUTE)
    for due in post_office.take():
        post_office.settle(due, TAKEN)
    assert {state for place, state in post_office.states().items() if place.endswith("ops")} == {"delivered"}


def test_a_notice_that_is_refused_for_what_it_is_holds_up_no_other(office: Office) -> None:
    for n in range(2):
        office.announce(n=n)
        office.house.later(1)
    office.settle(office.take()[0], REFUSED)
    assert [due.announced.data["n"] for due in office.take()] == [1]


def test_a_late_success_counts_and_a_late_failure_does_not(post_office: Office) -> None:
    post_office.announce(n=1)
    (due,) = post_office.take(worker="one")
    post_office.house.later(LEASE)
    (again,) = post_office.take(worker="two")
    post_office.settle(again, TAKEN)
    post_office.settle(due, REFUSED)
    assert post_office.states() == {"1/ops": "delivered"}


def test_only_what_was_given_up_can_be_retried(office: Office) -> None:
    office.announce(n=1)
    with pytest.raises(NotFound, match="notice: found 'beef'; allowed one that was sent to somebody"):
        office.write(retry, ["beef"], None, office.house.now)
    office.settle(office.take()[0], GONE)
    assert office.write(retry, None, "chat", office.house.now) == 0
    assert office.write(retry, None, "ops", office.house.now) == 1


def test_notices_go_after_a_month(post_office: Office) -> None:
    post_office.announce(n=1)
    post_office.house.later(KEPT // 2)
    post_office.announce(n=2)
    post_office.house.later(KEPT // 2 + 1)
    assert post_office.write(forget_old, post_office.house.now, 100) == 1
    assert post_office.states() == {"2/ops": "waiting"}


def test_two_workers_may_announce_the_same_and_hold_the_same(post_office: Office, second_worker: Any) -> None:
    other = Office(second_worker, post_office.files, post_office.edited)
    other.house.now = post_office.house.now
    notice = Notice(NoticeKind.BUDGET_80, None, {"n": 1}, post_office.house.now, "strategy/ever")
    for one in (post_office, other):
        one.write(announce, notice)
        one.write(address, one.house.deployment.live, one.house.now, 10)
    assert len(post_office.announced()) == 1
    assert len(other.take(worker="b")) == 1
    assert post_office.take(worker="a") == []
