"""The guardrails under everything at once, judged by a second reading of the documents and of the ledger's own rows."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from tests.contract.documents_at_random import (
    DURATIONS,
    EDITIONS,
    MESSAGES,
    NAME_THAT_BREAKS_THE_BRAND,
    SECOND,
    Edition,
    label,
    most_in_a_window_around,
    rarely,
)

from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.errors import Contended, DocumentError, OptimizerError
from optimizer.policy.draw import recipient_key, unit_hash
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.decisions.explaining import explain
from optimizer.services.live import Live
from optimizer.services.oversight import steering
from optimizer.services.recipients import suppressing
from optimizer.services.recipients.profiles import put_profile
from optimizer.settings import Settings
from optimizer.storage.commitments import Commitments
from optimizer.storage.meters import Meters
from optimizer.storage.recipients import Profile
from optimizer.strategy.workspace import read_stored, read_workspace

SECRET = b"s" * 32
CAMPAIGNS = st.sampled_from(["first", "first", "second"])
PEOPLE = st.sampled_from([f"person-{n}" for n in range(10)])
ZONES = st.sampled_from([None, "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])


def asked_at_random(seed: int) -> dict[str, Any]:
    """What a caller may ask; most of it nothing special."""
    chance = Random(seed)
    names = {"first_name": rarely(chance, "Ann", NAME_THAT_BREAKS_THE_BRAND, one_in=2)}
    both = {"email": True, "sms": True}
    return {
        "campaign": chance.choice(["first", "first", "second"]),
        "recipient": f"person-{chance.randrange(10)}",
        "attributes": {"country": chance.choice(["US", "US", "US", "GB"])} | {k: v for k, v in names.items() if v},
        "excluded": chance.choice([(), (), (), (), ("offer",), ("plain:day",), ("greeting",)]),
        "deferred": chance.random() < 0.2,
        "consent": chance.choice([{}, both, both, both, {"email": False}]),
        "time_zone": chance.choice([None, "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]),
    }


ASKED = st.integers(0, 2**32).map(asked_at_random)
KINDS = st.sampled_from(
    ["purchase", "clicked", "delivered", "exposed", "bounced", "withdrawn", "withdrawn", "unsubscribed", "complained"]
)
LATER = st.sampled_from([-HOUR, 0, 0, 1, MINUTE, HOUR, DAY, 3 * DAY])
WORKERS = st.integers(0, 1)
WHICH = st.integers(0, 10_000)


LAST_STRAWS = ("unsubscribed", "complained")


def used(commitments: list[Any]) -> int:
    """Money due or reserved, micro-units."""
    return sum(one.most if one.open else one.settled for one in commitments)


def n_sent(commitments: list[Any]) -> int:
    return sum(not one.withdrawn for one in commitments)


class PulledOutError(Exception):
    """The plug, in the middle of a transaction."""


class Guardrails(RuleBasedStateMachine):
    """Two workers on one ledger, and what an onlooker knows of the world."""

    open_deployment: Callable[[Path], Deployment]
    make_house: Any

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.deployment = type(self).open_deployment(Path(self.folder.name))
        house = type(self).make_house(self.deployment)
        other = replace(house, deployment=_Worker(self.deployment.store, Live(SECRET)))
        self.workers = [house, other]
        self.editions: dict[int, Edition] = {}
        self.version = 0
        self.commitments_before: list[Any] = []
        self.latest = house.now
        self.n = 0
        self.answers: list[tuple[DecisionRequest, Any]] = []
        self.reports: list[Any] = []
        self.suppressed: set[tuple[str, str]] = set()
        self.consents: dict[str, dict[str, bool]] = {}
        self.zones: dict[str, str | None] = {}
        self.approved: set[str] = set()
        self.status: dict[str, str] = {}
        self.paused: set[tuple[str, str]] = set()
        self.pinned: dict[str, str] = {}
        self.reviewed: dict[str, int] = {}

    def teardown(self) -> None:
        try:
            assert self.workers[0].verify().clean
            for request, answer in self.answers[:40]:
                assert self.workers[1].decide(request) == [answer]
        finally:
            self.deployment.close()
            self.folder.cleanup()

    # ------------------------------------------------------------ what can happen

    @initialize(first=EDITIONS, seed=st.integers(0, 2**32))
    def begin(self, first: Edition, seed: int) -> None:
        self.chance = Random(seed)
        self.wait(self.chance.choice([0, 0, 8 * DAY]))  # later on, months end
        self.put_in_force(first)
        assume(self.version)

    @rule(asked=st.lists(ASKED, min_size=2, max_size=8), worker=WORKERS)
    def decide(self, asked: list[dict[str, Any]], worker: int) -> None:
        self.ask(worker, [self.request(one) for one in asked])

    @rule(asked=st.lists(ASKED, min_size=3, max_size=8), worker=WORKERS)
    def decide_some_more(self, asked: list[dict[str, Any]], worker: int) -> None:
        self.ask(worker, [self.request(one) for one in asked])

    @rule(asked=ASKED, n=st.integers(2, 7), worker=WORKERS)
    def decide_many_like_it(self, asked: dict[str, Any], n: int, worker: int) -> None:
        requests = [self.request({**asked, "recipient": f"person-{k}"}) for k in range(n)]
        self.ask(worker, [*requests, requests[0]])

    @precondition(lambda self: self.answers)
    @rule(which=WHICH, worker=WORKERS)
    def ask_again(self, which: int, worker: int) -> None:
        request, answer = self.answers[which % len(self.answers)]
        before = self.workers[0].counts()
        assert self.workers[worker].decide(request, request) == [answer, answer]
        assert self.workers[0].counts() == before

    @precondition(lambda self: any(answer.variant for _, answer in self.answers))
    @rule(which=WHICH, kinds=st.lists(KINDS, min_size=1, max_size=3), after=LATER, worker=WORKERS)
    def report(self, which: int, kinds: list[str], after: int, worker: int) -> None:
        served = [(request, answer) for request, answer in self.answers if answer.variant]
        request, answer = served[which % len(served)]
        at = answer.decision.decided_at + after
        reports = [self.workers[0].report(answer.decision.decision_id, kind, occurred_at=at) for kind in kinds]
        self.tell(worker, [(request.recipient, report) for report in reports])

    @precondition(lambda self: self.reports)
    @rule(which=WHICH, worker=WORKERS, reverse=st.booleans())
    def report_again_or_reverse(self, which: int, worker: int, reverse: bool) -> None:
        recipient, report = self.reports[which % len(self.reports)]
        if reverse:
            self.undo(worker, recipient, report)
        else:
            self.tell(worker, [(recipient, report)])

    @rule(by=st.sampled_from([-10 * MINUTE, MINUTE, HOUR, HOUR, 5 * HOUR, DAY, 3 * DAY, 8 * DAY]))
    def the_clock_jumps(self, by: int) -> None:
        self.wait(by)

    @rule(campaign=CAMPAIGNS, worker=WORKERS)
    def learn(self, campaign: str, worker: int) -> None:
        if campaign in self.edition.campaigns:
            self.workers[worker].learn(campaign)

    @rule(edition=EDITIONS)
    def apply(self, edition: Edition) -> None:
        self.put_in_force(edition)

    @precondition(lambda self: self.version)
    @rule(other=EDITIONS, which=st.sampled_from(["budget", "contact_policy", "data", "channels", "campaigns"]))
    def change_one_thing(self, other: Edition, which: str) -> None:
        mine, campaigns = dict(self.edition.strategy), dict(self.edition.campaigns)
        if which == "campaigns":
            campaigns["first"] = {**campaigns["first"], "budget": other.campaigns["first"].get("budget", {})}
        else:
            mine.pop(which, None)
            mine |= {key: value for key, value in other.strategy.items() if key == which}
        self.put_in_force(Edition(mine, campaigns))

    @rule(campaign=CAMPAIGNS, message=st.sampled_from(MESSAGES))
    def approve(self, campaign: str, message: str) -> None:
        if campaign in self.edition.campaigns:
            for variant_id in self.workers[1].approve(campaign, message):
                self.approved.add(self.edition.words(campaign, variant_id))

    @rule(
        campaign=CAMPAIGNS,
        name=st.sampled_from(["pause", "stop", "resume", "resume", "resume", "unpin", "review", "review"]),
    )
    def steer(self, campaign: str, name: str) -> None:
        if self.steered(name, campaign):
            now = self.workers[0].now
            self.status |= {"pause": {campaign: "paused"}, "stop": {campaign: "stopped"}}.get(name, {})
            if name == "resume":
                self.status.pop(campaign, None)
            if name == "unpin":
                self.pinned.pop(campaign, None)
            if name == "review":
                self.reviewed[campaign] = now
            for person in self.chance.sample(range(10), 3):
                self.ask_person(f"person-{person}")

    @rule(campaign=CAMPAIGNS, name=st.sampled_from(["pause_variant", "resume_variant", "pin"]), which=WHICH)
    def steer_a_variant(self, campaign: str, name: str, which: int) -> None:
        if campaign not in self.edition.campaigns:
            return
        ids = self.edition.variant_ids(campaign)
        variant_id = ids[which % len(ids)]
        if self.steered(name, campaign, variant_id):
            if name == "pin":
                self.pinned[campaign] = variant_id
            elif name == "pause_variant":
                self.paused.add((campaign, variant_id))
            else:
                self.paused.discard((campaign, variant_id))

    @rule(recipient=PEOPLE, off=st.sampled_from([True, True, False]))
    def put_on_the_list_or_take_off_it(self, recipient: str, off: bool) -> None:
        self.change_the_list(recipient, off=off)

    @rule(recipient=PEOPLE, consent=st.sampled_from([{}, {"email": True}, {"sms": False, "email": True}]), zone=ZONES)
    def know_somebody(self, recipient: str, consent: dict[str, bool], zone: str | None) -> None:
        self.learn_of(recipient, consent, zone)

    @rule(asked=st.lists(ASKED, min_size=1, max_size=4), worker=WORKERS)
    def crash(self, asked: list[dict[str, Any]], worker: int) -> None:
        before = self.rows()
        requests = [self.request(one) for one in asked]
        house = self.workers[worker]
        with suppress(PulledOutError), self.deployment.store.writing(alone=True) as ledger:
            decide(ledger, house.deployment.live, requests, house.now)
            raise PulledOutError
        assert self.rows() == before
        self.ask(1 - worker, requests)

    @precondition(lambda self: self.version)
    @rule()
    def traffic(self) -> None:
        """What goes on all the time; see `traffic_goes_on`."""

    # ------------------------------------------------------------ what must hold

    @precondition(lambda self: self.version)
    @invariant()
    def traffic_goes_on(self) -> None:
        """After everything that happens, some ask, and something is heard of some who were sent a message."""
        chance = self.chance
        self.wait(chance.choice([0, 0, MINUTE, HOUR, 4 * HOUR]))
        asked = [self.request(asked_at_random(chance.randrange(2**32))) for _ in range(chance.choice([1, 3, 6]))]
        self.ask(chance.randrange(2), asked)
        served = [(request, answer.decision) for request, answer in self.answers[-30:] if answer.variant]
        for request, decision in chance.sample(served, min(len(served), chance.choice([0, 0, 1, 2]))):
            kind = chance.choice(["purchase", "clicked", "delivered", "withdrawn", "bounced", *LAST_STRAWS])
            report = self.workers[0].report(decision.decision_id, kind, occurred_at=decision.decided_at + HOUR)
            self.tell(chance.randrange(2), [(request.recipient, report)])
            if kind in LAST_STRAWS:
                self.ask_person(request.recipient)
                self.change_the_list(request.recipient, off=chance.random() < 0.7)
            elif chance.random() < 0.2:
                self.undo(chance.randrange(2), request.recipient, report)
        if chance.random() < 0.1:
            name = f"person-{chance.randrange(10)}"
            self.learn_of(name, chance.choice([{}, {"email": False}, {"sms": False}]), chance.choice([None, "UTC"]))
            self.ask_person(name)

    @precondition(lambda self: self.version)
    @invariant()
    def meters_are_the_sum_of_the_commitments(self) -> None:
        commitments, meters = self.rows()
        for (scope, period), reading in meters.items():
            span = {3: "day", 2: "month"}.get(len(period.split("-")), "ever")
            counted = [c for c in commitments if self.counts_on(c, scope, span, period)]
            assert reading.reserved == sum(c.most - c.settled for c in counted if c.open)
            assert reading.settled == sum(c.settled for c in counted)
            assert reading.sends == sum(not c.withdrawn for c in counted)

    @precondition(lambda self: self.version)
    @invariant()
    def nothing_grows_beyond_a_limit(self) -> None:
        """Not by late outcomes either. What is in use may be more than a limit only if that was lowered."""
        commitments, _ = self.rows()
        zone, limits = (
            self.edition.zone,
            {limit for name in self.edition.campaigns for limit in self.edition.limits(name)},
        )
        for scope, span, money, sends in limits:
            for period in {label(span, one.at, zone) for one in commitments}:
                now, before = (
                    [one for one in some if self.counts_on(one, scope, span, period)]
                    for some in (commitments, self.commitments_before)
                )
                if money is not None:
                    assert used(now) <= max(money, used(before)), f"{scope} {period}: more than {money}"
                if sends is not None:
                    assert n_sent(now) <= max(sends, n_sent(before)), f"{scope} {period}: more than {sends} sends"
        self.commitments_before = commitments

    @precondition(lambda self: self.version)
    @invariant()
    def commitments_are_what_outcomes_say(self) -> None:
        with self.deployment.store.reading() as ledger:
            commitments = {c.decision_id: c for c in ledger.commitments.stream()}
            decisions = ledger.decisions.by_id(list(commitments))
            outcomes = ledger.outcomes.of(list(commitments))
        for id_, one in commitments.items():
            decision = decisions[id_]
            costs = self.editions[decision.strategy_version].costs(decision.campaign_id, decision.variant_id or "")
            undone = {o.reverses for o in outcomes.get(id_, [])}
            kinds = {
                o.kind
                for o in outcomes.get(id_, [])
                if o.event_id not in undone and o.reverses is None and o.occurred_at <= one.closes_at
            }
            assert one.most == sum(costs.values())
            assert one.withdrawn == any(
                o.kind == "withdrawn" and o.event_id not in undone for o in outcomes.get(id_, [])
            )
            arrived = {"delivered", "clicked", "exposed", "opened"} & kinds
            kinds |= {"decision"} | ({"delivered"} if arrived else set())
            if one.withdrawn:
                assert (one.settled, one.open) == (0, False)
            elif not one.open:
                assert one.closes_at < self.latest or one.settled == one.most, "money was released before its time"
            else:
                assert one.settled == sum(cost for event, cost in costs.items() if event in kinds)
            assert one.closes_at >= decision.decided_at + self.editions[decision.strategy_version].window()

    # ------------------------------------------------------------ how it is done

    @property
    def edition(self) -> Edition:
        return self.editions[self.version]

    def wait(self, by: int) -> None:
        for worker in self.workers:
            worker.later(by)
        self.latest = max(self.latest, self.workers[0].now)

    def put_in_force(self, edition: Edition) -> None:
        try:
            read_workspace(edition.files)
        except DocumentError:
            return
        self.version = self.workers[0].apply(edition.files).version
        self.commitments_before, _ = self.rows()
        self.editions[self.version] = edition
        for campaign in edition.campaigns:
            self.reviewed.setdefault(campaign, self.workers[0].now)

    def request(self, asked: dict[str, Any]) -> DecisionRequest:
        self.n += 1
        asked = dict(asked)
        return DecisionRequest(asked.pop("campaign"), asked.pop("recipient"), f"request-{self.n}", **asked)

    def ask(self, worker: int, requests: list[DecisionRequest]) -> None:
        known = {answer.decision.decision_id for _, answer in self.answers}
        new = []
        for request, answer in zip(requests, self.workers[worker].decide(*requests), strict=True):
            if isinstance(answer, OptimizerError):
                assert request.campaign_id not in self.edition.campaigns, answer
            elif answer.decision.decision_id not in known:
                known.add(answer.decision.decision_id)
                self.answers.append((request, answer))
                new.append((request, answer.decision))
        commitments, _ = self.rows()
        mine = {one.decision_id: one for one in commitments}
        for request, decision in new:
            assert decision.strategy_version == self.version
            assert (decision.variant_id is not None) == (decision.decision_id in mine)
            self.is_grouped(request, decision)
            if decision.variant_id is not None:
                self.may_be_sent(request, decision)
                self.is_within_limits(decision, mine[decision.decision_id], commitments)
                self.is_within_contact_policy(decision, commitments)
        with self.deployment.store.reading() as ledger:
            for _, decision in new[:1] + new[1:][-1:]:  # all of them recompute in the end
                found = explain(ledger, self.workers[1 - worker].deployment.live, decision.decision_id)
                assert found.same
                if decision.snapshot_id is not None:
                    shares = {variant.variant_id: variant.allocation for variant in found.variants}
                    assert sum(shares.values()) + found.withheld == 1.0
                    assert decision.propensity == shares.get(decision.variant_id or "", found.withheld)
                    assert decision.propensity > 0
                    assert not any(shares[name] for name in decision.blocked)

    def ask_person(self, name: str) -> None:
        """Somebody who says yes to everything is asked for by every campaign."""
        usual = {"attributes": {"country": "US"}, "consent": {"email": True, "sms": True}, "time_zone": "UTC"}
        asked = [{"campaign": campaign, "recipient": name, **usual} for campaign in self.edition.campaigns]
        self.ask(self.chance.randrange(2), [self.request(one) for one in asked])

    def undo(self, worker: int, recipient: str, report: Any) -> None:
        undone = {"occurred_at": report.occurred_at, "reverses": report.event_id}
        self.tell(worker, [(recipient, self.workers[0].report(report.decision_id, "refund", **undone))])

    def change_the_list(self, recipient: str, *, off: bool) -> None:
        change = suppressing.unsuppress if off else suppressing.suppress
        with self.deployment.store.writing() as ledger:
            change(ledger, self.deployment.live, [recipient], None, actor="me", note="asked", now=self.workers[0].now)
        if off:
            self.suppressed = {(name, channel) for name, channel in self.suppressed if name != recipient}
        else:
            self.suppressed.add((recipient, "*"))

    def learn_of(self, recipient: str, consent: dict[str, bool], zone: str | None) -> None:
        with self.deployment.store.writing() as ledger:
            profile = Profile({}, consent, zone)
            put_profile(ledger, self.deployment.live, recipient, profile, self.workers[0].now)
        self.consents[recipient], self.zones[recipient] = consent, zone

    def tell(self, worker: int, told: list[tuple[str, Any]]) -> None:
        recorded = self.workers[worker].record(*[report for _, report in told])
        for (recipient, report), one in zip(told, recorded, strict=True):
            self.reports.append((recipient, report))
            decision = next(a.decision for _, a in self.answers if a.decision.decision_id == report.decision_id)
            if one.status.value == "duplicate":
                continue
            if report.kind == "unsubscribed":
                channel = self.editions[decision.strategy_version].channel(decision.campaign_id)
                self.suppressed.add((recipient, channel))
            if report.kind == "complained":
                self.suppressed.add((recipient, "*"))

    def steered(self, name: str, *arguments: str) -> bool:
        """Whether somebody's wish was granted; some are refused."""
        try:
            with self.deployment.store.writing() as ledger:
                change = getattr(steering, name)
                change(ledger, self.deployment.live, *arguments, actor="me", note="so I say", now=self.workers[0].now)
        except OptimizerError:
            return False
        return True

    def rows(self) -> tuple[list[Any], dict[Any, Any]]:
        with self.deployment.store.reading() as ledger:
            return list(ledger.commitments.stream()), ledger.meters.all()

    def counts_on(self, one: Any, scope: str, span: str, period: str) -> bool:
        scopes = {"strategy", f"campaign:{one.campaign_id}", f"channel:{one.channel}"}
        return scope in scopes and label(span, one.at, self.edition.zone) == period

    def is_grouped(self, request: DecisionRequest, decision: Any) -> None:
        """Holdouts, and those the rollout has not reached, get control or nothing."""
        edition, campaign = self.edition, request.campaign_id
        key = recipient_key(SECRET, request.recipient)
        written = edition.campaigns[campaign]
        if unit_hash(SECRET, "strategy-holdout", key) < edition.strategy.get("holdout", {}).get("share", 0):
            assert decision.group == "strategy_holdout"
        elif unit_hash(SECRET, "campaign-holdout", campaign, key) < written.get("holdout", {}).get("share", 0):
            assert decision.group == "campaign_holdout"
        elif unit_hash(SECRET, "rollout", campaign, key) >= decision.rollout_share:
            assert decision.group == "outside_rollout"
        else:
            assert decision.group in {"learning", "chosen_by_people"}
        shares = {stage["share"] for stage in written.get("rollout", [{"share": 1.0}])}
        assert decision.rollout_share in shares
        if decision.group not in {"learning", "chosen_by_people"}:
            assert decision.variant_id in {None, edition.control(campaign)}

    def may_be_sent(self, request: DecisionRequest, decision: Any) -> None:
        """Every rule but those that count, on the recipient's own clock and list and consent."""
        edition, campaign, name = self.edition, request.campaign_id, request.recipient
        variant_id, now, channel = decision.variant_id, decision.decided_at, edition.channel(campaign)
        assert edition.open_at(campaign, now)
        assert campaign not in self.status
        assert (campaign, variant_id) not in self.paused
        pinned = self.pinned.get(campaign)
        if pinned in edition.variant_ids(campaign) and decision.group in {"learning", "chosen_by_people"}:
            assert variant_id == pinned
        review = edition.strategy.get("review", {})
        if review.get("when_overdue") == "stop":
            assert now < self.reviewed[campaign] + DURATIONS[review["every"]] * SECOND
        if edition.strategy["approval"]["required"]:
            assert edition.words(campaign, variant_id) in self.approved
        assert not {(name, channel), (name, "*")} & self.suppressed
        said = [about[channel] for about in (self.consents.get(name, {}), request.consent) if channel in about]
        assert all(said)
        assert said or channel not in edition.strategy.get("data", {}).get("consent_required", [])
        zone = request.time_zone or self.zones.get(name)
        assert edition.hours_allow(campaign, variant_id, zone, now)
        assert variant_id not in request.excluded
        segment = edition.segment(campaign, request.attributes)
        assert segment is not None
        assert segment in edition.targeting(campaign, variant_id).get("only_segments", [segment])
        if "brand" in edition.strategy and request.attributes.get("first_name") == NAME_THAT_BREAKS_THE_BRAND:
            assert "first_name" not in edition.message(campaign, variant_id)["subject"]

    def is_within_limits(self, decision: Any, mine: Any, commitments: list[Any]) -> None:
        for scope, span, money, sends in self.edition.limits(decision.campaign_id):
            period = label(span, decision.decided_at, self.edition.zone)
            counted = [one for one in commitments if self.counts_on(one, scope, span, period)]
            if money is not None and mine.most > 0:
                assert used(counted) <= money, f"{scope} {period}: {used(counted)} of {money}"
            if sends is not None:
                assert n_sent(counted) <= sends, f"{scope} {period}: {n_sent(counted)} of {sends} sends"

    def is_within_contact_policy(self, decision: Any, commitments: list[Any]) -> None:
        channel = self.edition.channel(decision.campaign_id)
        contacts: dict[str, list[int]] = defaultdict(list)
        for one in commitments:
            if one.recipient_key == decision.recipient_key and not one.withdrawn:
                contacts[one.channel].append(one.at)
        for rule_ in self.edition.strategy.get("contact_policy", []):
            together = rule_.get("channels", ["email", "sms"])
            if channel in together:
                instants = [at for name in together for at in contacts[name]]
                found = most_in_a_window_around(instants, decision.decided_at, DURATIONS[rule_["per"]] * SECOND)
                assert found <= rule_["at_most"], f"{found} contacts within {rule_['per']}"


