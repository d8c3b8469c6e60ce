"""The ledger under everything at once: whatever happens, the statistics are the fold and decisions recompute."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from optimizer.deployment import Deployment
from optimizer.domain.decision import Decision
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import Tally
from optimizer.engine.assessment import RewardRule, assess, contributions
from optimizer.engine.machines import MachineRule
from optimizer.settings import Settings

KINDS = st.sampled_from(
    ["purchase", "purchase", "clicked", "opened", "delivered", "exposed", "withdrawn", "bounced", "refund"]
)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "days": st.sampled_from([0, 89.5, 90, 5000]),
        "country": st.sampled_from(["US", "GB"]),
        "vip": st.booleans(),
    },
)
EXCLUDED = st.lists(st.sampled_from(["ten-percent", "hello", "new-arrivals", "one", "two"]), max_size=3).map(tuple)
REQUESTS = st.tuples(
    st.sampled_from([f"person-{n}" for n in range(30)]),
    st.sampled_from("abc"),
    st.sampled_from(["winback", "winback", "newsletter", "members", "nonsense"]),
    ATTRIBUTES,
    EXCLUDED,
    st.booleans(),
)
MOMENTS = st.sampled_from([-HOUR, -1, 0, 1, HOUR, DAY, 6 * DAY, 7 * DAY, 8 * DAY, 30 * DAY])


def machine_class(  # noqa: C901 - a machine is a class of many small rules
    files: dict[str, str], make_house: Any
) -> type[RuleBasedStateMachine]:
    """The machine, which needs the sample documents."""
    reworded = {**files, "campaigns/winback.yaml": files["campaigns/winback.yaml"].replace("How are you", "Hello you")}
    stricter = {**files, "strategy.yaml": files["strategy.yaml"].replace("required: false", "required: true")}
    fewer = {path: text for path, text in files.items() if "members" not in path}
    counting = {
        **files,
        "strategy.yaml": files["strategy.yaml"].replace("purchase, value: first", "purchase, value: count"),
    }
    editions = [files, reworded, stricter, fewer, counting]

    class Ledger(RuleBasedStateMachine):
        decisions = Bundle("decisions")
        reports = Bundle("reports")

        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            options = Settings(
                database_url=SecretStr(f"sqlite:///{self.folder.name}/ledger.db"), secret=SecretStr("s" * 32)
            )
            self.deployment = Deployment(Path(self.folder.name), options)
            self.house = make_house(self.deployment)
            self.house.apply(files)
            self.answers: dict[Any, Any] = {}

        def teardown(self) -> None:
            try:
                self.everything_agrees()
                for request, answer in self.answers.values():
                    assert self.house.decide(request) == [answer]
            finally:
                self.deployment.close()
                self.folder.cleanup()

        @initialize(target=decisions, asked=st.lists(REQUESTS, min_size=10, max_size=20))
        def begin(self, asked: list[tuple[Any, ...]]) -> Any:
            return self.ask(asked)

        @rule(target=decisions, asked=st.lists(REQUESTS, min_size=1, max_size=12))
        def decide(self, asked: list[tuple[Any, ...]]) -> Any:
            return self.ask(asked)

        def ask(self, asked: list[tuple[Any, ...]]) -> Any:
            requests = [
                self.house.request(recipient, request_id, campaign, attributes=attributes, excluded=out, deferred=later)
                for recipient, request_id, campaign, attributes, out, later in asked
            ]
            found = []
            for request, answer in zip(requests, self.house.decide(*requests), strict=True):
                if isinstance(answer, Exception):
                    continue
                key = (request.campaign_id, request.recipient, request.request_id)
                if key in self.answers:
                    assert self.answers[key][1] == answer, "a retried request got another answer"
                else:
                    self.answers[key] = (request, answer)
                    self.check(answer.decision)
                found.append(answer.decision)
            return multiple(*found)

        def check(self, decision: Decision) -> None:
            if decision.variant_id is not None:
                assert decision.variant_id not in decision.blocked
                assert decision.variant_id not in decision.excluded
                assert decision.propensity is not None
                assert 0 < decision.propensity <= 1

        @rule(
            target=reports, decision=decisions, kind=KINDS, after=MOMENTS, value=st.sampled_from([None, 1, -7, 10**15])
        )
        def report(self, decision: Decision, kind: str, after: int, value: int | None) -> Any:
            report = self.house.report(decision.decision_id, kind, occurred_at=decision.decided_at + after, value=value)
            self.house.record(report)
            return report

        @rule(report=reports, twice=st.booleans())
        def report_again(self, report: Any, twice: bool) -> None:
            before = self.house.counts()
            statuses = [one.status.value for one in self.house.record(*[report] * (1 + twice))]
            if before["outcomes"] == self.house.counts()["outcomes"]:
                assert set(statuses) <= {"duplicate", "rejected", "unknown"}

        @rule(report=reports, after=MOMENTS)
        def reverse(self, report: Any, after: int) -> None:
            self.house.record(
                self.house.report(
                    report.decision_id, "refund", occurred_at=report.occurred_at + after, reverses=report.event_id
                )
            )

        @rule(decision=decisions, kind=KINDS)
        def reverse_first_and_report_then(self, decision: Decision, kind: str) -> None:
            report = self.house.report(decision.decision_id, kind, occurred_at=decision.decided_at)
            undo = self.house.report(
                decision.decision_id, "refund", occurred_at=decision.decided_at, reverses=report.event_id
            )
            before = self.house.statistics(decision.campaign_id)
            self.house.record(undo)
            between = self.house.statistics(decision.campaign_id)
            self.house.record(report)
            assert self.house.statistics(decision.campaign_id) == between
            assert len(between) >= len(before)

        @rule(decision=decisions)
        def report_of_nobody_then_right(self, decision: Decision) -> None:
            wrong = self.house.report("0" * 32, "purchase", occurred_at=decision.decided_at)
            assert self.house.recorded("0" * 32, event_id=wrong.event_id) == "unknown"
            right = self.house.report(decision.decision_id, event_id=wrong.event_id, occurred_at=decision.decided_at)
            assert self.house.record(right)[0].status.value in {"accepted", "late"}

        @rule(some=st.lists(consumes(reports), max_size=6))
        def report_many_again(self, some: list[Any]) -> None:
            self.house.record(*some)

        @rule(campaign=st.sampled_from(["winback", "newsletter"]))
        def learn(self, campaign: str) -> None:
            self.house.learn(campaign)

        @rule(edition=st.integers(0, len(editions) - 1))
        def apply(self, edition: int) -> None:
            self.house.apply(editions[edition])

        @rule(message=st.sampled_from(["ten-percent", "hello"]))
        def approve(self, message: str) -> None:
            self.house.approve("winback", message)

        @rule(duration=st.sampled_from([1, HOUR, DAY, 8 * DAY]))
        def wait(self, duration: int) -> None:
            self.house.later(duration)

        @invariant()
        def everything_agrees(self) -> None:
            verification = self.house.verify()
            assert verification.clean, verification

    return Ledger


@pytest.mark.slow
def test_whatever_happens_the_statistics_are_the_fold_and_every_decision_recomputes(
    files: dict[str, str], make_house: Any
) -> None:
    nightly = settings().max_examples >= 1_000
    run_state_machine_as_test(
        machine_class(dict(files), make_house),
        settings=settings(
            max_examples=max(10, settings().max_examples // 3),
            stateful_step_count=25,
            deadline=None,
            phases=[phase for phase in Phase if phase is not Phase.shrink or nightly],  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


# ---------------------------------------------------------------- the pure part: any order


def a_decision(deferred: bool) -> Decision:
    return Decision(
        decision_id="d",
        campaign_id="c",
        recipient_key="k",
        request_id="r",
        strategy_version=1,
        segment_id="s",
        group=Group.LEARNING,
        variant_id="v",
        content_hash="h",
        propensity=0.5,
        reason=Reason.EXPLORE,
        snapshot_id="c:1",
        decided_at=0,
        blocked={},
        deferred=deferred,
        attributes={},
        excluded=(),
    )


# Few ids, so that most reversals find what they reverse; pure functions, so that many examples cost little.
EVENTS = st.sampled_from([f"e{n}" for n in range(5)])
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        event_id=EVENTS,
        decision_id=st.just("d"),
        kind=KINDS,
        value=st.one_of(st.none(), st.integers(-(10**15), 10**15)),
        currency=st.none(),
        occurred_at=MOMENTS,
        received_at=st.just(0),
        reverses=st.one_of(st.none(), EVENTS),
        machine=st.booleans(),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda outcome: outcome.event_id,
)
MANY = settings(max_examples=max(400, settings().max_examples))
RULES = st.builds(
    RewardRule,
    objective_id=st.just("o"),
    kind=st.sampled_from(["purchase", "clicked"]),
    value=st.sampled_from(["first", "count", "amount"]),
    window=st.sampled_from([HOUR, 7 * DAY]),
    counts_from=st.sampled_from(["decision", "delivered", "opened"]),
    at_most=st.sampled_from([None, 10_000_000]),
    machines=st.builds(
        MachineRule,
        kinds=st.just(("clicked", "opened")),
        fastest=st.sampled_from([0, 60_000_000]),
        honeypot=st.sampled_from([None, "refund"]),
    ),
)


@MANY
@given(RULES, OUTCOMES, st.booleans(), st.data())
def test_the_order_of_outcomes_changes_nothing(
    rule: RewardRule, outcomes: list[Outcome], deferred: bool, data: st.DataObject
) -> None:
    decision = a_decision(deferred)
    shuffled = data.draw(st.permutations(outcomes))
    assert assess(rule, decision, outcomes) == assess(rule, decision, shuffled)
    assert dict(contributions(rule, decision, outcomes)) == dict(contributions(rule, decision, shuffled))


@MANY
@given(RULES, OUTCOMES, st.booleans(), st.data())
def test_differences_added_one_outcome_at_a_time_end_where_all_at_once_do(
    rule: RewardRule, outcomes: list[Outcome], deferred: bool, data: st.DataObject
) -> None:
    decision = a_decision(deferred)
    tally = Tally()
    tally.add(contributions(rule, decision, ()))
    seen: list[Outcome] = []
    while len(seen) < len(outcomes):
        portion = data.draw(st.integers(1, len(outcomes) - len(seen)))
        tally.subtract(contributions(rule, decision, seen))
        seen += outcomes[len(seen) : len(seen) + portion]
        tally.add(contributions(rule, decision, seen))
    whole = Tally()
    whole.add(contributions(rule, decision, outcomes))
    assert tally.changes() == whole.changes()


@MANY
@given(RULES, OUTCOMES, st.booleans())
def test_a_withdrawn_decision_is_never_a_trial(rule: RewardRule, outcomes: list[Outcome], deferred: bool) -> None:
    withdrawn = [*outcomes, Outcome("last", "d", "withdrawn", None, None, 0, 0)]
    found = assess(rule, a_decision(deferred), withdrawn)
    assert (found.exposed_at, found.reward) == (None, 0)
