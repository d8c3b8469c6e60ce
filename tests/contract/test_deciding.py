"""Decisions on both databases: idempotent, exact, inside the guardrails, and the same from any worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from optimizer.domain.instants import DAY
from optimizer.domain.reasons import Block, Reason
from optimizer.errors import InvalidRequest, NotFound
from optimizer.services.decisions.deciding import Answer
from optimizer.services.decisions.explaining import explain
from optimizer.storage.decisions import Decisions


def test_the_same_request_gets_the_same_answer_for_ever(house: Any) -> None:
    first = house.decided("ann", attributes={"days": 100})
    before = house.counts()
    house.later(3 * DAY)
    assert house.decided("ann", attributes={"days": 100}) == first
    assert house.decided("ann", attributes={"country": "GB"}, excluded=("hello",)) == first
    assert house.counts() == before
    assert house.verify().clean


def test_one_batch_that_asks_the_same_thing_thrice_gets_one_decision(house: Any) -> None:
    answers = house.decide(*[house.request("ann")] * 3)
    assert answers[0] == answers[1] == answers[2]
    assert house.counts()["decisions"] == 1
    assert house.verify().clean


def test_a_request_with_an_id_drawn_just_now_is_not_looked_for_and_its_retry_is(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for: list[str] = []
    later_by_id = Decisions.later_by_id

    def counted(self: Decisions, decision_ids: Sequence[str]) -> Any:
        looked_for.extend(decision_ids)
        return later_by_id(self, decision_ids)

    monkeypatch.setattr(Decisions, "later_by_id", counted)
    first, other = house.decide(house.request("ann", fresh=True), house.request("bob", "r2", fresh=True))
    assert looked_for == []
    assert house.decided("ann") == first
    assert looked_for == [first.decision.decision_id]
    assert house.decided("bob", "r2") == other
    assert house.counts()["decisions"] == 2


def test_another_request_recipient_or_campaign_is_another_decision(house: Any) -> None:
    ids = {
        house.decided("ann", "r1").decision.decision_id,
        house.decided("ann", "r2").decision.decision_id,
        house.decided("bob", "r1").decision.decision_id,
        house.decided("ann", "r1", "newsletter").decision.decision_id,
    }
    assert len(ids) == 4


def test_an_answer_survives_learning_applying_and_approving(house: Any, files: Any, edited: Any) -> None:
    first = house.decided("ann")
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    house.learn()
    house.apply(edited(files, "campaigns/winback.yaml", ("How are you", "How are you today")))
    again = house.decided("ann")
    assert again == first
    assert house.verify().clean


def test_a_wrong_item_gets_its_error_and_the_others_their_decisions_in_order(house: Any) -> None:
    answers = house.decide(
        house.request("ann"),
        house.request("bob", campaign="nonsense"),
        house.request("cid", attributes={"shoe_size": 43}),
        house.request("dan", attributes={"days": -1}),
        house.request("eve"),
    )
    assert [type(answer) for answer in answers] == [Answer, NotFound, InvalidRequest, InvalidRequest, Answer]
    assert "allowed members, newsletter, winback" in str(answers[1])
    assert "shoe_size" in str(answers[2])
    assert house.counts()["decisions"] == 2
    assert house.verify().clean


def test_a_wrong_twin_of_a_request_does_not_spoil_the_right_one(house: Any) -> None:
    for n, place in enumerate([0, 1]):
        twins = [house.request("ann", f"r{n}", attributes={"shoe_size": 43})]
        twins.insert(place, house.request("ann", f"r{n}"))
        assert isinstance(house.decide(*twins)[place], Answer)
    assert house.counts()["decisions"] == 2
    assert house.verify().clean


def test_nothing_is_decided_before_documents_are_in_force(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    before = house.counts()
    (answer,) = house.decide(house.request("ann"))
    assert isinstance(answer, NotFound)
    assert "optimizer apply" in str(answer)
    assert house.counts() == before


def test_every_propensity_is_the_share_of_a_distribution_over_the_eligible(house: Any) -> None:
    house.learning(40)
    seen = 0
    with house.deployment.store.reading() as ledger:
        for decision in ledger.decisions.stream():
            found = explain(ledger, house.deployment.live, decision.decision_id)
            assert found.same
            if decision.snapshot_id is None:
                assert decision.propensity == 1.0
                continue
            seen += 1
            shares = {v.variant_id: v.allocation for v in found.variants}
            assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
            assert shares[decision.variant_id] == decision.propensity
            assert decision.propensity > 0
    assert seen >= 40


def test_an_excluded_variant_is_never_served(house: Any) -> None:
    for n in range(60):
        answer = house.decided(f"p{n}", excluded=("ten-percent", "hello"))
        assert answer.decision.variant_id in {"new-arrivals", None}
        assert answer.decision.blocked["ten-percent"] == Block.EXCLUDED_BY_CALLER
        if answer.decision.group == "learning":
            assert answer.decision.propensity == 1.0
    nothing = house.decided("q", excluded=("ten-percent", "hello", "new-arrivals"))
    assert nothing.variant is None
    assert nothing.decision.reason == Reason.NOTHING_ELIGIBLE
    assert house.verify().clean


def test_excluding_something_unknown_removes_nothing(house: Any) -> None:
    assert house.decided("ann", excluded=("no-such-variant",)).decision.blocked == {}


def test_the_holdout_gets_control_always_and_is_never_evidence(house: Any) -> None:
    held = []
    for n in range(300):
        decision = house.decided(f"p{n}").decision
        house.recorded(decision.decision_id)
        if decision.group != "learning":
            held.append(decision)
    assert 15 <= len(held) <= 90
    assert {(d.variant_id, d.reason, d.propensity, d.snapshot_id) for d in held} == {
        ("hello", Reason.HOLDOUT, 1.0, None)
    }
    snapshot = house.learn()
    assert snapshot.trials.sum() == 300 - len(held)
    assert house.verify().clean


def test_a_holdout_kept_on_nothing_gets_nothing_and_still_counts_as_a_trial(house: Any) -> None:
    reasons: Counter[str] = Counter()
    for n in range(80):
        decision = house.decided(f"p{n}", campaign="members", attributes={"vip": True}).decision
        reasons[decision.reason] += 1
        assert (decision.variant_id is None) == (decision.reason is Reason.HOLDOUT)
    assert reasons[Reason.HOLDOUT] > 5
    cells = {c: s for c, s in house.statistics("members").items() if c.metric == "reward:opens"}
    assert {cell.variant_id for cell in cells} == {"nothing"}
    assert sum(n for n, _, _ in cells.values()) == reasons[Reason.HOLDOUT]
    assert house.verify().clean


def test_a_recipient_outside_the_audience_gets_nothing(house: Any) -> None:
    decision = house.decided("ann", campaign="members").decision
    assert (decision.reason, decision.variant_id, decision.segment_id) == (Reason.OUTSIDE_AUDIENCE, None, None)
    assert house.verify().clean


def test_the_stored_profile_is_used_and_the_request_wins_over_it(house: Any) -> None:
    from optimizer.services.recipients.profiles import put_profile, stored_profile
    from optimizer.storage.recipients import Profile

    live = house.deployment.live
    with house.deployment.store.writing() as ledger:
        put_profile(ledger, live, "ann", Profile({"days": 365, "country": "GB"}), house.now)
    assert house.decided("ann", "r1").decision.segment_id == "lapsed"
    assert house.decided("ann", "r2", attributes={"days": 1, "country": "US"}).decision.segment_id == "american"
    assert house.decided("bob").decision.segment_id == "everyone-else"
    with house.deployment.store.reading() as ledger:
        assert stored_profile(ledger, live, "ann").attributes == {"days": 365, "country": "GB"}
        with pytest.raises(NotFound):
            stored_profile(ledger, live, "bob")
    with pytest.raises(InvalidRequest), house.deployment.store.writing() as ledger:
        put_profile(ledger, live, "ann", Profile({"days": "many"}), house.now)


# ---------------------------------------------------------------- approvals and dates


@pytest.fixture
def strict(files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The sample documents, with approval required."""
    return edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))