class _Worker:
    """Another worker on the same store: what a house asks of a deployment."""

    def __init__(self, store: Any, live: Live) -> None:
        self.store, self.live = store, live


def run(make_house: Any, url_for: Callable[[Path], str], n_examples: int, n_steps: int) -> None:
    def open_deployment(folder: Path) -> Deployment:
        options = Settings(database_url=SecretStr(url_for(folder)), secret=SecretStr(SECRET.decode()))
        return Deployment(folder, options)

    machine = type("GuardrailsHere", (Guardrails,), {"open_deployment": open_deployment, "make_house": make_house})
    nightly = settings().max_examples >= 1_000
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=n_examples * (30 if nightly else 1),
            stateful_step_count=n_steps,
            deadline=None,
            phases=[phase for phase in Phase if phase is not Phase.shrink or nightly],  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def read_once(monkeypatch: Any) -> None:
    """Documents that were read need not be read again: it takes most of a machine's time."""
    read: dict[str, Any] = {}

    def workspace(files: Any) -> Any:
        key = json.dumps(dict(files), sort_keys=True)
        if key not in read:
            read[key] = read_stored(files)
        return read[key]

    for module in ("live", "documents.applying"):
        monkeypatch.setattr(f"optimizer.services.{module}.read_stored", workspace)


