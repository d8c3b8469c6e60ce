"""Hindsight: what changed documents would have done with the requests of the last weeks, judged off-policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import Controls, Status
from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.domain.micros import units
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Block, Group
from optimizer.domain.statistics import Cell, Sums
from optimizer.domain.trials import Trials
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.assessment import Assessment, assess
from optimizer.engine.choosing import NO_ARM, Chosen, Contacts
from optimizer.engine.gathering import evidence_of
from optimizer.engine.learning import learn
from optimizer.engine.pricing import Cells, expected_costs
from optimizer.engine.rationing import chosen_in_turn
from optimizer.engine.spending import due
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Tactic
from optimizer.evaluation.evaluating import Estimate, evaluate
from optimizer.evaluation.reward_models import CellMeans
from optimizer.evaluation.verdicts import Verdict
from optimizer.guardrails.contacts import Contact, longest_window
from optimizer.guardrails.eligibility import BLOCKS, ELIGIBLE
from optimizer.guardrails.groups import LEARNING
from optimizer.services.decisions.proving import Chances, chances
from optimizer.services.learning.elsewhere import cells_elsewhere
from optimizer.services.learning.training import drawn_trials
from optimizer.services.live import Live
from optimizer.storage.store import Ledger

HISTORY: Duration = 28 * DAY
MOST_DECISIONS = 10_000  # the newest; a few seconds' worth
FEWEST_DECISIONS = 100
FOLDS = 5  # an allocation that judges a decision was learned without the hours of that decision's fold


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What a campaign's changed documents would have done with the decisions it made.

    Attributes:
        since: instant of the first of these decisions.
        n_decisions: how many there are, holdouts and those without a variant among them.
        sent_before: decisions with a variant, as they were made.
        sent_after: those that would have one.
        newly_blocked: decisions that had a variant and would have none, by the rule that removes their variant.
        newly_sent: decisions that had none and would have one.
        spend_before: what became due for them, in units of the currency.
        spend_after: what would be expected to.
        n_judged: drawn, exposed and matured decisions that would be drawn again: what rewards are judged on.
        reward_before: mean reward of those.
        reward_after: what they would earn under the new allocation, learned without them; None when too few.
        lift: how much more that is.
        verdict: how far to trust it.
    """

    campaign_id: str
    since: Instant
    n_decisions: int
    sent_before: int
    sent_after: int
    newly_blocked: Mapping[Block, int]
    newly_sent: int
    spend_before: float
    spend_after: float
    n_judged: int
    reward_before: float | None
    reward_after: Estimate | None
    lift: Estimate | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """Past decisions in order of time, with what came of each."""

    decisions: Sequence[Decision]
    outcomes: Mapping[str, Sequence[Outcome]]

    def assessed(self, tactic: Tactic) -> list[Assessment]:
        """What each amounts to under a tactic's objective."""
        return [assess(tactic.reward_rule, d, self.outcomes.get(d.decision_id, ())) for d in self.decisions]


@dataclass(frozen=True, slots=True, eq=False)
class _Relearned:
    """The new allocation as a target policy: each decision is judged by one learned without the hours of its fold.

    Features of the log are which of the new documents' variants may be chosen, and last the decision's place; its
    further arms are no longer sent.

    Attributes:
        tables: one for each fold.
        n_arms: of the new documents.
        attributes: of each decision's recipient.
    """

    tables: Sequence[AllocationTable]
    n_arms: int
    attributes: Sequence[Attributes]

    def probabilities(self, feedback: LoggedFeedback) -> NDArray[np.float64]:
        """Probability of every arm for every decision, ``[N, A]``."""
        found = np.zeros((len(feedback), feedback.n_arms))
        if feedback.decided_at is None:
            raise ValueError("feedback: found no instants; allowed a log that has them")
        admitted, places = feedback.features[:, :-1] > 0.0, feedback.features[:, -1].astype(np.int64)
        folds = _fold(feedback.decided_at)
        for n, (fold, segment) in enumerate(zip(folds.tolist(), feedback.segments.tolist(), strict=True)):
            row = self.tables[fold].row(segment, admitted[n], self.attributes[places[n]])
            found[n, : self.n_arms] = row.allocation / row.allocation.sum()
        return found


