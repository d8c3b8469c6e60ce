"""Decisions that clients made themselves: believed only where the service would have decided so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.client.made_apart import apart_of, bundle_of, made_by, uploaded

from optimizer.domain.instants import DAY, MINUTE, SECOND
from optimizer.engine.basis import MOST_AGE
from optimizer.errors import NotFound
from optimizer.services.decisions.bundling import Bundle, find_bundle, issue_bundle
from optimizer.services.decisions.uploading import SLACK, MadeApart, Verdict
from optimizer.services.live import Live
from optimizer.services.oversight.steering import stop
from optimizer.services.recipients.erasing import erase
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.suppressing import suppress
from optimizer.storage.recipients import Profile

EDITED = "campaigns/winback.yaml"


def made(house: Any, bundle: Bundle, n: int = 20, request_id: str = "apart", **rest: Any) -> list[MadeApart]:
    asked = [house.request(f"person-{i}", request_id, attributes={"days": 5 * i}, **rest) for i in range(n)]
    return made_by(apart_of(house, bundle), asked, house.now)


def sent(claims: list[MadeApart]) -> MadeApart:
    """One that sends something by a draw."""
    return next(one for one in claims if one.propensity not in (None, 1.0))


def stopped(house: Any) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        stop(ledger, house.deployment.live, "winback", actor="tester", note="enough", now=house.now)


def test_what_comes_out_the_same_is_written_as_if_it_had_been_decided_here(house: Any) -> None:
    bundle = bundle_of(house, "winback")
    claims = made(house, bundle, 60)
    assert {one.verdict for one in uploaded(house, bundle, claims)} == {Verdict.ACCEPTED}
    answers = house.decide(*(house.request(f"person-{i}", "apart", attributes={"days": 5 * i}) for i in range(60)))
    assert [a.decision.decision_id for a in answers] == [one.decision_id for one in claims]
    assert house.counts()["decisions"] == 60
    assert house.trials()[0] == sum(one.group == "learning" for one in claims)
    assert house.recorded(sent(claims).decision_id) == "accepted"
    assert house.verify().clean


def test_a_second_upload_changes_nothing(sqlite_house: Any) -> None:
    house = sqlite_house
    bundle = bundle_of(house, "winback")
    claims = made(house, bundle)
    uploaded(house, bundle, claims)
    before = house.counts(), house.statistics()
    assert {one.verdict for one in uploaded(house, bundle, [*claims, claims[0]])} == {Verdict.DUPLICATE}
    assert (house.counts(), house.statistics()) == before


def test_the_same_decision_twice_in_one_upload_is_written_once(sqlite_house: Any) -> None:
    house = sqlite_house
    bundle = bundle_of(house, "winback")
    (claim,) = made(house, bundle, 1)
    verdicts = [one.verdict for one in uploaded(house, bundle, [claim, claim])]
    assert verdicts == [Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert house.counts()["decisions"] == 1


TAMPERED: list[tuple[str, dict[str, Any]]] = [
    ("decision_id", {"request_id": "another"}),
    ("decision_id", {"person": "0" * 32}),
    ("decision_id", {"decision_id": "f" * 32}),
    ("variant", {"variant_id": None}),
    ("segment", {"segment_id": "american"}),
    ("group", {"group": "campaign_holdout"}),
    ("propensity", {"propensity": 0.25}),
    ("reason", {"reason": "pinned"}),
    ("segment", {"attributes": {"days": 4}}),
    ("/attributes/shoe_size", {"attributes": {"shoe_size": 44}}),
    ("decided_at", {"decided_at": 1}),
    ("decided_at", {"decided_at": 1_900_000_000 * SECOND}),
]


def test_whatever_the_service_would_not_have_drawn_is_refused_with_the_place(sqlite_house: Any) -> None:
    bundle = bundle_of(sqlite_house, "winback")
    claims = [
        one
        for one in made(sqlite_house, bundle, 40, excluded=("hello",))
        if one.propensity != 1.0 and one.segment_id == "lapsed" and one.variant_id is not None
    ]
    assert len(claims) > len(TAMPERED)
    tampered = [replace(one, **change) for one, (_, change) in zip(claims, TAMPERED, strict=False)]
    verdicts = uploaded(sqlite_house, bundle, [*tampered, *claims[len(TAMPERED) :]])
    for (place, change), verdict in zip(TAMPERED, verdicts, strict=False):
        assert verdict.verdict is Verdict.REFUSED, change
        assert (verdict.detail or "").startswith(f"{place}: found "), (change, verdict)
    assert {one.verdict for one in verdicts[len(TAMPERED) :]} == {Verdict.ACCEPTED}
    assert sqlite_house.counts()["decisions"] == len(claims) - len(TAMPERED)


def test_another_answer_to_a_request_that_was_decided_here_is_refused(sqlite_house: Any) -> None:
    bundle = bundle_of(sqlite_house, "winback")
    claims = made(sqlite_house, bundle, 30)
    sqlite_house.decide(
        *(sqlite_house.request(f"person-{i}", "apart", attributes={"country": "US"}) for i in range(30))
    )
    (refused,) = {one.verdict for one in uploaded(sqlite_house, bundle, claims) if "decided before" in str(one.detail)}
    assert refused is Verdict.REFUSED


def test_decisions_by_an_old_snapshot_are_verified_by_that_snapshot(house: Any) -> None:
    bundle = bundle_of(house, "winback")
    house.later(MINUTE)
    claims = made(house, bundle, 40)
    for answer in house.learning(30):
        house.record(house.report(answer.decision.decision_id, occurred_at=house.now))
    house.later(5 * SECOND)
    house.learn()
    newer = bundle_of(house, "winback")
    assert newer.number == (bundle.number or 0) + 1
    house.later(DAY)  # the client was offline
    assert {one.verdict for one in uploaded(house, bundle, claims)} == {Verdict.ACCEPTED}
    refused = uploaded(house, newer, [replace(one, request_id="x") for one in claims])
    assert {one.verdict for one in refused} == {Verdict.REFUSED}
    assert house.verify().clean


def test_after_a_stop_a_bundle_decides_for_so_long_and_no_longer(sqlite_house: Any) -> None:
    house = sqlite_house
    bundle = bundle_of(house, "winback")
    stopped(house)
    following = bundle_of(house, "winback")
    assert following.number == (bundle.number or 0) + 1
    claims = made(house, bundle, 2)
    house.later(DAY)
    allowed = [replace(claims[0], decided_at=claims[0].decided_at + MOST_AGE + SLACK)]
    late = [replace(claims[1], decided_at=claims[1].decided_at + MOST_AGE + SLACK + 1)]
    assert [one.verdict for one in uploaded(house, bundle, allowed)] == [Verdict.ACCEPTED]
    assert [one.verdict for one in uploaded(house, bundle, late)] == [Verdict.REFUSED]
    assert {one.variant_id for one in made(house, following, 5, "after")} == {None}


def test_a_bundle_is_issued_once_until_something_changes(house: Any, second_worker: Any) -> None:
    first = bundle_of(house, "winback")
    assert bundle_of(second_worker, "winback").number == bundle_of(house, "winback").number == first.number == 1
    assert house.counts()["bundles"] == 1
    stopped(house)
    with second_worker.deployment.store.reading() as ledger:
        assert find_bundle(ledger, second_worker.deployment.live, "winback").number is None
    assert bundle_of(second_worker, "winback").number == 2


def test_a_bundle_nobody_issued_verifies_nothing(sqlite_house: Any) -> None:
    house = sqlite_house
    bundle = bundle_of(house, "winback")
    with pytest.raises(NotFound, match="found 7 of 'winback'"):
        uploaded(house, replace(bundle, number=7), made(house, bundle))


def refused_once_it_must_be_known(house: Any, before: Bundle, after: Bundle, reason: str) -> str:
    """Why person-3 is refused, whom the bundle of after gives nothing for this reason, and that of before a variant."""
    by_new = made(house, after, 5, "new")
    assert [one.reason for one in by_new].count(reason) == 1
    assert {one.verdict for one in uploaded(house, after, by_new)} == {Verdict.ACCEPTED}
    by_old = made(house, before, 5, "old")
    assert {one.verdict for one in uploaded(house, before, by_old)} == {Verdict.ACCEPTED}  # it could not know yet
    house.later(MOST_AGE + SLACK + 1)
    verdicts = uploaded(house, before, made(house, before, 5, "late"))
    assert [one.verdict for one in verdicts].count(Verdict.REFUSED) == 1
    return str(verdicts[3].detail)


def test_a_recipient_who_was_suppressed_is_in_the_next_bundle_and_refused_some_time_after(sqlite_house: Any) -> None:
    house = sqlite_house
    before = bundle_of(house, "winback")
    with house.deployment.store.writing() as ledger:
        suppress(ledger, house.deployment.live, ["person-3"], None, actor="tester", note="asked for it", now=house.now)
    after = bundle_of(house, "winback")
    assert after.number == before.number
    assert len(after.suppressed) == 1
    assert "suppression list" in refused_once_it_must_be_known(house, before, after, "recipient_suppressed")


def says(house: Any, recipient: str, *, agreed: bool) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        put_profile(ledger, house.deployment.live, recipient, Profile({}, {"email": agreed}), house.now)


def test_a_recipient_who_said_no_to_the_channel_is_in_the_next_bundle_and_refused_some_time_after(
    sqlite_house: Any,
) -> None:
    house = sqlite_house
    before = bundle_of(house, "winback")
    says(house, "person-2", agreed=False)
    says(house, "person-2", agreed=True)
    house.later(SECOND)
    says(house, "person-3", agreed=True)
    says(house, "person-3", agreed=False)
    after = bundle_of(house, "winback")
    assert after.number == before.number
    assert len(after.refused) == 1
    assert "a no to the channel since" in refused_once_it_must_be_known(house, before, after, "no_consent")
    assert house.verify().clean


def test_somebody_who_was_erased_after_a_no_is_neither_decided_for_nor_written_again(sqlite_house: Any) -> None:
    house, live = sqlite_house, sqlite_house.deployment.live
    before = bundle_of(house, "winback")
    waiting = made(house, before, 5, "spooled")
    with house.deployment.store.writing(alone=True) as ledger:
        suppress(ledger, live, ["person-3"], None, actor="tester", note="asked for it", now=house.now)
        erase(
            ledger,
            live,
            ["person-3"],
            forget_suppressions=False,
            random_id=lambda: "f" * 32,
            actor="tester",
            now=house.now,
        )
    after = bundle_of(house, "winback")
    assert (after.suppressed, len(after.barred)) == ((), 1)
    assert [one.variant_id for one in made(house, after, 5)][3] is None
    assert [one.verdict for one in uploaded(house, before, waiting)].count(Verdict.REFUSED) == 1


def test_a_budget_that_came_later_counts_what_was_decided_before_it(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    bundle = bundle_of(house, "winback")
    claims = made(house, bundle, 30)
    house.apply(edited(files, EDITED, ("policy: {floor: 0.05}", "policy: {floor: 0.05}\nbudget: {sends: {daily: 25}}")))
    house.decided("somebody else")
    assert {one.verdict for one in uploaded(house, bundle, claims)} == {Verdict.ACCEPTED}
    assert house.decided("one more").decision.reason == "sends_exhausted"
    assert house.verify().clean


GUARDED = [
    ("strategy.yaml", "holdout:", "contact_policy: [{at_most: 2, per: P7D}]\nholdout:", "contact policy"),
    ("strategy.yaml", "holdout:", "budget: {total: 100 USD}\nholdout:", "budget"),
    ("strategy.yaml", "holdout:", "channels: {email: {sends_per_day: 10}}\nholdout:", "budget"),
    (EDITED, "policy: {floor: 0.05}", "budget: {sends: {daily: 9}}", "budget"),
    ("strategy.yaml", "holdout:", "data: {consent_required: [email]}\nholdout:", "consent"),
    ("strategy.yaml", "holdout:", 'channels: {email: {quiet_hours: "22:00-08:00"}}\nholdout:', "hours"),
    (EDITED, "policy: {floor: 0.05}", "policy: {model: contextual, attributes: [country]}", "policy"),
    ("strategy.yaml", "maximum: 5000}", "from: {event: purchase, measure: days_since}}", "attributes"),
]


def test_a_campaign_with_such_a_guardrail_is_decided_by_the_service_alone_and_no_secret_leaves(
    sqlite_house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    for file, old, new, why in GUARDED:
        sqlite_house.apply(edited(files, file, (old, new)))
        bundle = bundle_of(sqlite_house, "winback")
        assert (bundle.reason or "").startswith(f"{why}: "), (why, bundle.reason)
        text = bundle.text(sqlite_house.deployment.live.secret)
        assert sqlite_house.deployment.live.secret.hex().encode() not in text
        assert b'"local":false' in text
    assert sqlite_house.counts()["bundles"] == 0


def test_where_profiles_are_stored_a_request_must_say_what_the_rules_look_at(sqlite_house: Any) -> None:
    house = sqlite_house
    assert bundle_of(house, "winback").asks == ()
    with house.deployment.store.writing() as ledger:
        ledger.recipients.put("0" * 32, Profile({"country": "US"}), house.now)
    assert bundle_of(house, "winback").asks == ("country", "days")


def test_persons_travel_even_after_the_recipient_key_was_rotated(sqlite_house: Any) -> None:
    house, live = sqlite_house, sqlite_house.deployment.live
    with house.deployment.store.writing() as ledger:
        suppress(ledger, live, ["person-3"], None, actor="tester", note="asked for it", now=house.now)
    before = bundle_of(house, "winback").suppressed
    house.deployment.rotate_recipient_key(lambda _: None)
    assert bundle_of(house, "winback").suppressed == before
    bundle = bundle_of(house, "winback")
    assert {one.verdict for one in uploaded(house, bundle, made(house, bundle))} == {Verdict.ACCEPTED}
    assert house.verify().clean


def test_two_workers_that_issue_at_once_issue_one(house: Any, second_worker: Any) -> None:
    def issued(worker: Any) -> int | None:
        live: Live = worker.deployment.live
        with worker.deployment.store.writing(alone=True) as ledger:
            return issue_bundle(ledger, live, "winback", worker.now).number

    assert issued(house) == issued(second_worker) == 1
