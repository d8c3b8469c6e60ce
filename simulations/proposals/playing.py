"""Play a simulated campaign day by day with the engine's own learning, watching and allocation."""

from __future__ import annotations

from collections import defaultdict
from copy import copy

import numpy as np
from campaigns import BANDS, WINDOW_DAYS, World
from numpy.typing import NDArray

from optimizer.domain.controls import Controls
from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.evidence import Evidence
from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY
from optimizer.domain.meters import Reading
from optimizer.domain.reasons import Group
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import DECIDED, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.learning import next_snapshot
from optimizer.engine.tactic import compile_tactic
from optimizer.engine.watching import watched
from optimizer.insights.discovering.columns import declared_column
from optimizer.insights.discovering.found import Found
from optimizer.insights.discovering.tree import found_segments
from optimizer.insights.proposing.looked import ByContact, Daily, Looked, Purse, Sibling, Watched
from optimizer.strategy.variants import variants
from optimizer.strategy.workspace import read_workspace

START = 20_000 * DAY
MOST_CONTACTS = 16
FEWEST_DECISIONS = 2_000
LEARNING, HELD, OUTSIDE = range(3)
_GROUPS = (Group.LEARNING, Group.CAMPAIGN_HOLDOUT, Group.OUTSIDE_ROLLOUT)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Play:
    """A campaign while it goes on. Copies go on independently of each other."""

    def __init__(self, world: World, files: dict[str, str], days: int, seed: int, name: str = "mail") -> None:
        rng = np.random.default_rng([seed, 1])
        n = world.recipients
        self.world, self.days, self.seed, self.day, self.name = world, days, seed, 0, name
        self.bands = rng.choice(len(BANDS), n, p=world.shares)
        self.attributes = np.array(BANDS, dtype=object)[self.bands]
        self.u_holdout, self.u_rollout = rng.random((2, n))
        self.messages, self.occasions = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.sent_on = np.zeros((n, 7), np.int64)  # messages on each of the last seven days
        self.controls = Controls(reviewed_at=START)
        self.segment_names: tuple[str, ...] = ()
        self.trials = self.wins = np.zeros((3, 0, world.n_arms + 1, days))
        self.contacts = np.zeros((2, 2, 0, MOST_CONTACTS, days))  # trials and wins, group, segment, contact, day
        self.delays = np.zeros((N_DELAYS, days))
        self.left = np.zeros((world.n_arms, days))
        self.coming: dict[int, list[tuple[Ints, ...]]] = defaultdict(list)
        self.log: list[tuple[Ints, ...]] = []
        self.snapshot: Snapshot | None = None
        self.sent_today = 0
        self.value = 0.0  # expected rewards of everything decided so far: the truth
        self.with_documents(files)

    def with_documents(self, files: dict[str, str]) -> None:
        """Go on by other documents."""
        self.files, self.workspace = files, read_workspace(files)
        self.compile()
        names = self.tactic.rules.segment_ids
        self.segment_names += tuple(name for name in names if name not in self.segment_names)
        missing = len(self.segment_names) - self.trials.shape[1]
        if missing:
            wider = ((0, 0), (0, missing), (0, 0), (0, 0))
            self.trials, self.wins = np.pad(self.trials, wider), np.pad(self.wins, wider)
            self.contacts = np.pad(self.contacts, ((0, 0), *wider))
        self.places = np.array([self.segment_names.index(name) for name in names])
        self.segments = self.tactic.rules.of_many({"band": self.attributes}, len(self.bands))

    def compile(self) -> None:
        """The campaign as its controls are now; everything is approved."""
        strategy, campaign = self.workspace.strategy, self.workspace.campaigns[self.name]
        approved = {(self.name, one.variant_id, one.content_hash) for one in variants(campaign)}
        self.tactic = compile_tactic(strategy, campaign, 1, approved, self.controls)

    def copied(self) -> Play:
        """The same, to go on otherwise."""
        other = copy(self)
        for name in ("messages", "occasions", "sent_on", "trials", "wins", "contacts", "delays", "left"):
            setattr(other, name, getattr(self, name).copy())
        other.coming = defaultdict(list, {day: list(found) for day, found in self.coming.items()})
        other.log = list(self.log)
        return other

    @property
    def now(self) -> int:
        """First instant of the day that has not been played yet."""
        return START + self.day * DAY

    def play(self, until: int) -> None:
        """Go on until a day."""
        while self.day < until:
            self.play_day()

    def play_day(self) -> None:
        """One day: outcomes come in, people and guardrails act, the campaign learns, and decides for whoever comes."""
        self.hear()
        self.watch()
        self.learn()
        self.decide()
        self.day += 1

    def hear(self) -> None:
        """Rewards that come today."""
        for group, place, arm, made, contact, delay in self.coming.pop(self.day, []):
            np.add.at(self.wins, (group, place, arm, made), 1.0)
            np.add.at(self.contacts[1], ((group > 0).astype(int), place, contact, made), 1.0)
            of_learning = group == LEARNING
            np.add.at(self.delays, (delay_bins(delay[of_learning]), made[of_learning]), 1.0)

    def watch(self) -> None:
        """Guardrail metrics and the rollout; nobody answers here what they ask."""
        before, (self.controls, _) = self.controls, watched(self.tactic, self.controls, self.cells(), self.now)
        if self.controls != before:
            self.compile()

    def cells(self) -> list[tuple[Cell, Sums]]:
        """Statistics that guardrails look at, all days together."""
        found = []
        for arm, variant in enumerate(self.tactic.variants):
            n, won, left = (
                int(each) for each in (self.trials[:, :, arm].sum(), self.wins[:, :, arm].sum(), self.left[arm].sum())
            )
            place = (
                self.name,
                self.tactic.rules.segment_ids[0],
                variant.variant_id,
                variant.content_hash,
                Group.LEARNING,
            )
            for metric, sums in (
                (DECIDED, Sums(n, 0, 0, 0)),
                (reward_metric("buy"), Sums(n, won, won * 1_000_000, won * 1_000_000)),
                (outcome_metric("unsubscribed"), Sums(left, left, 0, 0)),
            ):
                if n:
                    found.append((Cell(*place, metric, START), sums))
        return found

    def evidence(self) -> Evidence:
        """What the learning group has shown by now."""
        known = max(self.day, 1)
        arms = len(self.tactic.variants)
        trials, wins = (sums[LEARNING][self.places][:, :arms, :known] for sums in (self.trials, self.wins))
        days = START + np.arange(known) * DAY
        return Evidence(days, trials, wins, wins, wins, delays=self.delays[:, :known])

    def learn(self) -> None:
        """A new snapshot, if there is news."""
        self.snapshot = next_snapshot(self.tactic, self.evidence(), (), {}, self.snapshot, self.now)
        self.table = AllocationTable(self.snapshot)

    def decide(self) -> None:
        """Whoever comes by today."""
        n = len(self.bands)
        comes, u, luck, lag, leaves = np.random.default_rng([self.seed, 2, self.day]).random((5, n))
        who = np.flatnonzero(comes < self.world.activity)  # the same people and chances for all that go on from here
        share, segments = self.tactic.shares, self.segments[who]
        group = np.where(self.u_rollout[who] < share.rollout, LEARNING, OUTSIDE)
        group[self.u_holdout[who] < share.campaign_holdout] = HELD
        arms = np.full(len(who), -1)
        for segment, shares in enumerate(self.allocations()):
            drawn = shares.cumsum()
            if drawn[-1] > 0.0:
                here = segments == segment
                places = np.searchsorted(drawn / drawn[-1], u[who[here]], side="right")
                arms[here] = places.clip(max=len(drawn) - 1)
        sends = (group == LEARNING) & (arms >= 0) & (self.sent_on[who].sum(axis=1) < self.cap())
        sends &= np.cumsum(sends) <= self.most_today()
        self.sent_today = int(sends.sum())
        arms[~sends] = -1
        chance = self.world.rates(self.day, self.messages[who], self.bands[who])[np.arange(len(who)), arms]
        self.value += float(chance.sum())
        self.book(who, group, arms, sends, luck[who] < chance, lag[who], leaves[who])
        self.occasions[who] += 1
        self.messages[who[sends]] += 1
        self.sent_on = np.roll(self.sent_on, 1, axis=1)
        self.sent_on[:, 0] = 0
        self.sent_on[who[sends], 0] = 1

    def book(self, who: Ints, group: Ints, arms: Ints, sends: Bools, won: Bools, lag: Floats, leaves: Floats) -> None:
        """Statistics of the day, and what will come of it later.

        Whoever is capped, or comes when nothing is left, is sent nothing and is no trial; those on control always are.
        """
        kept = sends | (group != LEARNING)
        who, group, arms, won, lag, leaves, sends = (each[kept] for each in (who, group, arms, won, lag, leaves, sends))
        place = self.places[self.segments[who]]
        contact = np.minimum(np.where(sends, self.messages[who], self.occasions[who]), MOST_CONTACTS - 1)
        column, made = np.where(sends, arms, self.world.n_arms), np.full(len(who), self.day)
        np.add.at(self.trials, (group, place, column, made), 1.0)
        np.add.at(self.contacts[0], ((group > 0).astype(int), place, contact, made), 1.0)
        delays = (-np.log1p(-lag) * self.world.late_days * DAY).astype(np.int64)
        won = won & (delays < self.tactic.reward_rule.window)
        for late in np.unique(delays[won] // DAY).tolist():
            now = won & (delays // DAY == late)
            news = (group[now], place[now], column[now], made[now], contact[now], delays[now])
            self.coming[self.day + 1 + late].append(news)
        np.add.at(self.left, (arms[sends & (leaves < self.world.unsubscribing)], self.day), 1.0)
        sent = who[sends], arms[sends]
        self.log.append((*sent, won[sends].astype(np.int64), self.probabilities(*sent)))

    def allocations(self) -> list[Floats]:
        """How each segment's traffic is shared."""
        may = self.tactic.limits.may_be_chosen
        return [self.table.row(segment, may[segment]).allocation for segment in range(len(self.places))]

    def probabilities(self, who: Ints, arms: Ints) -> Floats:
        """Propensities of what was sent."""
        return np.asarray(np.stack(self.allocations())[self.segments[who], arms], np.float64)

    def cap(self) -> int:
        """Messages allowed in seven days."""
        return self.tactic.contact_limits[0].at_most

    def most_today(self) -> int:
        """Messages the budget allows on a day."""
        most = [limit.allowance.sends for limit in self.tactic.budget_limits if limit.allowance.sends is not None]
        return min(most, default=10**9)

    def purses(self) -> tuple[Purse, ...]:
        """The limits, with what was used of them on the day before."""
        used = Reading(0, 0, self.sent_today)
        return tuple(
            Purse(one.scope, one.span, one.allowance, used, not one.allowance.admits(Reading(0, 0, used.sends + 1)))
            for one in self.tactic.budget_limits
        )

    def parts(self) -> dict[str, Found]:
        """What discovery finds inside each segment, by everything of which nothing is awaited any more."""
        settled = self.log[: max(self.day - WINDOW_DAYS - 1, 0)]
        if not settled:
            return {}
        rows, arms, won, propensities = (np.concatenate(column) for column in zip(*settled, strict=True))
        band, found = self.workspace.strategy.attributes["band"], {}
        for segment, name in enumerate(self.tactic.rules.segment_ids):
            here = self.segments[rows] == segment
            column = declared_column("band", band, self.attributes[rows[here]].tolist())
            if here.sum() < FEWEST_DECISIONS or column is None:
                continue
            feedback = LoggedFeedback(
                variant_ids=self.tactic.variant_ids,
                segment_ids=(name,),
                arms=arms[here],
                segments=np.zeros(int(here.sum()), np.int64),
                propensities=propensities[here],
                rewards=won[here].astype(np.float64),
                recipients=rows[here].astype(np.uint64),
            )
            found[name] = found_segments(feedback, [column])
        return found

    def as_sibling(self) -> Sibling:
        """What another campaign sees of it."""
        looked = self.looked()
        return Sibling(self.tactic.campaign, looked.lift(looked.all_days), self.purses())

    def looked(self, siblings: tuple[Sibling, ...] = (), *, searches: bool = False) -> Looked:
        """What makers look at, at the beginning of a day."""
        known, arms = self.day, len(self.tactic.variants)
        learning = [sums[LEARNING][self.places][:, :arms, :known] for sums in (self.trials, self.wins)]
        control = [
            sums[1:].sum(axis=0)[self.places].sum(axis=1, keepdims=True)[..., :known]
            for sums in (self.trials, self.wins)
        ]
        days = START + np.arange(known) * DAY
        settled = days + DAY + self.tactic.reward_rule.window <= self.now
        by_contact = self.contacts[:, :, self.places][..., :known][..., settled].sum(axis=-1)
        trials = int(self.trials[:, :, :-1].sum())
        return Looked(
            strategy=self.workspace.strategy,
            tactic=self.tactic,
            controls=self.controls,
            table=self.table,
            now=self.now,
            days=days,
            learning=Daily(learning[0], *[learning[1]] * 3),
            on_control=Daily(control[0], *[control[1]] * 3),
            purses=self.purses(),
            watched=tuple(Watched(rule, int(self.left.sum()), trials) for rule in self.tactic.metrics),
            by_contact=ByContact(by_contact[0], by_contact[1], by_contact[1]),
            siblings=siblings,
            parts=self.parts() if searches else {},
        )