def hindsight(
    ledger: Ledger, live: Live, tactic: Tactic, controls: Controls, now: Instant, most: int = MOST_DECISIONS
) -> Hindsight | None:
    """What a tactic would have done with the newest decisions of its campaign; None when there are too few of them.

    The same requests, at the same instants and with the same hashes, go through the engine under the new documents,
    approved and in their period, with contacts and budgets used up by what it chooses. What other campaigns spent of a
    shared budget is left out; their contacts are not. Rewards are estimated from the decisions that were drawn by
    chance.

    Args:
        ledger: the ledger; nothing is written.
        live: gives the secret and the documents each decision was made under.
        tactic: the campaign under the new documents.
        controls: what people have decided about it.
        now: up to when the ledger is read.
        most: decisions to look at.
    """
    newest = ledger.decisions.newest(tactic.campaign_id, now - HISTORY, most)
    decisions = [decision for decision in newest if not decision.is_anonymous]  # else nobody knows what was asked
    if len(decisions) < FEWEST_DECISIONS:
        return None
    past = _Past(decisions, ledger.outcomes.of([d.decision_id for d in decisions]))
    tactic = _as_if_in_force(tactic, controls)
    cells = list(ledger.statistics.of_campaign(tactic.campaign_id))
    others = cells_elsewhere(ledger, tactic)
    trials = drawn_trials(ledger, live, tactic, decisions, past.outcomes)
    table = AllocationTable(learn(tactic, evidence_of(tactic, cells), 1, now, lambda: trials, others))
    chosen = _chosen(ledger, live, tactic, table, past)
    before = np.array([d.variant_id is not None for d in decisions])
    after = chosen.arms != NO_ARM
    assessed = past.assessed(tactic)
    judged = _judged(past, assessed, chosen, now)
    reward_before, reward_after, lift, verdict = _rewards(
        tactic,
        cells,
        others,
        trials,
        _log(ledger, live, tactic, past, assessed, chosen, judged),
        [decisions[n].attributes for n in judged],
        now,
    )
    return Hindsight(
        campaign_id=tactic.campaign_id,
        since=decisions[0].decided_at,
        n_decisions=len(decisions),
        sent_before=int(before.sum()),
        sent_after=int(after.sum()),
        newly_blocked=_newly_blocked(tactic, past, chosen, before & ~after),
        newly_sent=int((after & ~before).sum()),
        spend_before=_spend_before(ledger, live, past),
        spend_after=_spend_after(tactic, table, cells, chosen),
        n_judged=len(judged),
        reward_before=reward_before,
        reward_after=reward_after,
        lift=lift,
        verdict=verdict,
    )


def _as_if_in_force(tactic: Tactic, controls: Controls) -> Tactic:
    """The tactic as it would run: approved, within its period, by the policy."""
    limits = replace(
        tactic.limits,
        approved=np.ones_like(tactic.limits.approved),
        paused=np.array([v in controls.paused for v in tactic.variant_ids], dtype=bool),
        status=Status.RUNNING,
        starts_at=None,
        ends_at=None,
        review_due_at=None,
    )
    return replace(tactic, limits=limits, pinned=None)


def _chosen(ledger: Ledger, live: Live, tactic: Tactic, table: AllocationTable, past: _Past) -> Chosen:
    """The engine's choices for the same requests, instant by instant."""
    supplies, waiting = Supplies(), _contacts_of_others(ledger, tactic, past)
    pseudonyms = live.at(ledger).pseudonyms
    parts = []
    for now, group in groupby(past.decisions, key=lambda d: d.decided_at):
        some = list(group)
        while waiting and waiting[-1][1].at <= now:
            key, contact = waiting.pop()
            supplies.contacts.setdefault(key, []).append(contact)
        persons = pseudonyms.persons_of([d.recipient_key for d in some])
        chance = [chances(live.secret, d.campaign_id, p, d.request_id) for d, p in zip(some, persons, strict=True)]
        contacts = Contacts(
            recipient_keys=[d.recipient_key for d in some],
            attributes=[d.attributes for d in some],
            excluded=[d.excluded for d in some],
            suppressed=np.array([Block.SUPPRESSED in d.blocked.values() for d in some], dtype=bool),
            consents=[d.consent for d in some],
            zones=[None if d.time_zone is None else ZoneInfo(d.time_zone) for d in some],
            u=np.array([one.u for one in chance]),
            places=Chances.places(chance),
        )
        parts.append(chosen_in_turn(tactic, table, contacts, supplies, now))
    return Chosen.joined(parts)


def _contacts_of_others(ledger: Ledger, tactic: Tactic, past: _Past) -> list[tuple[str, Contact]]:
    """Contacts that other campaigns made, the newest first."""
    if not tactic.contact_limits:
        return []
    keys = [d.recipient_key for d in past.decisions]
    since = past.decisions[0].decided_at - longest_window(tactic.contact_limits)
    found = ledger.commitments.contacts(keys, since, apart_from=tactic.campaign_id)
    made = [(key, Contact(*contact)) for key, contacts in found.items() for contact in contacts]
    return sorted(made, key=lambda one: one[1].at, reverse=True)


def _newly_blocked(tactic: Tactic, past: _Past, chosen: Chosen, rows: NDArray[np.bool_]) -> dict[Block, int]:
    """Decisions by the first rule that removes the variant they had, or else any; withheld ones have no rule."""
    arm_of = {name: arm for arm, name in enumerate(tactic.variant_ids)}
    found: Counter[Block] = Counter()
    for n in np.flatnonzero(rows).tolist():
        codes = chosen.codes[n]
        arm = arm_of.get(past.decisions[n].variant_id or "")
        code = int(codes[arm]) if arm is not None and codes[arm] != ELIGIBLE else int(codes.max(initial=0))
        if code != ELIGIBLE:
            found[BLOCKS[code - 1]] += 1
    return {rule: found[rule] for rule in Block if found[rule]}