@pytest.mark.slow
@pytest.mark.usefixtures("read_once")
def test_whatever_happens_no_guardrail_gives_way(make_house: Any) -> None:
    run(staticmethod(make_house), lambda folder: f"sqlite:///{folder}/ledger.db", n_examples=24, n_steps=30)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.usefixtures("read_once")
def test_nor_does_one_on_postgresql(make_house: Any, new_database: Callable[[str], str]) -> None:
    run(staticmethod(make_house), lambda _: new_database("postgresql"), n_examples=4, n_steps=15)


# ---------------------------------------------------------------- what was found, and what workers do in between

STRATEGY = """\
strategy: acme
currency: USD
time_zone: UTC
objectives:
  - id: buy
    reward: {outcome: purchase, value: first}
    attribution_window: P1D
approval: {required: false}
"""
CAMPAIGN = """\
campaign: sale
serves: buy
channel: email
messages:
  - {id: dear, subject: Ten percent, cost: "0.10 USD per purchase"}
  - {id: free, subject: What is new}
"""


def documents(*more: str) -> dict[str, str]:
    return {"strategy.yaml": "\n".join([STRATEGY, *more]), "campaigns/sale.yaml": CAMPAIGN}


def dear(house: Any, recipient: str) -> Any:
    return house.decided(recipient, campaign="sale", excluded=("free",)).decision


