"""Guardrail metrics act on running campaigns, and rollouts go on, hold and wait; only people undo what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import DAY, HOUR, bucket
from optimizer.domain.statistics import DECIDED, NOTHING, Cell, Sums
from optimizer.errors import NotFound
from optimizer.services.learning.watching import watch_campaign
from optimizer.services.live import DOCUMENTS
from optimizer.services.oversight import steering

METRICS = """\
approval: {required: false}
guardrail_metrics:
"""
VARIANT = "  - {outcome: unsubscribed, at_most: 0.01, confidence: 0.95, then: pause_variant}\n"
ALERT = "  - {outcome: unsubscribed, at_most: 0.01, confidence: 0.95, then: alert}\n"
STOP = "  - {outcome: unsubscribed, at_most: 0.02, confidence: 0.95, then: stop_campaign}\n"
COMPLAINED = "  - {outcome: complained, at_most: 0.01, confidence: 0.95, then: stop_campaign}\n"
ROLLOUT = """\
holdout: {share: 0.1}
rollout:
  - {share: 0.1, for: P3D}
  - {share: 0.5, for: P1D}
  - {share: 1.0, requires: [approval]}
"""


@dataclass
class Tower:
    """Watches one campaign of a house; what was seen is written into its statistics directly."""

    house: Any
    files: Mapping[str, str]
    edited: Callable[..., Any]

    def apply(self, *metrics: str, rollout: bool = False) -> None:
        files = self.files
        if metrics:
            lines = METRICS + "".join(metrics)
            files = self.edited(files, "strategy.yaml", ("approval: {required: false}\n", lines))
        if rollout:
            files = self.edited(files, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", ROLLOUT))
        self.house.apply(files)

    def seen(
        self,
        exposures: int,
        events: int,
        variant: str = "hello",
        *,
        kind: str = "unsubscribed",
        group: str = "learning",
        content_hash: str | None = None,
        objective: str = "buy",
    ) -> None:
        """So many exposures of a variant at the house's time, and how many of them had such an outcome."""
        with self.house.deployment.store.writing() as ledger:
            tactic = self.house.deployment.live.at(ledger).tactic("winback")
            if content_hash is None:
                hashes = dict(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
                content_hash = hashes.get(variant, "")
            sums = {
                DECIDED: Sums(exposures, 0, 0, 0),
                f"reward:{objective}": Sums(exposures, 0, 0, 0),
                f"outcome:{kind}": Sums(2 * events, events, 0, 0),  # each of them reported twice
            }
            at = bucket(self.house.now)
            ledger.statistics.pending.add(
                (Cell("winback", "lapsed", variant, content_hash, group, metric, at), n) for metric, n in sums.items()
            )

    def watch(self) -> tuple[str, ...]:
        deployment = self.house.deployment
        with deployment.store.writing() as ledger:
            return watch_campaign(ledger, deployment.live, "winback", self.house.now)

    def steer(self, wish: str, *what: str) -> None:
        deployment = self.house.deployment
        with deployment.store.writing() as ledger:
            getattr(steering, wish)(
                ledger, deployment.live, "winback", *what, actor="ann", note="because", now=self.house.now
            )

    @property
    def controls(self) -> Controls:
        with self.house.deployment.store.reading() as ledger:
            return ledger.controls.all().get("winback", UNTOUCHED)

    @property
    def written(self) -> tuple[Any, ...]:
        """Everything a watch could write."""
        with self.house.deployment.store.reading() as ledger:
            return ledger.controls.all(), ledger.revisions.all()[DOCUMENTS], len(list(ledger.audit.stream()))

    @property
    def entries(self) -> list[tuple[str, str, str]]:
        """Who did what to what, of everything that the watch has done, oldest first."""
        with self.house.deployment.store.reading() as ledger:
            links = list(ledger.audit.stream())
        assert all(link.is_intact for link in links)
        done = [link.entry for link in links if link.entry.actor == "optimizer"]
        assert all(entry.note for entry in done)
        return [(entry.action, entry.subject, entry.note) for entry in done]


@pytest.fixture
def tower(house: Any, files: Mapping[str, str], edited: Callable[..., Any]) -> Tower:
    return Tower(house, files, edited)


def test_a_variant_that_drives_people_away_is_paused_and_the_trail_says_why(tower: Tower) -> None:
    tower.apply(VARIANT)
    tower.seen(1_000, 30, "hello")
    tower.seen(1_000, 5, "ten-percent")
    before = tower.written
    (sentence,) = tower.watch()
    why = "unsubscribed 30 of 1,000 (3 %) is above 1 % with probability above 0.999"
    assert tower.controls == replace(UNTOUCHED, paused={"hello": why}, reviewed_at=tower.controls.reviewed_at)
    assert tower.entries == [("pause", "winback/hello", why)]
    assert why in sentence
    assert tower.written[1] == before[1] + 1, "every worker must hear of it"


def test_what_a_metric_has_done_it_does_not_do_again(tower: Tower) -> None:
    tower.apply(VARIANT, ALERT, STOP)
    tower.seen(1_000, 50)
    assert len(tower.watch()) == 3
    assert [action for action, _, _ in tower.entries] == ["pause", "alert", "stop"]
    written = tower.written
    tower.seen(1_000, 50)
    assert tower.watch() == ()
    assert tower.written == written


@pytest.mark.parametrize("events", [0, 1, 10, 12])
def test_nothing_is_written_while_nothing_is_wrong(tower: Tower, events: int) -> None:
    tower.apply(VARIANT, ALERT, STOP)
    tower.seen(1_000, events)
    written = tower.written
    assert tower.watch() == ()
    assert tower.written == written


def test_a_strategy_without_metrics_and_rollout_is_not_watched(tower: Tower) -> None:
    tower.seen(100, 100)
    written = tower.written
    assert tower.watch() == ()
    assert tower.written == written


def test_an_unknown_campaign_is_named(tower: Tower) -> None:
    deployment = tower.house.deployment
    with deployment.store.writing() as ledger, pytest.raises(NotFound, match="found 'nonsense'"):
        watch_campaign(ledger, deployment.live, "nonsense", tower.house.now)


def test_the_variants_of_a_campaign_are_judged_together_where_the_campaign_is_at_stake(tower: Tower) -> None:
    tower.apply(STOP, VARIANT.replace("unsubscribed", "complained"))
    for variant in ("hello", "ten-percent", "new-arrivals"):
        tower.seen(100, 4, variant)
    tower.watch()
    assert tower.controls.status is Status.STOPPED
    assert tower.entries[0][2].startswith("unsubscribed 12 of 300 (4 %) is above 2 %")


def test_everyone_to_whom_something_was_sent_counts_held_out_or_not(tower: Tower) -> None:
    tower.apply(ALERT)
    for group in ("learning", "campaign_holdout", "strategy_holdout", "outside_rollout", "chosen_by_people"):
        tower.seen(100, 3, group=group)
    tower.watch()
    assert tower.entries[0][2].startswith("unsubscribed 15 of 500 (3 %)")


def test_those_who_got_nothing_do_not_make_a_rate_look_better(tower: Tower) -> None:
    tower.apply(ALERT)
    tower.seen(100_000, 0, NOTHING, group="campaign_holdout", content_hash="")
    tower.seen(1_000, 30)
    tower.watch()
    assert "30 of 1,000" in tower.entries[0][2]


def test_exposures_count_whatever_objective_the_campaign_served_at_the_time(tower: Tower) -> None:
    tower.apply(ALERT)
    tower.seen(100_000, 0, objective="clicks")
    tower.seen(1_000, 30)
    assert tower.watch() == ()


def test_new_words_are_not_blamed_for_old_ones_but_the_campaign_is(tower: Tower) -> None:
    tower.apply(VARIANT, ALERT)
    tower.seen(1_000, 30, content_hash="as-it-was-before")
    tower.watch()
    assert tower.controls.paused == {}
    assert list(tower.controls.alerted) == ["unsubscribed"]


def test_outcomes_without_exposures_count_and_odd_sums_are_no_defect(tower: Tower) -> None:
    tower.apply(VARIANT, ALERT, COMPLAINED)
    tower.seen(-5, -5)
    tower.seen(0, -7, "former", content_hash="gone")
    tower.seen(0, 0, "nonsense", kind="no_such_outcome")
    assert tower.watch() == ()
    tower.seen(0, 40, "ten-percent")
    tower.watch()
    assert tower.controls.paused.keys() == {"ten-percent"}
    assert "unsubscribed 40 of 40 (100 %)" in tower.controls.paused["ten-percent"]


def test_a_resumed_variant_is_judged_by_what_comes_after(tower: Tower) -> None:
    tower.apply(VARIANT)
    tower.seen(1_000, 30)
    tower.watch()
    tower.house.later(HOUR)
    tower.steer("resume_variant", "hello")
    assert tower.watch() == ()
    tower.house.later(HOUR)
    tower.seen(1_000, 5)
    assert tower.watch() == ()
    tower.house.later(HOUR)
    tower.seen(1_000, 40)
    tower.watch()
    assert tower.controls.paused["hello"].startswith("unsubscribed 45 of 2,000")


def test_resuming_one_variant_forgives_no_other(tower: Tower) -> None:
    tower.apply(VARIANT)
    tower.house.later(HOUR)
    tower.steer("pause_variant", "hello")
    tower.seen(1_000, 30, "ten-percent")
    tower.house.later(HOUR)
    tower.steer("resume_variant", "hello")
    tower.watch()
    assert tower.controls.paused.keys() == {"ten-percent"}


def test_a_campaign_that_a_metric_stopped_and_a_person_resumed_starts_with_a_clean_slate(tower: Tower) -> None:
    tower.apply(STOP)
    tower.seen(1_000, 50)
    tower.watch()
    tower.house.later(HOUR)
    tower.steer("resume")
    assert tower.watch() == ()
    assert tower.controls.status is Status.RUNNING
    tower.house.later(HOUR)
    tower.seen(1_000, 50)
    tower.watch()
    assert tower.controls.status is Status.STOPPED
    assert [action for action, _, _ in tower.entries] == ["stop", "stop"]


def test_an_alarm_is_raised_once_until_somebody_answers_it_and_new_evidence_comes(tower: Tower) -> None:
    tower.apply(ALERT)
    tower.seen(1_000, 30)
    tower.watch()
    tower.house.later(HOUR)
    tower.steer("acknowledge")
    assert tower.watch() == ()
    tower.house.later(HOUR)
    tower.seen(1_000, 30)
    tower.watch()
    assert tower.controls.status is Status.RUNNING
    assert [action for action, _, _ in tower.entries] == ["alert", "alert"]


def test_answering_an_alarm_makes_no_metric_forget_that_stops_the_campaign(tower: Tower) -> None:
    tower.apply(ALERT, STOP)
    tower.seen(1_000, 22)
    tower.watch()
    assert [action for action, _, _ in tower.entries] == ["alert"]
    tower.house.later(2 * HOUR)
    tower.steer("acknowledge")
    tower.house.later(2 * HOUR)
    tower.seen(200, 14)
    tower.watch()
    assert tower.controls.status is Status.STOPPED
    assert any(note.startswith("unsubscribed 36 of 1,200") for action, _, note in tower.entries if action == "stop")


def test_a_breach_that_comes_while_a_person_has_stopped_the_campaign_is_still_told(tower: Tower) -> None:
    tower.apply(STOP)
    tower.steer("stop")
    tower.seen(1_000, 50)
    tower.watch()
    assert [action for action, _, _ in tower.entries] == ["alert"]
    tower.house.later(HOUR)
    tower.steer("resume")
    assert tower.watch() == ()
    assert tower.controls.status is Status.RUNNING


def test_a_breach_stops_a_paused_campaign(tower: Tower) -> None:
    tower.apply(STOP)
    tower.steer("pause")
    tower.seen(1_000, 50)
    tower.watch()
    assert tower.controls.status is Status.STOPPED


def test_a_rollout_begins_when_something_is_sent_and_goes_on_stage_by_stage(tower: Tower) -> None:
    tower.apply(rollout=True)
    written = tower.written
    assert tower.watch() == ()
    assert tower.written == written
    tower.house.later(30 * DAY)
    tower.seen(10, 0)
    tower.watch()
    assert (tower.controls.stage, tower.controls.stage_since) == (0, tower.house.now)
    tower.house.later(3 * DAY - 1)
    assert tower.watch() == ()
    tower.house.later(1)
    tower.watch()
    assert (tower.controls.stage, tower.controls.stage_since) == (1, tower.house.now)
    tower.house.later(30 * DAY)
    assert tower.watch() == ()  # the last stage needs a yes
    tower.steer("advance")
    tower.watch()
    assert tower.controls.stage == 2
    tower.house.later(30 * DAY)
    written = tower.written
    assert tower.watch() == ()
    assert tower.written == written
    assert [action for action, _, _ in tower.entries] == ["begin rollout", "advance rollout", "advance rollout"]


@pytest.mark.parametrize("metric", [VARIANT, ALERT, STOP])
def test_a_breach_holds_the_rollout_until_a_person_releases_it(tower: Tower, metric: str) -> None:
    tower.apply(metric, rollout=True)
    tower.seen(10, 0)
    tower.watch()
    tower.seen(1_000, 50)
    tower.house.later(3 * DAY)
    tower.watch()
    assert (tower.controls.stage, tower.controls.held) == (0, True)
    assert [action for action, _, _ in tower.entries][-1] == "hold rollout"
    tower.house.later(30 * DAY)
    assert tower.watch() == ()
    if metric == STOP:
        tower.steer("resume")
        assert tower.watch() == ()
        tower.house.later(3 * DAY)
    tower.steer("release")
    tower.watch()
    assert (tower.controls.stage, tower.controls.held) == (1, False)
    assert [action for action, _, _ in tower.entries][-1] == "advance rollout"


def test_an_alarm_nobody_has_answered_holds_a_rollout_that_begins_after_it(tower: Tower) -> None:
    tower.apply(ALERT)
    tower.seen(1_000, 50)
    tower.watch()
    tower.apply(ALERT, rollout=True)
    tower.watch()
    assert tower.controls.held
    tower.steer("release")
    assert tower.watch() == ()
    tower.house.later(3 * DAY)
    tower.watch()
    assert tower.controls.stage == 1


def test_a_rollout_does_not_go_on_while_nothing_is_sent(tower: Tower) -> None:
    tower.apply(rollout=True)
    tower.seen(10, 0)
    tower.watch()
    tower.steer("pause")
    tower.house.later(30 * DAY)
    assert tower.watch() == ()
    tower.steer("resume")
    assert tower.watch() == ()
    tower.house.later(3 * DAY)
    assert len(tower.watch()) == 1
    assert tower.controls.stage == 1


def test_a_campaign_that_is_over_does_not_grow(tower: Tower) -> None:
    tower.apply(rollout=True)
    tower.seen(10, 0)
    tower.watch()
    ended = tower.edited(tower.files, "campaigns/winback.yaml", ("holdout: {share: 0.1}\n", ROLLOUT))
    tower.house.apply(
        tower.edited(ended, "campaigns/winback.yaml", ("channel: email\n", "channel: email\nends: 2020-01-01\n"))
    )
    tower.house.later(30 * DAY)
    assert tower.watch() == ()


def test_learning_watches_and_the_next_decision_obeys(tower: Tower) -> None:
    tower.apply(VARIANT)
    answers = tower.house.learning(120)
    assert any(answer.decision.variant_id == "hello" for answer in answers)
    numbers = count(1)
    tower.house.record(
        *[
            tower.house.report(answer.decision.decision_id, "unsubscribed", event_id=f"u{next(numbers)}")
            for answer in answers
            if answer.decision.variant_id == "hello"
        ]
    )
    tower.house.learn()
    assert tower.controls.paused.keys() == {"hello"}
    assert all(answer.decision.variant_id != "hello" for answer in tower.house.learning(60))
    assert tower.house.verify().clean
