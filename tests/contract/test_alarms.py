"""Alarms about the learning, through the service: dead pipelines freeze it, late outcomes are exact, all told once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import DAY, HOUR, Instant, bucket
from optimizer.domain.statistics import DECIDED, Cell, Sums, delay_metric
from optimizer.engine.beliefs import posterior_of
from optimizer.engine.gathering import evidence_of
from optimizer.services.live import DOCUMENTS
from optimizer.services.oversight import steering
from optimizer.services.oversight.overseeing import standing, standing_json
from optimizer.services.reports.reporting import report

EACH = 40  # decisions of each variant in an hour


@dataclass
class Shop:
    """One campaign whose statistics are written directly, by the hour, on a clock that is moved."""

    house: Any

    def sold(self, start: Instant, hours: int, *rates: float, objective: str = "buy") -> None:
        """So many hours of decisions, and outcomes at these rates a few hours later."""
        self._write(start, hours, rates, EACH, objective)

    def late(self, start: Instant, hours: int, *rates: float) -> None:
        """Outcomes of hours of which only decisions were known."""
        self._write(start, hours, rates, 0, "buy")

    def _write(self, start: Instant, hours: int, rates: tuple[float, ...], sent: int, objective: str) -> None:
        with self.house.deployment.store.writing() as ledger:
            tactic = self.house.deployment.live.at(ledger).tactic("winback")
            for hour in range(hours):
                at = bucket(start) + hour * HOUR
                for variant, content_hash, rate in zip(tactic.variant_ids, tactic.content_hashes, rates, strict=True):
                    n = round(EACH * rate)
                    sums = {
                        DECIDED: Sums(sent, 0, 0, 0),
                        f"reward:{objective}": Sums(sent, n, n * 1_000_000, n * 1_000_000),
                        "outcome:purchase": Sums(n, n, 0, 0),
                        delay_metric(objective, delay_bin(HOUR // 2)): Sums(n, 0, 0, 0),
                    }
                    ledger.statistics.pending.add(
                        (Cell("winback", "lapsed", variant, content_hash, "learning", metric, at), one)
                        for metric, one in sums.items()
                        if one != Sums(0, 0, 0, 0)
                    )

    def hours(self, n: int, *rates: float) -> Any:
        """Hour after hour of decisions, and a refresh at the end of each; the last snapshot."""
        snapshot = None
        for _ in range(n):
            self.sold(self.house.now, 1, *rates)
            self.house.later(HOUR)
            snapshot = self.house.learn()
        return snapshot

    def acknowledge(self) -> None:
        deployment = self.house.deployment
        with deployment.store.writing() as ledger:
            steering.acknowledge(
                ledger, deployment.live, "winback", actor="ann", note="looking into it", now=self.house.now
            )

    @property
    def controls(self) -> Controls:
        with self.house.deployment.store.reading() as ledger:
            return ledger.controls.all().get("winback", UNTOUCHED)

    @property
    def actions(self) -> list[str]:
        """What was done by nobody in person, oldest first."""
        with self.house.deployment.store.reading() as ledger:
            return [link.entry.action for link in ledger.audit.stream() if link.entry.actor == "optimizer"]

    @property
    def belief(self) -> dict[str, Any]:
        """What the policy makes of everything that is known, as if it had learned it just now."""
        with self.house.deployment.store.reading() as ledger:
            tactic = self.house.deployment.live.at(ledger).tactic("winback")
            evidence = evidence_of(tactic, list(ledger.statistics.of_campaign("winback")))
            latest = ledger.snapshots.latest("winback")
            return dict(posterior_of(tactic, evidence, self.house.now, None, latest.number).belief.arrays)


@pytest.fixture
def shop(house: Any) -> Shop:
    """Ten days have gone well."""
    house.apply()
    found = Shop(house)
    found.sold(house.now - 240 * HOUR, 240, 0.05, 0.05, 0.05)
    house.later(HOUR)
    house.learn()
    found.hours(2, 0.05, 0.05, 0.05)
    return found


def test_a_dead_pipeline_freezes_learning_and_what_was_missing_counts_exactly_when_it_comes(shop: Shop) -> None:
    died_at, before = shop.house.now, shop.house.learn()
    snapshots = [shop.hours(1, 0.0, 0.0, 0.0) for _ in range(14)]
    assert shop.controls.silent_since == died_at
    (sentence,) = shop.controls.alerted.values()
    assert "no outcome of any kind since" in sentence
    assert "web hook" in sentence
    assert shop.actions.count("alert") == shop.actions.count("freeze") == 1
    frozen = snapshots[-1]
    assert snapshots[0].number > before.number, "at first nobody knows"
    for _ in range(20):
        assert shop.hours(1, 0.0, 0.0, 0.0).number == frozen.number
    shop.late(died_at, 34, 0.05, 0.10, 0.05)
    learned = shop.house.learn()
    assert learned.number == frozen.number + 1
    for name, array in shop.belief.items():
        if name != "seed":
            np.testing.assert_allclose(learned.belief.arrays[name], array, rtol=1e-12)
    assert shop.controls.silent_since is None
    assert shop.actions.count("thaw") == 1


def test_a_report_expects_nothing_less_because_nothing_is_reported(shop: Shop) -> None:
    def expected() -> list[float]:
        with shop.house.deployment.store.reading() as ledger:
            found = report(ledger, shop.house.deployment.live, "winback", shop.house.now).segments
        return [variant.at_maturity.value for segment in found for variant in segment.variants if variant.at_maturity]

    shop.hours(14, 0.0, 0.0, 0.0)
    assert shop.controls.silent_since is not None
    before = expected()
    assert before
    shop.hours(20, 0.0, 0.0, 0.0)
    assert shop.controls.silent_since is not None
    assert expected() == before


@pytest.mark.slow
def test_the_alarm_waits_for_an_answer_and_the_answer_does_not_thaw(shop: Shop) -> None:
    frozen = shop.hours(14, 0.0, 0.0, 0.0)
    shop.acknowledge()
    assert shop.controls.alerted == {}
    assert shop.hours(6, 0.0, 0.0, 0.0).number == frozen.number
    assert shop.controls.alerted == {}
    assert shop.hours(3, 0.05, 0.05, 0.05).number > frozen.number
    shop.hours(40, 0.0, 0.0, 0.0)
    assert shop.actions.count("alert") == 2, "it went away and came back"


@pytest.mark.parametrize("delay", ["estimated", "ignored"])
def test_documents_applied_during_a_silence_learn_only_from_what_was_known_when_it_began(
    shop: Shop, files: Mapping[str, str], edited: Callable[..., Any], delay: str
) -> None:
    known = dict(shop.house.learn().belief.arrays)
    frozen = shop.hours(24, 0.0, 0.0, 0.0)
    more = ("  - {id: hello, subject: How are you}\n", "  - {id: hello, subject: Hi}\n  - {id: late, subject: Late}\n")
    policy = ("policy: {floor: 0.05}", f"policy: {{floor: 0.05, delay: {delay}}}")
    shop.house.apply(edited(files, "campaigns/winback.yaml", more, policy))
    joined = shop.house.learn()
    assert joined.number == frozen.number + 1
    assert joined.variant_ids == ("ten-percent", "new-arrivals", "hello", "late")
    for name in ("alpha", "beta"):
        found, before = joined.belief.arrays[name], known[name]
        # Less one hour of 240, or with those of late whose rewards would not all have come; the silence has 24 more.
        np.testing.assert_allclose(found[0, :2], before[0, :2], rtol=0.01)
        np.testing.assert_array_equal(found[0, 2:], 1.0, err_msg="new words, and a new arm")
    assert shop.controls.silent_since is not None
    assert shop.hours(3, 0.0, 0.0, 0.0, 0.0).number == joined.number
    assert shop.hours(1, 0.05, 0.05, 0.05, 0.05).number > joined.number


def test_people_see_why_learning_stands_still(shop: Shop) -> None:
    shop.hours(14, 0.0, 0.0, 0.0)
    deployment = shop.house.deployment
    with deployment.store.reading() as ledger:
        found = standing_json(standing(ledger, deployment.live, "winback", shop.house.now))
    assert "learning is frozen" in found["alerts"]["silence"]
    assert found["silent_since"] is not None


@pytest.mark.slow
def test_nights_without_sends_are_no_silence(shop: Shop) -> None:
    for _ in range(72):
        shop.house.later(HOUR)
        shop.house.learn()
    assert shop.controls.silent_since is None
    assert shop.controls.alerted == {}


def test_refreshes_that_only_listen_make_no_worker_read_its_documents_again(shop: Shop) -> None:
    def documents() -> int:
        with shop.house.deployment.store.reading() as ledger:
            return int(ledger.revisions.all()[DOCUMENTS])

    before, heard = documents(), shop.controls.hearing
    shop.hours(3, 0.05, 0.05, 0.05)
    assert shop.controls.hearing != heard
    assert documents() == before


def test_a_campaign_that_does_not_ask_for_the_alarm_learns_on(
    shop: Shop, files: Mapping[str, str], edited: Callable[..., Any]
) -> None:
    policy = ("policy: {floor: 0.05}", "policy: {floor: 0.05, alarms: [collapse]}")
    frozen = shop.hours(14, 0.0, 0.0, 0.0)
    shop.house.apply(edited(files, "campaigns/winback.yaml", policy))
    assert shop.hours(2, 0.0, 0.0, 0.0).number > frozen.number
    assert shop.controls.silent_since is None


def test_an_unconnected_web_hook_is_told_without_freezing(
    house: Any, files: Mapping[str, str], edited: Callable[..., Any]
) -> None:
    house.apply(edited(files, "campaigns/winback.yaml", ("serves: buy", "serves: opens")))
    shop = Shop(house)
    shop.sold(house.now, 24, 0.0, 0.0, 0.0, objective="opens")
    for _ in range(3):
        house.later(DAY)
        house.learn()
    assert "has ever come" in shop.controls.alerted["silence"]
    assert shop.controls.silent_since is None
    assert shop.actions == ["alert"]


def test_an_hour_of_machines_raises_an_alarm_that_names_it_once(house: Any) -> None:
    house.apply()
    shop = Shop(house)
    shop.sold(house.now - 48 * HOUR, 48, 0.05, 0.05, 0.05)
    shop.hours(1, 0.05, 0.05, 0.05)
    assert shop.controls.alerted == {}
    shop.hours(1, 0.05, 0.9, 0.05)
    assert list(shop.controls.alerted) == ["collapse"]
    sentence = shop.controls.alerted["collapse"]
    assert "the one hour that began" in sentence
    assert "new-arrivals is taken for the best in segment lapsed" in sentence
    shop.acknowledge()
    shop.hours(3, 0.05, 0.05, 0.05)
    assert shop.actions.count("alert") == 1


def test_a_variant_that_changes_is_told_with_a_proposal_and_nothing_is_reset(
    shop: Shop, files: Mapping[str, str], edited: Callable[..., Any]
) -> None:
    policy = ("policy: {floor: 0.05}", "policy: {floor: 0.05, alarms: [change]}")
    shop.house.apply(edited(files, "campaigns/winback.yaml", policy))
    start = shop.house.now
    shop.sold(start, 6 * 24, 0.05, 0.20, 0.05)
    for day in range(6):
        shop.house.now = start + (day + 1) * DAY
        shop.house.learn()
    assert list(shop.controls.alerted) == ["change"]
    assert "new-arrivals seems to have changed since" in shop.controls.alerted["change"]
    assert "half_life" in shop.controls.alerted["change"]
    assert shop.actions.count("alert") == 1
    shop.acknowledge()
    shop.house.later(DAY)
    shop.house.learn()
    assert shop.controls.alerted == {}