def _spend_before(ledger: Ledger, live: Live, past: _Past) -> float:
    """What became due for the decisions as they were made."""
    total = 0
    for decision in past.decisions:
        if decision.variant_id is not None:
            tactic = live.edition(ledger, decision.strategy_version)[decision.campaign_id]
            costs = tactic.costs[tactic.variant_ids.index(decision.variant_id)]
            if costs:
                found = assess(tactic.reward_rule, decision, past.outcomes.get(decision.decision_id, ()))
                total += due(costs, found)
    return units(total)


def _spend_after(tactic: Tactic, table: AllocationTable, cells: Sequence[tuple[Cell, Sums]], chosen: Chosen) -> float:
    """What the new choices would be expected to cost."""
    costs = expected_costs(tactic, table.posterior, cells)
    sent = chosen.arms != NO_ARM
    return float(costs[chosen.segments[sent], chosen.arms[sent]].sum())


def _judged(past: _Past, assessed: Sequence[Assessment], chosen: Chosen, now: Instant) -> NDArray[np.intp]:
    """Decisions that were drawn by chance, whose outcomes are all in, and that would be drawn again."""
    drawn_then = np.array([d.group is Group.LEARNING and d.snapshot_id is not None for d in past.decisions])
    matured = np.array([a.exposed_at is not None and a.closes_at <= now for a in assessed])
    sent_then = np.array([d.variant_id is not None for d in past.decisions])
    again = (chosen.groups == LEARNING) & (chosen.codes == ELIGIBLE).any(axis=1) & (chosen.segments >= 0)
    return np.flatnonzero(drawn_then & sent_then & matured & again)


def _rewards(
    tactic: Tactic,
    cells: Sequence[tuple[Cell, Sums]],
    others: Cells,
    trials: Trials,
    log: LoggedFeedback,
    attributes: Sequence[Attributes],
    now: Instant,
) -> tuple[float | None, Estimate | None, Estimate | None, Verdict | None]:
    if len(log) < FEWEST_DECISIONS:
        return None, None, None, None
    tables = [
        AllocationTable(
            learn(
                tactic,
                evidence_of(tactic, _without(cells, fold)),
                1,
                now,
                partial(trials.part, _fold(trials.decided_at) != fold),
                others,
            )
        )
        for fold in range(FOLDS)
    ]
    target = _Relearned(tables, len(tactic.variant_ids), attributes)
    found = evaluate([log], {"changed": target}, reward_model=CellMeans.of(log, 0))
    judgement = found.judgements["changed"]
    estimate, lift = (of[judgement.headline] for of in (judgement.estimates, judgement.lifts))
    return found.logged.value, estimate, lift, judgement.verdict


def _log(
    ledger: Ledger,
    live: Live,
    tactic: Tactic,
    past: _Past,
    assessed: Sequence[Assessment],
    chosen: Chosen,
    judged: NDArray[np.intp],
) -> LoggedFeedback:
    """The judged decisions. Arms are words: those of the new documents first, then those no longer sent.

    What could be chosen then is `eligible`; what the new documents admit are the features, and last the place.
    """
    decisions = [past.decisions[n] for n in judged]
    editions = {d.strategy_version: live.edition(ledger, d.strategy_version)[d.campaign_id] for d in decisions}
    words = list(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
    old = {pair for t in editions.values() for pair in zip(t.variant_ids, t.content_hashes, strict=True)}
    arm_of = {pair: arm for arm, pair in enumerate([*words, *sorted(old - set(words))])}
    eligible = np.zeros((len(decisions), len(arm_of)), dtype=bool)
    for n, decision in enumerate(decisions):
        then = editions[decision.strategy_version]
        for pair in zip(then.variant_ids, then.content_hashes, strict=True):
            eligible[n, arm_of[pair]] = pair[0] not in decision.blocked
    return LoggedFeedback(
        variant_ids=tuple(name if arm < len(words) else f"{name}, as it was" for arm, (name, _) in enumerate(arm_of)),
        segment_ids=tactic.rules.segment_ids,
        arms=np.array([arm_of[d.variant_id or "", d.content_hash or ""] for d in decisions], np.int64),
        segments=chosen.segments[judged],
        propensities=np.array([d.propensity for d in decisions], np.float64),
        rewards=np.array([units(assessed[n].reward) for n in judged], np.float64),
        features=np.column_stack([chosen.codes[judged] == ELIGIBLE, np.arange(len(judged))]).astype(np.float64),
        feature_names=(*tactic.variant_ids, "place"),
        eligible=eligible,
        decided_at=np.array([d.decided_at for d in decisions], np.int64),
        recipients=np.array([int(d.recipient_key[:16], 16) for d in decisions], np.uint64),
    )


def _without(cells: Sequence[tuple[Cell, Sums]], fold: int) -> list[tuple[Cell, Sums]]:
    return [(cell, sums) for cell, sums in cells if _fold(np.int64(cell.bucket)) != fold]


def _fold(at: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    """Fold of an instant: hours in turn, so that every fold has all times of the day."""
    return np.asarray(at // HOUR % FOLDS, np.int64)
