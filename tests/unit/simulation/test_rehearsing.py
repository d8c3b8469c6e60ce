"""Rehearsals: what they promise about chance, guardrails, delays, people and what they measure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.contract.documents_at_random import (
    DURATIONS,
    NAME_THAT_BREAKS_THE_BRAND,
    SECOND,
    edition_at_random,
    label,
    most_in_a_window_around,
)
from tests.unit.simulation.small_worlds import SmallWorld, people

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.snapshot import Snapshot
from optimizer.engine.allocations import FixedShares
from optimizer.engine.learning import next_snapshot
from optimizer.engine.tactic import Tactic
from optimizer.errors import DocumentError
from optimizer.simulation.rehearsing import Chooser, Plan, rehearse
from optimizer.simulation.runs import Run
from optimizer.simulation.world import Events
from optimizer.strategy.workspace import Workspace, read_workspace

NOON: Instant = 1_790_000_000 * 1_000_000
RATES = np.array([[0.10, 0.20, 0.05, 0.0], [0.15, 0.05, 0.08, 0.0]])


def documents(strategy: Mapping[str, Any] | None = None, **campaign: Any) -> Workspace:
    """Two segments, three variants, a tenth held out; with some keys more, or other values."""
    first = {
        "strategy": "acme",
        "currency": "USD",
        "time_zone": "UTC",
        "objectives": [{"id": "visits", "reward": {"outcome": "visit", "value": "first"}, "attribution_window": "P2D"}],
        "attributes": {"newbie": {"type": "boolean"}},
        "approval": {"required": False},
    }
    second = {
        "campaign": "winback",
        "serves": "visits",
        "channel": "email",
        "messages": [{"id": name, "subject": name} for name in ("mens", "womens", "plain")],
        "control": {"message": "plain"},
        "segments": [{"id": "new", "when": {"newbie": True}}],
        "everyone_else": "include",
        "holdout": {"share": 0.1},
        "policy": {"floor": 0.0, "refresh": "PT1H"},
    }
    files = {"strategy.yaml": first | dict(strategy or {}), "campaigns/winback.yaml": second | campaign}
    return read_workspace({path: json.dumps(written) for path, written in files.items()})


def world(per_hour: float = 60, n: int = 4000, **more: Any) -> SmallWorld:
    rates = {"visit": RATES} | more.pop("rates", {})
    return SmallWorld(rates, people(n, {"newbie": True}, {"newbie": False}), per_hour, **more)


def rehearsed(
    workspace: Workspace,
    met: SmallWorld,
    chooser: Chooser = "learning",
    *,
    days: float = 2,
    seed: int = 0,
    replication: int = 0,
    **plan: Any,
) -> Run:
    when = Plan(NOON, NOON + int(days * DAY), **plan)
    campaign = workspace.campaigns["winback"]
    return rehearse(workspace.strategy, campaign, met, when, chooser, seed=seed, replication=replication)


def bits(value: Any) -> Any:
    """Everything in a run, for comparing it to the last bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(bits(getattr(value, one.name)) for one in fields(value))
    return value


def test_equal_seeds_give_equal_runs_to_the_last_bit_and_others_do_not() -> None:
    first, again = (rehearsed(documents(), world(), seed=3, replication=5) for _ in range(2))
    assert bits(first) == bits(again)
    others = [rehearsed(documents(), world(), seed=seed, replication=n) for seed, n in ((3, 6), (4, 5), (5, 3))]
    assert len({(run.reward, run.decisions) for run in [first, *others]}) == 4


def test_all_choosers_meet_the_same_people_and_hold_out_the_same() -> None:
    runs = [
        rehearsed(documents(), world(), chooser)
        for chooser in ("learning", FixedShares.uniform(2, 3), FixedShares.always(0, 2, 3))
    ]
    assert len({run.curves.decisions.tobytes() for run in runs}) == 1
    assert len({run.reasons["holdout"] for run in runs}) == 1
    assert len({run.reward for run in runs}) == 3


