"""People steer running campaigns: each wish is one audited transaction that every worker sees before it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Barrier, Thread
from typing import Any

import pytest

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import DAY
from optimizer.errors import Conflict, InvalidRequest, NotFound
from optimizer.services.live import DOCUMENTS
from optimizer.services.oversight import steering
from optimizer.services.oversight.overseeing import standing
from optimizer.services.oversight.steering import Steered
from optimizer.storage.audit import Link

ROLLOUT = """\
holdout: {share: 0.1}
rollout:
  - {share: 0.1, for: P3D}
  - {share: 0.5, requires: [approval]}
  - {share: 1.0}
"""
STOPPED_BY_A_METRIC = Controls(status=Status.STOPPED, alerted={"unsubscribed": "unsubscribed 14 of 1,200"}, held=True)

LEARNING_ALARMED = Controls(status=Status.PAUSED, alerted={"silence": "no outcome", "change": "hello has changed"})


@dataclass
class Wheel:
    """Steers the campaigns of a house."""

    house: Any

    def __call__(self, wish: str, *what: str, campaign: str = "winback", note: str = "because", **more: Any) -> Steered:
        deployment = self.house.deployment
        with deployment.store.writing() as ledger:
            done: Steered = getattr(steering, wish)(
                ledger, deployment.live, campaign, *what, actor="ann", note=note, now=self.house.now, **more
            )
        return done

    def put(self, controls: Controls, campaign: str = "winback") -> None:
        with self.house.deployment.store.writing() as ledger:
            ledger.controls.put(campaign, controls)
            ledger.revisions.bump(DOCUMENTS)

    @property
    def controls(self) -> Controls:
        with self.house.deployment.store.reading() as ledger:
            return ledger.controls.all().get("winback", UNTOUCHED)

    @property
    def trail(self) -> list[Link]:
        with self.house.deployment.store.reading() as ledger:
            return list(ledger.audit.stream())

    @property
    def revision(self) -> int:
        with self.house.deployment.store.reading() as ledger:
            return ledger.revisions.all()[DOCUMENTS]


@pytest.fixture
def wheel(house: Any, files: Mapping[str, str], edited: Callable[..., Any]) -> Wheel:
    house.apply(edited(files, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", ROLLOUT)))
    return Wheel(house)


# What is wished, what it is wished for, the controls before, and what of them is different after.
WISHES: list[tuple[str, tuple[str, ...], Controls, dict[str, Any]]] = [
    ("pause", (), UNTOUCHED, {"status": Status.PAUSED}),
    ("stop", (), UNTOUCHED, {"status": Status.STOPPED}),
    ("stop", (), Controls(status=Status.PAUSED), {"status": Status.STOPPED}),
    ("resume", (), Controls(status=Status.PAUSED), {"status": Status.RUNNING}),
    ("resume", (), LEARNING_ALARMED, {"status": Status.RUNNING, "alerted": {}}),  # metrics do not count afresh
    ("pause_variant", ("hello",), UNTOUCHED, {"paused": {"hello": "ann: because"}}),
    ("pin", ("hello",), UNTOUCHED, {"pinned": "hello"}),
    ("pin", ("hello",), Controls(pinned="ten-percent"), {"pinned": "hello"}),
    ("unpin", (), Controls(pinned="hello"), {"pinned": None}),
    ("advance", (), UNTOUCHED, {"stage_approved": 1}),
    ("advance", (), Controls(stage=1, stage_since=5), {"stage_approved": 2}),
    ("release", (), Controls(held=True, stage_since=5, stage_approved=1), {"held": False}),
]

WISHED = [f"{wish}-{place}" for place, (wish, *_) in enumerate(WISHES)]


@pytest.mark.parametrize(("wish", "what", "before", "changes"), WISHES, ids=WISHED)
def test_a_wish_changes_what_it_says_and_nothing_else_and_is_audited_once(
    wheel: Wheel, wish: str, what: tuple[str, ...], before: Controls, changes: dict[str, Any]
) -> None:
    wheel.put(before)
    entries, revision = len(wheel.trail), wheel.revision
    done = wheel(wish, *what)
    assert done.changed
    assert wheel.controls == done.controls == replace(before, **changes)
    assert wheel.revision == revision + 1, "every worker must hear of it"
    (link,) = wheel.trail[entries:]
    assert link.is_intact
    assert (link.entry.actor, link.entry.note, link.entry.at) == ("ann", "because", wheel.house.now)
    assert link.entry.subject.partition("/")[0] == "winback"
    assert link.entry.before != link.entry.after


def test_asking_for_what_is_so_already_changes_nothing_and_leaves_no_entry(wheel: Wheel) -> None:
    for wish, what, before, _ in WISHES:
        wheel.put(before)
        wheel(wish, *what)
        held, entries, revision = wheel.controls, len(wheel.trail), wheel.revision
        again = wheel(wish, *what, note="once more")
        assert not again.changed, wish
        assert again.sentence
        assert (wheel.controls, len(wheel.trail), wheel.revision) == (held, entries, revision), wish


EVERY_WISH = {wish: what for wish, what, _, _ in WISHES} | {
    "resume_variant": ("hello",),
    "acknowledge": (),
    "review": (),
}


def test_a_wish_without_a_reason_is_refused_and_nothing_is_written(wheel: Wheel) -> None:
    before = wheel.controls, len(wheel.trail), wheel.revision
    for wish, what in EVERY_WISH.items():
        with pytest.raises(InvalidRequest, match=r"^/note: found nothing; allowed a sentence that says why"):
            wheel(wish, *what, note="  ")
    assert (wheel.controls, len(wheel.trail), wheel.revision) == before


def test_an_unknown_campaign_is_named_with_those_there_are(wheel: Wheel) -> None:
    for wish, what in EVERY_WISH.items():
        with pytest.raises(NotFound, match=r"found 'winbck'; allowed members, newsletter, winback$"):
            wheel(wish, *what, campaign="winbck")


def test_an_unknown_variant_is_named_with_those_there_are(wheel: Wheel) -> None:
    allowed = r"found 'helo' in campaign winback; allowed ten-percent, new-arrivals, hello$"
    for wish in ("pause_variant", "resume_variant", "pin"):
        with pytest.raises(NotFound, match=allowed):
            wheel(wish, "helo")


def test_a_stopped_campaign_cannot_be_paused_for_that_would_be_less(wheel: Wheel) -> None:
    wheel("stop")
    entries = len(wheel.trail)
    with pytest.raises(Conflict, match="found it stopped; allowed"):
        wheel("pause")
    assert wheel.controls.status is Status.STOPPED
    assert len(wheel.trail) == entries


def test_resuming_lifts_what_a_metric_stopped_and_its_evidence_counts_no_more(wheel: Wheel) -> None:
    wheel.put(STOPPED_BY_A_METRIC)
    done = wheel("resume")
    assert done.controls == replace(
        STOPPED_BY_A_METRIC, status=Status.RUNNING, alerted={}, watched_since={"": wheel.house.now}
    )
    assert "held" in done.sentence
    assert "unsubscribed 14 of 1,200" in wheel.trail[-1].entry.before


def test_resuming_what_a_person_paused_forgets_no_evidence(wheel: Wheel) -> None:
    wheel("pause")
    assert wheel("resume").controls.watched_since == {}


def test_an_interrupted_stage_of_the_rollout_begins_again(wheel: Wheel) -> None:
    wheel.put(Controls(stage=1, stage_since=wheel.house.now))
    wheel("pause")
    wheel.house.later(2 * DAY)
    assert wheel("resume").controls.stage_since == wheel.house.now


def test_whoever_resumes_a_variant_vouches_for_it(wheel: Wheel) -> None:
    wheel.put(Controls(paused={"hello": "unsubscribed 14 of 1,200", "ten-percent": "bob: no"}))
    done = wheel("resume_variant", "hello")
    assert done.controls.paused == {"ten-percent": "bob: no"}
    assert done.controls.watched_since == {"hello": wheel.house.now}
    assert wheel.trail[-1].entry.subject == "winback/hello"
    assert not wheel("resume_variant", "hello").changed


def test_a_paused_variant_that_the_documents_no_longer_have_can_still_be_resumed(wheel: Wheel) -> None:
    wheel.put(Controls(paused={"former": "bob: no"}))
    assert wheel("resume_variant", "former").controls.paused == {}


def test_a_variant_that_may_not_be_chosen_cannot_be_pinned(
    wheel: Wheel, files: Mapping[str, str], edited: Callable[..., Any]
) -> None:
    wheel("pause_variant", "hello")
    with pytest.raises(Conflict, match="winback/hello: found it paused"):
        wheel("pin", "hello")
    wheel.house.apply(edited(files, "strategy.yaml", ("{required: false}", "{required: true}")))
    with pytest.raises(Conflict, match="winback/ten-percent: found words nobody has approved"):
        wheel("pin", "ten-percent")
    assert wheel.controls.pinned is None


def test_a_pinned_variant_can_be_paused_and_the_answer_says_what_follows(wheel: Wheel) -> None:
    wheel("pin", "hello")
    assert "get nothing" in wheel("pause_variant", "hello").sentence


def test_a_yes_to_a_stage_that_is_not_the_next_one_is_refused(wheel: Wheel) -> None:
    with pytest.raises(Conflict, match="stage: found 3; allowed the next one, 2"):
        wheel("advance", stage=3)
    assert wheel("advance", stage=2).controls.stage_approved == 1
    wheel.put(Controls(stage=2, stage_since=1))
    with pytest.raises(Conflict, match=r"rollout: found stage 3 of 3 \(100 % of recipients\)"):
        wheel("advance")
    with pytest.raises(Conflict, match="found none in the documents of campaign newsletter"):
        wheel("advance", campaign="newsletter")


def test_a_yes_says_when_the_stage_begins(wheel: Wheel) -> None:
    for controls, when in (
        (Controls(stage_since=1), "at the next refresh"),
        (UNTOUCHED, "once the stage before has lasted its time"),
        (Controls(stage_since=1, held=True), "once the rollout is released"),
    ):
        wheel.put(controls)
        assert wheel("advance").sentence == f"stage 2 of 3 (50 % of recipients) begins {when}"


def test_releasing_a_rollout_answers_its_alarms(wheel: Wheel) -> None:
    wheel.put(Controls(held=True, stage_since=1, alerted={"unsubscribed": "too many"}))
    done = wheel("release")
    assert done.controls.alerted == {}
    assert done.controls.watched_since == {"outcome/unsubscribed": wheel.house.now}


def test_answering_alarms_leaves_the_campaign_as_it_is(wheel: Wheel) -> None:
    wheel.put(Controls(alerted={"unsubscribed": "too many", "complained": "far too many"}))
    done = wheel("acknowledge")
    assert done.controls == Controls(
        watched_since={"outcome/unsubscribed": wheel.house.now, "outcome/complained": wheel.house.now}
    )
    assert "too many; far too many" in wheel.trail[-1].entry.before
    assert not wheel("acknowledge").changed


def test_every_review_counts_and_says_when_the_last_one_was(wheel: Wheel) -> None:
    wheel("review")
    wheel.house.later(DAY)
    done = wheel("review")
    assert done.changed
    assert done.controls.reviewed_at == wheel.house.now
    assert wheel.trail[-1].entry.before == wheel.trail[-2].entry.after


def test_refusing_one_wish_leaves_others_of_the_transaction_alone(wheel: Wheel) -> None:
    deployment, said = wheel.house.deployment, {"actor": "ann", "note": "because", "now": wheel.house.now}
    with deployment.store.writing() as ledger:
        steering.pause_variant(ledger, deployment.live, "winback", "hello", **said)
        with pytest.raises(Conflict):
            steering.pin(ledger, deployment.live, "winback", "hello", **said)
        steering.stop(ledger, deployment.live, "winback", **said)
    assert (wheel.controls.status, set(wheel.controls.paused)) == (Status.STOPPED, {"hello"})
    assert [link.entry.action for link in wheel.trail[-2:]] == ["pause", "stop"]


def test_a_stop_reaches_every_other_worker_before_its_next_decision(wheel: Wheel, second_worker: Any) -> None:
    assert wheel.house.decided("before").decision.reason != "campaign_stopped"
    Wheel(second_worker)("stop")
    after = wheel.house.decided("after").decision
    assert (after.variant_id, after.reason) == (None, "campaign_stopped")
    Wheel(second_worker)("resume")
    assert wheel.house.decided("again").decision.reason != "campaign_stopped"


def test_a_paused_variant_is_chosen_by_no_worker_and_says_why(wheel: Wheel, second_worker: Any) -> None:
    wheel.house.apply()  # without the rollout
    Wheel(second_worker)("pause_variant", "ten-percent")
    for answer in wheel.house.learning(20):
        assert answer.decision.variant_id != "ten-percent"
        assert answer.decision.blocked["ten-percent"] == "variant_paused"


def test_people_who_steer_at_once_through_different_workers_lose_no_wish(wheel: Wheel, second_worker: Any) -> None:
    other = Wheel(second_worker)
    entries, barrier, failures = len(wheel.trail), Barrier(2, timeout=20), []

    def work(mine: Wheel, variants: list[str]) -> None:
        try:
            barrier.wait()
            for _ in range(5):
                for variant in variants:
                    mine("pause_variant", variant)
                    mine("resume_variant", variant)
            mine("pause_variant", variants[0])
        except BaseException as error:  # shown below
            failures.append(error)

    threads = [Thread(target=work, args=(wheel, ["hello"])), Thread(target=work, args=(other, ["ten-percent"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert set(wheel.controls.paused) == {"hello", "ten-percent"}
    trail = wheel.trail
    assert len(trail) == entries + 22
    assert all(link.is_intact and link.number == place for place, link in enumerate(trail, start=1))


def test_the_standing_says_what_people_are_asked_for(
    wheel: Wheel, files: Mapping[str, str], edited: Callable[..., Any]
) -> None:
    reviewed = edited(files, "strategy.yaml", ("approval:", "review: {every: P14D, when_overdue: freeze}\napproval:"))
    wheel.house.apply(edited(reviewed, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", ROLLOUT)))
    wheel.put(Controls(stage_since=wheel.house.now, held=True, reviewed_at=wheel.house.now - 14 * DAY))
    with wheel.house.deployment.store.reading() as ledger:
        found = standing(ledger, wheel.house.deployment.live, "winback", wheel.house.now)
        plain = standing(ledger, wheel.house.deployment.live, "newsletter", wheel.house.now)
    assert found.rollout is not None
    assert (found.rollout.stage, found.rollout.stages, found.rollout.share) == (1, 3, 0.1)
    assert found.rollout.waits_for == ("held_by_breach", "time", "approval")
    assert found.review is not None
    assert (found.review.due_at, found.review.overdue) == (wheel.house.now, True)
    assert plain.rollout is None