def test_nothing_unapproved_is_ever_served(house: Any, strict: dict[str, str]) -> None:
    applied = house.apply(strict)
    assert len(applied.awaiting) == 3 + 4 + 2
    none = house.decided("ann").decision
    assert (none.variant_id, none.reason) == (None, Reason.NOTHING_ELIGIBLE)
    assert set(none.blocked.values()) == {Block.NOT_APPROVED}
    assert house.approve("winback", "ten-percent") == ("ten-percent",)
    served = {house.decided(f"p{n}").decision.variant_id for n in range(60)}
    assert served == {"ten-percent", None}  # None: the holdout, whose control nobody approved
    assert house.verify().clean


def test_approving_a_message_approves_it_in_each_of_its_targetings(house: Any, strict: dict[str, str]) -> None:
    house.apply(strict)
    assert house.approve("newsletter", "short") == ("short:morning", "short:evening")
    with pytest.raises(NotFound, match="allowed short, long"):
        house.approve("newsletter", "shorter")
    with pytest.raises(NotFound, match="allowed members"):
        house.approve("nonsense", "short")


def test_an_approval_lapses_when_the_words_change_and_returns_with_the_words(
    house: Any, strict: dict[str, str], edited: Any
) -> None:
    house.apply(strict)
    house.approve("winback", "ten-percent")
    other = edited(strict, "campaigns/winback.yaml", ("Hi there", "Hi there, you"))
    assert ("winback", "ten-percent") in house.apply(other).awaiting
    assert house.decided("ann").variant is None
    assert ("winback", "ten-percent") not in house.apply(strict).awaiting
    assert any(house.decided(f"p{n}").variant is not None for n in range(20))
    assert house.verify().clean