def meters_of(house: Any) -> dict[tuple[str, str], tuple[int, ...]]:
    with house.deployment.store.reading() as ledger:
        return {tuple(key): tuple(reading) for key, reading in ledger.meters.all().items()}


def test_a_new_limit_counts_what_has_matured_before_it(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    house.apply(documents())
    bought = dear(house, "ann")
    house.record(house.report(bought.decision_id, "purchase"))
    for name in "bcde":
        dear(house, name)
    house.later(2 * DAY)
    house.apply(documents('budget: {total: "0.20 USD"}'))
    assert dear(house, "fay").variant_id == "dear"
    assert meters_of(house) == {("strategy", "ever"): (100_000, 100_000, 6)}
    assert dear(house, "gus").variant_id is None


def test_what_matures_is_free_for_the_very_decision_that_finds_it(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    house.apply(documents('budget: {total: "0.10 USD"}'))
    dear(house, "ann")
    house.later(DAY)
    assert dear(house, "bea").variant_id is None
    house.later(1)
    assert dear(house, "cat").variant_id == "dear"


def test_a_total_without_a_period_is_for_ever_and_one_with_a_month_begins_anew(
    deployment: Any, make_house: Any
) -> None:
    for per, served in (("", None), (", per: month", "dear")):
        house = make_house(deployment)
        house.apply(documents(f'budget: {{total: "0.10 USD"{per}}}'))
        if not per:
            house.record(house.report(dear(house, "ann").decision_id, "purchase"))
        house.later(31 * DAY)
        assert dear(house, f"bea-{len(per)}").variant_id == served


def test_money_that_was_released_is_not_claimed_back_by_a_late_report(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    house.apply(documents('budget: {total: "0.20 USD"}'))
    bought = dear(house, "ann")
    house.later(DAY + 1)
    assert [dear(house, name).variant_id for name in ("bea", "cat", "dan")] == ["dear", "dear", None]
    assert house.recorded(bought.decision_id, "purchase", occurred_at=bought.decided_at + HOUR) == "accepted"
    assert meters_of(house) == {("strategy", "ever"): (200_000, 0, 3)}


def test_what_costs_nothing_is_sent_even_above_a_limit_that_was_lowered(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    house.apply(documents('budget: {total: "5 USD"}'))
    for name in "abcde":
        assert dear(house, name).variant_id == "dear"
    house.apply(documents('budget: {total: "0.20 USD"}'))
    assert dear(house, "fay").variant_id is None
    assert house.decided("gus", campaign="sale").decision.variant_id == "free"
    assert meters_of(house)["strategy", "ever"] == (500_000, 0, 6)


def test_a_limit_that_is_gone_for_a_while_counts_what_happened_meanwhile(deployment: Any, make_house: Any) -> None:
    house = make_house(deployment)
    house.apply(documents('budget: {total: "0.40 USD"}'))
    dear(house, "ann")
    house.apply(documents())
    meanwhile = [dear(house, name).decision_id for name in "bcde"]
    assert house.record(*[house.report(id_, "withdrawn") for id_ in meanwhile[:2]])
    house.apply(documents('budget: {total: "0.40 USD"}'))
    assert dear(house, "fay").variant_id == "dear"
    assert dear(house, "gus").variant_id is None


@pytest.mark.postgres
def test_a_contact_that_another_worker_makes_in_between_is_never_overlooked(
    new_database: Callable[[str], str], deploy: Callable[[str], Deployment], make_house: Any, monkeypatch: Any
) -> None:
    url = new_database("postgresql")
    house, other = make_house(deploy(url)), make_house(deploy(url))
    house.apply(documents("contact_policy: [{at_most: 1, per: P7D}]"))
    look_up = Commitments.later_contacts
    interrupted = iter([True])

    def later_contacts(self: Any, keys: Any, since: int) -> Any:
        later = look_up(self, keys, since)

        def contacts() -> Any:
            found = later()
            if next(interrupted, False):
                with other.deployment.store.writing() as ledger:
                    (answer,) = decide(ledger, other.deployment.live, [house.request("ann", "r2", "sale")], house.now)
                assert not isinstance(answer, OptimizerError)
                assert answer.variant is not None
            return found

        return contacts

    monkeypatch.setattr(Commitments, "later_contacts", later_contacts)
    request = house.request("ann", "r1", "sale")
    with pytest.raises(Contended), house.deployment.store.writing() as ledger:
        decide(ledger, house.deployment.live, [request], house.now)
    assert house.decide(request)[0].variant is None


@pytest.mark.postgres
def test_money_that_another_worker_spends_in_between_is_never_spent_twice(
    new_database: Callable[[str], str], deploy: Callable[[str], Deployment], make_house: Any, monkeypatch: Any
) -> None:
    url = new_database("postgresql")
    house, other = make_house(deploy(url)), make_house(deploy(url))
    house.apply(documents('budget: {total: "0.20 USD"}'))
    dear(house, "ann")
    look_up = Meters.later_of
    interrupted = iter([True])

    def later_of(self: Any, keys: Any) -> Any:
        later = look_up(self, keys)

        def of() -> Any:
            found = later()
            if next(interrupted, False):
                with other.deployment.store.writing() as ledger:
                    asked = house.request("bea", "r1", "sale", excluded=("free",))
                    decide(ledger, other.deployment.live, [asked], house.now)
            return found

        return of

    monkeypatch.setattr(Meters, "later_of", later_of)
    request = house.request("cat", "r1", "sale", excluded=("free",))
    with pytest.raises(Contended), house.deployment.store.writing() as ledger:
        decide(ledger, house.deployment.live, [request], house.now)
    assert house.decide(request)[0].variant is None
    assert meters_of(house) == {("strategy", "ever"): (200_000, 0, 2)}
