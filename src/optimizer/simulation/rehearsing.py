"""Rehearse a campaign: a closed loop of the very functions that the service decides, learns and watches with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import Controls
from optimizer.domain.decision import Attributes
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, MINUTE, Duration, Instant, bucket
from optimizer.domain.meters import UNUSED, Reading
from optimizer.domain.outcome import SUPPRESSING
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.domain.trials import Trials
from optimizer.engine.alarms import alarmed
from optimizer.engine.allocations import Allocations, AllocationTable, FixedShares
from optimizer.engine.choosing import NO_ARM, Contacts
from optimizer.engine.gathering import evidence_of
from optimizer.engine.judging import NEVER
from optimizer.engine.lateness import hours_matter
from optimizer.engine.learning import next_snapshot
from optimizer.engine.pricing import Cells, paced_budget
from optimizer.engine.raising import Done
from optimizer.engine.rationing import chosen_in_turn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Keys, Tactic, compile_tactic
from optimizer.engine.watching import watched
from optimizer.guardrails.contacts import Contact
from optimizer.guardrails.groups import Places
from optimizer.policy.features import Features
from optimizer.simulation.doings import Doings
from optimizer.simulation.journal import Journal
from optimizer.simulation.measuring import Measures
from optimizer.simulation.people import People
from optimizer.simulation.runs import Event, Run
from optimizer.simulation.world import World, WorldModel
from optimizer.strategy.documents import Campaign, Strategy, effective_policy

VERSION = 1  # of the documents of a rehearsal: they never change in it
WATCHER = "optimizer"  # actor of what guardrails do
# What is left to chance, each apart from the others, so that choosers meet the same chance.
_WORLD, _PLACES, _ARRIVALS, _DRAWS, _EVENTS = range(5)

Chooser = Literal["learning"] | FixedShares
"""Who shares out the traffic: the campaign's own policy, or shares that never change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When, and with what people, a rehearsal takes place.

    Attributes:
        start, end: first instant, and first instant after it.
        step: contacts of this long are decided together, at its beginning, and the campaign then learns once;
            None: as often as its policy refreshes, but not more often than every minute.
        reaction: how long people take to approve the next stage of a rollout, and to review, once they are asked;
            None: they never do. They resume nothing.
        release: how long until they let a rollout go on that a guardrail holds; None: they never do.
        approved: variants that people have approved; None for all of them.

    Raises:
        ValueError: it does not end after its start, or a duration is not above 0 (those of people may be 0).
    """

    start: Instant
    end: Instant
    step: Duration | None = None
    reaction: Duration | None = DAY
    release: Duration | None = None
    approved: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"end: found {self.end}; allowed an instant after the start, {self.start}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step: found {self.step} microseconds; allowed more than 0")
        for name, duration in (("reaction", self.reaction), ("release", self.release)):
            if duration is not None and duration < 0:
                raise ValueError(f"{name}: found {duration} microseconds; allowed 0 or more")

    def step_of(self, strategy: Strategy, campaign: Campaign) -> Duration:
        """How long a step of this campaign is."""
        return self.step or max(effective_policy(strategy, campaign).refresh, MINUTE)


def rehearse(
    strategy: Strategy,
    campaign: Campaign,
    model: WorldModel,
    plan: Plan,
    chooser: Chooser = "learning",
    *,
    seed: int = 0,
    replication: int = 0,
) -> Run:
    """One run of a campaign in one world drawn from a model.

    World, arrivals, holdouts and draws follow from the seed and the replication alone, so that choosers meet the same
    people at the same time, and nothing depends on which process runs it.

    Args:
        strategy: the strategy the campaign belongs to.
        campaign: a campaign that was checked against that strategy; alone with its budgets and its recipients.
        model: gives the world; its arms are the campaign's variants in order.
        plan: when, and with what people.
        chooser: who shares out the traffic.
        seed: the same for all replications.
        replication: 0, 1, 2 … each another world, other people, other chance.
    """
    return _Rehearsal(strategy, campaign, model, plan, chooser, (seed, replication)).run()


class _Rehearsal:
    """One rehearsal while it goes on."""

    def __init__(
        self,
        strategy: Strategy,
        campaign: Campaign,
        model: WorldModel,
        plan: Plan,
        chooser: Chooser,
        seed: tuple[int, int],
    ) -> None:
        self.strategy, self.campaign, self.plan, self.chooser, self.seed = strategy, campaign, plan, chooser, seed
        self.step = plan.step_of(strategy, campaign)
        self.controls = Controls(reviewed_at=plan.start)
        self.tactic = self.compiled()
        self.people = People(plan.reaction, plan.release)
        self.world: World = model.world(self.chance(_WORLD))
        n = len(self.world.population)
        self.recipient_keys = [str(place) for place in range(n)]
        strategy_place, campaign_place, rollout_place = self.chance(_PLACES).random((3, n))
        self.places = Places(strategy_place, campaign_place, rollout_place)
        self.suppressed, self.messages = np.zeros(n, np.bool_), np.zeros(n, np.int64)
        self.supplies, self.keys = Supplies(), list[Keys]()
        self.journal = Journal(self.tactic, self.world.kinds)
        self.doings = Doings.of(strategy, self.tactic, self.world.population.attributes, self.world.kinds, plan.start)
        self.decided_with = list[Attributes]()  # of decisions since the last fit, where behaviour makes them change
        self.measures = Measures(self.tactic, range(plan.start, plan.end, self.step))
        shape = (len(self.tactic.rules.segment_ids), len(self.tactic.variants), len(self.tactic.reward_rule.penalties))
        self.numbers: NDArray[np.float64] | None = None  # attributes of everyone as such a policy reads them
        self.evidence, self.by_hour = Evidence.none(*shape), False
        self.snapshot: Snapshot | None = None
        self.posterior_table: AllocationTable

    def run(self) -> Run:
        """The whole rehearsal."""
        for step, now in enumerate(range(self.plan.start, self.plan.end, self.step)):
            self.keys.append(meters_of(self.tactic, now))
            self.hear(now)
            cells = self.statistics(now)
            self.watch(cells, now)
            self.learn(cells, now)
            self.measures.look(step, self.tactic, self.table, self.posterior_table)
            self.decide(step, now)
            self.measures.take_stock(
                step, self.tactic, self.supplies, self.keys[step], min(now + self.step, self.plan.end)
            )
        self.journal.hear(NEVER - 1)  # what comes of the decisions in the end
        return self.measures.run(self.tactic, self.journal, self.trials)

    def chance(self, purpose: int, step: int = 0) -> np.random.Generator:
        """Chance for one purpose, in one step; the same whatever the chooser does."""
        seed, replication = self.seed
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(replication, purpose, step)))
        )

    def compiled(self) -> Tactic:
        """The campaign as its controls are now."""
        made = compile_tactic(self.strategy, self.campaign, VERSION, (), self.controls)
        approved = self.plan.approved
        approvals = {
            (made.campaign_id, variant.variant_id, variant.content_hash)
            for variant in made.variants
            if approved is None or variant.variant_id in approved
        }
        return compile_tactic(self.strategy, self.campaign, VERSION, approvals, self.controls)

    @property
    def table(self) -> Allocations:
        """Where draws get their shares from."""
        return self.posterior_table if self.chooser == "learning" else self.chooser

    def hear(self, now: Instant) -> None:
        """Outcomes come in: they change statistics and meters, and put recipients on the suppression list."""
        heard = self.journal.hear(now)
        if self.doings is not None:
            self.doings.hear(heard)
        suppressing = np.array([kind in SUPPRESSING for kind in self.world.kinds], np.bool_)
        self.suppressed[heard.recipients[suppressing[heard.kinds]]] = True
        for step, difference in heard.given_back.items():
            self.change_meters(self.keys[step], difference)
            self.measures.spent(difference)
        for recipient, at in heard.withdrawn:
            contacts = self.supplies.contacts.get(self.recipient_keys[recipient], [])
            if (never_sent := Contact(at, self.tactic.campaign.channel)) in contacts:
                contacts.remove(never_sent)

    def statistics(self, now: Instant) -> list[tuple[Cell, Sums]]:
        """What the tallies say: apart only what the watch, or the price of a paced budget, tells apart."""
        edges = list(self.controls.watched_since.values())
        paced = paced_budget(self.tactic, now)
        if paced is not None:
            edges.append(bucket(paced.budget.start))
        return list(self.journal.tallies.cells(edges))

    def watch(self, cells: Sequence[tuple[Cell, Sums]], now: Instant) -> None:
        """People answer what they were asked, and guardrails act on what came in."""
        controls, answers = self.people.answered(self.tactic, self.controls, now)
        controls, done = watched(self.tactic, controls, cells, now, self.journal.tallies.sent)
        self.measures.events += answers
        self.obey(controls, done, now)

    def obey(self, controls: Controls, done: Iterable[Done], now: Instant) -> None:
        """Guardrails, or what looks into the learning, have decided something."""
        self.measures.events += [Event(now, WATCHER, one.action, one.subject, one.sentence) for one in done]
        changed, self.controls = controls != self.controls, controls
        if changed:
            self.tactic = self.compiled()

    def learn(self, cells: Cells, now: Instant) -> None:
        """What came in becomes a snapshot, if it says anything new."""
        tactic, news = self.tactic, self.journal.news
        if self.by_hour:  # evidence adds, so only what is new has to be read
            self.evidence += evidence_of(tactic, news.cells())
        else:
            self.evidence = evidence_of(tactic, cells)
            self.by_hour = hours_matter(tactic, self.evidence)
            if self.by_hour:
                self.evidence = evidence_of(tactic, self.journal.tallies.cells())
        news.clear()
        readings = self.supplies.readings
        snapshot = next_snapshot(tactic, self.evidence, cells, readings, self.snapshot, now, self.trials)
        if snapshot is self.snapshot:
            return
        before, self.snapshot, self.posterior_table = self.snapshot, snapshot, AllocationTable(snapshot)
        if before is not None and bucket(now) > bucket(before.created_at) and self.chooser == "learning":
            self.obey(*alarmed(tactic, self.controls, self.evidence, self.posterior_table.posterior, now), now)

    def trials(self) -> Trials:
        """What came of each recipient's messages so far, for a policy that looks at whom they were for."""
        features = self.tactic.features or Features(())
        if self.doings is not None:
            news, known = features.numbers(self.decided_with), self.numbers
            self.numbers = news if known is None else np.concatenate([known, news])
            self.decided_with.clear()
        elif self.numbers is None:
            self.numbers = features.numbers(self.world.population.attributes)
        return self.journal.trials(self.tactic, self.numbers, of_decisions=self.doings is not None)

    def decide(self, step: int, now: Instant) -> None:
        """Whoever comes by in this step is decided for at its beginning, and events take their course."""
        until = min(now + self.step, self.plan.end)
        recipients = self.world.arrivals(now, until, self.chance(_ARRIVALS, step))
        if not len(recipients):
            return
        u = self.chance(_DRAWS, step).random(len(recipients))
        found = chosen_in_turn(self.tactic, self.table, self.contacts(recipients, u, now), self.supplies, now)
        earlier = self.messages[recipients] + _sent_before(recipients, found.arms != NO_ARM)
        np.add.at(self.messages, recipients, found.arms != NO_ARM)
        events = self.world.events(recipients, found.arms, earlier, now, self.chance(_EVENTS, step))
        used = self.journal.append(step, recipients, found, events, now)
        self.change_meters(self.keys[step], Reading(-used.settled, used.settled, 0))  # all of it was reserved so far
        self.measures.spent(used)
        truth = self.world.expected_rewards(self.tactic.reward_rule, now)[self.world.population.types[recipients]]
        self.measures.decided(step, self.tactic, found, truth)

    def contacts(self, recipients: NDArray[np.int64], u: NDArray[np.float64], now: Instant) -> Contacts:
        """What the decision path needs to know of some recipients."""
        population, some = self.world.population, recipients.tolist()
        if self.doings is None:
            attributes = [population.attributes[place] for place in some]
        else:
            attributes = self.doings.attributes(recipients, now)
            if self.tactic.features is not None:
                self.decided_with += attributes
        return Contacts(
            recipient_keys=[self.recipient_keys[place] for place in some],
            attributes=attributes,
            excluded=[()] * len(some),
            suppressed=self.suppressed[recipients],
            consents=[population.consents[place] for place in some],
            zones=[population.zones[place] for place in some],
            u=u,
            places=Places(
                self.places.strategy[recipients], self.places.campaign[recipients], self.places.rollout[recipients]
            ),
        )

    def change_meters(self, keys: Keys, difference: Reading) -> None:
        """Change what is in use on the meters of some decisions."""
        for key in set(keys):
            self.supplies.readings[key] = self.supplies.readings.get(key, UNUSED).plus(difference)


def _sent_before(recipients: NDArray[np.int64], sends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many messages each contact's recipient was sent earlier in the same batch, ``[N]``."""
    order = np.argsort(recipients, kind="stable")
    sent = sends[order].astype(np.int64)
    before = np.cumsum(sent) - sent
    first = np.searchsorted(recipients[order], recipients[order])
    found = np.empty_like(before)
    found[order] = before - before[first]
    return found