def test_fixed_shares_are_kept_and_one_variant_alone_is_sent_to_all() -> None:
    run = rehearsed(documents(holdout={"share": 0}), world(), FixedShares.always(1, 2, 3))
    assert set(run.reasons) == {"exploit"}
    assert (run.allocation.shares == [0, 1, 0]).all()
    best = RATES.max(axis=1) - RATES[:, 1]  # types come equally often
    assert run.regret == pytest.approx(run.decisions * best.mean(), rel=0.1)


def test_shares_of_what_a_rule_has_removed_go_to_the_others_and_nothing_is_sent_without_any() -> None:
    narrowed = documents({"approval": {"required": True}})
    halves = FixedShares([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
    run = rehearsed(narrowed, world(), halves, approved=frozenset({"womens", "plain"}))
    assert (run.allocation.shares == [0, 0.5, 0.5]).all()
    assert run.blocks == {"not_approved": run.decisions}
    nobody = rehearsed(narrowed, world(), FixedShares.always(0, 2, 3), approved=frozenset({"womens", "plain"}))
    assert set(nobody.reasons) == {"holdout", "no_eligible_variant"}
    assert nobody.sends == nobody.reasons["holdout"]
    only = rehearsed(narrowed, world(), FixedShares.always(1, 2, 3), approved=frozenset({"womens"}))
    assert only.regret == 0.0  # a better variant that may not be sent is not missed
    assert nobody.regret > 100


def test_learning_misses_less_than_an_equal_split_and_finds_the_best_in_each_segment() -> None:
    learning, uniform = (
        rehearsed(documents(), world(), who, days=3) for who in ("learning", FixedShares.uniform(2, 3))
    )
    assert 0 < learning.regret < 0.4 * uniform.regret
    assert learning.expected_reward > uniform.expected_reward
    assert learning.prob_best.argmax(axis=1).tolist() == RATES[:, :3].argmax(axis=1).tolist()
    assert all(days is not None and 0 < days < 3 for days in learning.days_to_answer)
    assert (learning.curves.regret >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("control", [{"message": "plain"}, "nothing"])
def test_the_lift_that_is_measured_is_the_true_one_within_its_error(control: Any) -> None:
    runs = [
        rehearsed(documents(control=control, holdout={"share": 0.3}), world(), days=3, step=4 * HOUR, replication=n)
        for n in range(12)
    ]
    lifts = [run.lift for run in runs]
    assert all(lift is not None and lift.true > 0.03 for lift in lifts)
    deviations = np.array([(lift.measured - lift.true) / lift.standard_error for lift in lifts if lift])
    assert np.abs(deviations).max() < 4
    assert 0.4 < deviations.std(ddof=1) < 1.8  # twelve of them: the error is neither too small nor too large
    assert abs(deviations.mean()) < 4 / 12**0.5


def test_without_holdouts_there_is_no_measured_lift() -> None:
    assert rehearsed(documents(holdout={"share": 0}), world(), days=0.2).lift is None


@pytest.mark.parametrize("half_life", ["never", "P1D"])
def test_what_comes_later_is_learned_later(half_life: str) -> None:
    """Visits come exactly 30 hours after the decision: until the first are known the allocation cannot know them."""
    policy = documents(policy={"floor": 0.0, "refresh": "PT1H", "half_life": half_life}, serves="visits")
    late = rehearsed(policy, world(delays={"visit": 30 * HOUR}, punctual=True), days=2)
    soon = rehearsed(policy, world(), days=2)
    hours = (late.allocation.at - NOON) // HOUR
    assert np.abs(late.allocation.shares[(hours >= 8) & (hours < 30)] - 1 / 3).max() < 0.15  # the first are few
    assert late.allocation.shares[hours >= 36].max() > 0.75
    assert soon.allocation.shares[hours < 30].max() > 0.9
    assert late.regret > 2 * soon.regret
    assert late.outcomes["visit"] == late.reward  # all of them fall into the window, and are heard of in the end


@pytest.mark.parametrize(("longest", "by_hour"), [(20_000_000, False), (5 * HOUR, True)])
def test_evidence_tells_the_hours_apart_once_a_reward_was_late(
    monkeypatch: pytest.MonkeyPatch, longest: int, by_hour: bool
) -> None:
    seen: list[Evidence] = []

    def learned(tactic: Tactic, evidence: Evidence, *more: Any) -> Snapshot:
        seen.append(evidence)
        return next_snapshot(tactic, evidence, *more)

    monkeypatch.setattr("optimizer.simulation.rehearsing.next_snapshot", learned)
    rehearsed(documents(holdout={"share": 0}), world(delays={"visit": longest}), days=1)
    assert {len(evidence.buckets) > 1 for evidence in seen[4:]} == {by_hour}
    assert [evidence.delays.sum() for evidence in seen] == [evidence.positives.sum() for evidence in seen]
    assert (np.diff([evidence.trials.sum() for evidence in seen]) > 0).all()


def test_outcomes_after_their_window_are_heard_of_and_earn_nothing() -> None:
    run = rehearsed(documents(), world(delays={"visit": 3 * DAY}, punctual=True), days=1)
    assert run.outcomes["visit"] > 50
    assert run.reward == 0.0
    assert (run.mean < 0.01).all()  # one imagined success among hundreds of trials


def test_who_unsubscribes_is_sent_nothing_from_the_next_step_on() -> None:
    met = world(n=200, rates={"unsubscribed": np.full((2, 4), 0.2)}, delays={"unsubscribed": 5 * HOUR})
    run = rehearsed(documents(), met, days=3)
    gone = {who: at for who, kind, at in sorted(met.came, reverse=True) if kind == "unsubscribed"}  # the first of each
    assert len(gone) > 150
    assert all(at < gone[who] + HOUR for who, _, at in met.sent if who in gone)
    assert run.reasons["recipient_suppressed"] > 1000


def test_a_message_that_was_never_sent_gives_the_contact_back() -> None:
    policy = {"contact_policy": [{"at_most": 1, "per": "P7D"}]}
    sent = rehearsed(documents(policy), world(n=300), days=1)
    assert sent.sends <= 300
    withdrawn = rehearsed(documents(policy), world(n=300, rates={"withdrawn": np.ones((2, 4))}), days=1)
    assert withdrawn.reasons["contact_policy"] < 0.2 * withdrawn.decisions  # those who came twice in the same hour
    assert withdrawn.sends > 1000
    assert withdrawn.reward == 0.0


def test_the_world_is_told_how_many_messages_each_recipient_has_had() -> None:
    counts: Counter[int] = Counter()

    class Remembering(SmallWorld):
        def events(
            self,
            recipients: NDArray[np.int64],
            arms: NDArray[np.int64],
            earlier: NDArray[np.int64],
            at: Instant,
            rng: np.random.Generator,
        ) -> Events:
            for who, arm, before in zip(recipients.tolist(), arms.tolist(), earlier.tolist(), strict=True):
                assert counts[who] == before
                counts[who] += arm >= 0
            return super().events(recipients, arms, earlier, at, rng)

    met = Remembering({"visit": RATES}, people(40, {"newbie": True}, {"newbie": False}), per_hour=60)
    run = rehearsed(documents(control="nothing"), met, days=0.5)
    assert sum(counts.values()) == run.sends < run.decisions
    assert max(counts.values()) > 5


@pytest.mark.parametrize(("cost", "due"), [("0.02 USD", 1.0), ("0.02 USD per visit", None)])
def test_spend_is_what_is_due_and_never_above_the_budget(cost: str, due: float | None) -> None:
    costly = documents({"channels": {"email": {"cost": cost}}}, budget={"daily": "6 USD"})
    run = rehearsed(costly, world(), days=3)
    assert run.over_budget == 0
    assert run.reasons["budget_exhausted"] > 100
    assert run.spend == pytest.approx(0.02 * (run.sends if due else run.outcomes["visit"]))
    assert run.curves.spend.max() <= 4 * 6.0  # three days of 24 hours touch four dates
    assert (np.diff(run.curves.spend) >= 0).all() == (due is not None)  # reservations are given back


def test_a_paced_budget_keeps_to_its_course() -> None:
    costs = {"channels": {"email": {"cost": "0.02 USD"}}}
    when = {"starts": "2026-09-22", "ends": "2026-09-25"}
    costly = documents(costs, budget={"total": "40 USD", "pacing": "even"}, holdout={"share": 0}, **when)
    workspace, starts = costly, 1_790_035_200 * 1_000_000
    plan = Plan(starts, starts + 4 * DAY, step=HOUR // 2)
    run = rehearse(workspace.strategy, workspace.campaigns["winback"], world(per_hour=60), plan)
    curves = run.curves
    assert run.spend == pytest.approx(40, rel=0.02)
    assert run.spend <= 40
    assert run.reasons["withheld"] > 1000
    assert np.abs(curves.paced_spend - curves.pacing_target).max() < 0.04 * 40
    assert np.nanmax(curves.price) > 0
    assert curves.pacing_target[-1] == 40
    assert curves.spend == pytest.approx(curves.paced_spend)


def test_a_rollout_goes_on_by_itself_and_by_people_who_take_their_time() -> None:
    stages = [{"share": 0.1, "for": "PT12H"}, {"share": 0.5}, {"share": 1.0, "requires": ["approval"]}]
    run = rehearsed(documents(rollout=stages), world(), days=3, reaction=20 * HOUR)
    # It begins once something was sent, an hour in. The second stage ends with a yes, which is asked for an hour later.
    assert [(at - NOON) // HOUR for at in run.stages] == [1, 13, 34]
    assert [event.action for event in run.events] == [
        "begin rollout", "advance rollout", "approve stage", "advance rollout"
    ]  # fmt: skip
    assert rehearsed(documents(rollout=stages), world(), days=3, reaction=None).stages == run.stages[:2]


def test_a_review_that_is_overdue_stops_the_campaign_until_people_look() -> None:
    review = {"review": {"every": "P1D", "when_overdue": "stop"}}
    never = rehearsed(documents(review), world(), days=3, reaction=None)
    assert never.reasons["review_overdue"] == never.curves.decisions[24:].sum()
    prompt = rehearsed(documents(review), world(), days=3, reaction=0)
    assert "review_overdue" not in prompt.reasons
    assert [event.action for event in prompt.events] == ["review", "review"]


def test_a_metric_pauses_the_variant_that_drives_people_away() -> None:
    metrics = {"guardrail_metrics": [{"outcome": "complained", "at_most": 0.02, "then": "pause_variant"}]}
    angry = {"complained": np.array([[0.3, 0.0, 0.0, 0.0]] * 2)}
    met = world(rates=angry)
    run = rehearsed(documents(metrics), met, days=1)
    (pause,) = run.events
    assert (pause.actor, pause.action, pause.subject) == ("optimizer", "pause", "winback/mens")
    assert "complained" in pause.sentence
    assert all(at < pause.at for _, arm, at in met.sent if arm == 0)
    after = run.allocation.at >= pause.at
    assert (run.allocation.shares[after][:, :, 0] == 0).all()
    assert (run.allocation.shares[~after][:, :, 0] > 0).any()


def test_curves_have_a_place_for_each_step_and_the_allocation_no_more_than_200() -> None:
    run = rehearsed(documents(), world(per_hour=20), days=1.01, step=HOUR // 12)
    assert len(run.curves.at) == 291
    assert all(len(curve) == 291 for curve in astuple(run.curves))
    assert len(run.allocation.at) == len(run.allocation.shares) == 200
    assert run.curves.decisions.sum() == run.decisions == sum(run.reasons.values())
    assert run.curves.rewards.sum() == pytest.approx(run.reward)
    assert run.allocation.shares.sum(axis=2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"end": 0}, "end: found 0; allowed an instant after the start, 0"),
        ({"step": 0}, "step: found 0 microseconds; allowed more than 0"),
        ({"reaction": -1}, "reaction: found -1 microseconds; allowed 0 or more"),
    ],
)
def test_a_plan_says_what_is_wrong_with_it(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Plan(**({"start": 0, "end": 1} | wrong))


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_no_guardrail_is_ever_broken(seed: int) -> None:
    """Documents at random, read a second time and more simply, against everything that was sent."""
    edition = edition_at_random(seed)
    edition.strategy["approval"] = {"required": False}
    files = {path: text for path, text in edition.files.items() if path != "campaigns/second.yaml"}
    try:
        workspace = read_workspace(files)
    except DocumentError:
        assume(False)  # a rule that another one makes pointless is refused
    names = edition.variant_ids("first")
    rates = {kind: np.full((6, len(names) + 1), rate) for kind, rate in (("purchase", 0.3), ("unsubscribed", 0.05))}
    known = [
        {"country": country, "first_name": name}
        for country in ("US", "GB")
        for name in ("Ann", "Bob", NAME_THAT_BREAKS_THE_BRAND)
    ]
    zones = ("America/New_York", None, "Asia/Kolkata", "Europe/London", "Europe/London")
    met = SmallWorld(rates, people(25, *known, zones=zones), per_hour=4)
    campaign = workspace.campaigns["first"]
    run = rehearse(workspace.strategy, campaign, met, Plan(NOON, NOON + 3 * DAY, step=3 * HOUR), seed=seed)
    assert run.over_budget == 0
    assert len(met.sent) == run.sends
    gone = {who: at for who, kind, at in sorted(met.came, reverse=True) if kind == "unsubscribed"}
    used: Counter[tuple[str, str, str]] = Counter()
    channel = edition.channel("first")
    for who, arm, at in met.sent:
        zone = met.people.zones[who]
        assert edition.open_at("first", at)
        assert edition.hours_allow("first", names[arm], None if zone is None else zone.key, at)
        assert at <= gone.get(who, at)
        assert channel not in edition.strategy.get("data", {}).get("consent_required", [])  # nobody has agreed
        assert edition.segment("first", met.people.attributes[who]) is not None
        if edition.strategy.get("brand") and edition.message("first", names[arm])["subject"].startswith("Hi {{"):
            assert met.people.attributes[who]["first_name"] != NAME_THAT_BREAKS_THE_BRAND
        at_once = edition.costs("first", names[arm]).get("decision", 0)
        for scope, span, _, _ in edition.limits("first"):
            period = label(span, at, edition.zone)
            used[scope, period, "sends"] += 1
            used[scope, period, "money"] += at_once
    counted_limits = Counter((scope, span) for scope, span, _, _ in edition.limits("first"))
    for scope, span, money, sends in edition.limits("first"):
        for period in {label(span, at, edition.zone) for _, _, at in met.sent}:
            times = counted_limits[scope, span]  # a limit on both was counted twice
            assert money is None or used[scope, period, "money"] <= money * times
            assert sends is None or used[scope, period, "sends"] <= sends * times
    for rule in edition.strategy.get("contact_policy", []):
        if channel in rule.get("channels", [channel]):
            per = DURATIONS[rule["per"]] * SECOND
            for who in {who for who, _, _ in met.sent}:
                instants = [at for one, _, at in met.sent if one == who]
                assert all(most_in_a_window_around(instants, at, per) <= rule["at_most"] for at in instants)