def test_a_campaign_serves_nothing_before_its_first_day_and_after_its_last(
    house: Any, files: Any, edited: Any, noon: int
) -> None:
    from optimizer.domain.instants import moment

    first, last = moment(noon + 2 * DAY).date(), moment(noon + 4 * DAY).date()
    dates = ("channel: email", f"channel: email\nstarts: {first}\nends: {last}")
    house.apply(edited(files, "campaigns/winback.yaml", dates))
    early = house.decided("ann").decision
    assert (early.variant_id, early.reason) == (None, Reason.NOT_STARTED)
    assert early.retry_at is not None
    assert house.now < early.retry_at <= house.now + 2 * DAY
    house.now = early.retry_at - 1
    assert house.decided("ann", "r2").variant is None
    house.now = early.retry_at
    assert house.decided("ann", "r3").variant is not None
    house.later(3 * DAY - 1)
    assert house.decided("ann", "r4").variant is not None
    house.later(1)
    late = house.decided("ann", "r5").decision
    assert (late.variant_id, late.reason, late.retry_at) == (None, Reason.ENDED, None)
    assert house.verify().clean


def test_applying_the_same_documents_again_changes_nothing(house: Any, files: Any) -> None:
    before = house.counts()
    again = house.apply({**files, "strategy.yaml": "# a comment\n" + files["strategy.yaml"]})
    assert (again.version, again.changed) == (1, False)
    assert house.counts() == before


# ---------------------------------------------------------------- learning


def test_learning_moves_the_allocation_to_what_works(house: Any) -> None:
    for answer in house.learning(120):
        if answer.decision.variant_id == "new-arrivals":
            house.recorded(answer.decision.decision_id)
    before = house.learn()
    assert before.number == 2
    shares = Counter(answer.decision.variant_id for answer in house.learning(60))
    assert shares["new-arrivals"] > 40
    assert house.verify().clean


def test_learning_nothing_new_keeps_the_snapshot(house: Any) -> None:
    first = house.learn()
    assert house.learn().number == first.number
    with pytest.raises(NotFound):
        house.learn("nonsense")


def test_changed_words_are_a_new_arm_without_evidence(house: Any, files: Any, edited: Any) -> None:
    house.learning(40)
    assert house.learn().trials.sum() == 40
    house.apply(edited(files, "campaigns/winback.yaml", ("See what is new", "See what is new now")))
    snapshot = house.learn()
    assert snapshot.trials[:, snapshot.variant_ids.index("new-arrivals")].sum() == 0
    assert 0 < snapshot.trials.sum() < 40


def test_a_decision_of_a_snapshot_that_is_gone_is_not_verified(house: Any) -> None:
    house.learning(3)
    with house.deployment.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM snapshots")
    assert len(house.verify().differing) >= 3


def test_a_statistic_that_was_tampered_with_is_found(house: Any) -> None:
    house.learning(3)
    assert house.verify().clean
    with house.deployment.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE statistics SET n = n + 1 WHERE metric = 'decided'")
    assert house.verify().mismatches


def test_a_propensity_that_was_tampered_with_is_found(house: Any) -> None:
    (answer,) = house.learning(1)
    with house.deployment.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE decisions SET propensity = propensity + 1e-16 WHERE snapshot_id <> ''")
        connection.exec_driver_sql("UPDATE decisions SET propensity = 0.5 WHERE snapshot_id <> ''")
    assert answer.decision.decision_id in house.verify().differing
