"""Training: the newest drawn decisions of the ledger, one by one, for policies that look at whom they were made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import numpy as np

from optimizer.domain.decision import Decision
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group
from optimizer.domain.trials import Trials
from optimizer.engine.assessment import RewardRule, assess
from optimizer.engine.contexts import MOST_TRIALS
from optimizer.engine.tactic import Tactic
from optimizer.errors import NotFound
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import read_stored

PAGE = 5_000


def newest_trials(ledger: Ledger, tactic: Tactic) -> Trials:
    """The newest trials of a campaign's learning group on its variants, words and segments in force.

    Each is judged by the documents it was made under. Of all its decisions the newest `MOST_TRIALS` are read.
    """
    rule_of = partial(_rule_of, ledger, tactic, {tactic.strategy_version: tactic.reward_rule})
    pages = _pages(ledger, tactic.campaign_id)
    return Trials.joined([trials_of(tactic, rule_of, (), {}), *(trials_of(tactic, rule_of, *page) for page in pages)])


def drawn_trials(
    ledger: Ledger,
    live: Live,
    tactic: Tactic,
    decisions: Sequence[Decision],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> Trials:
    """Trials of those decisions that were drawn by the learning group, each judged by its own documents."""
    drawn = [d for d in decisions if d.group is Group.LEARNING and d.snapshot_id is not None]
    campaign_id = tactic.campaign_id
    return trials_of(tactic, lambda version: live.edition(ledger, version)[campaign_id].reward_rule, drawn, outcomes)


def trials_of(
    tactic: Tactic,
    rule_of: Callable[[int], RewardRule],
    decisions: Sequence[Decision],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> Trials:
    """Those of some decisions that say something about the variants in force.

    Args:
        tactic: the campaign in force; it looks at attributes.
        rule_of: how decisions made under a version of the documents are judged.
        decisions: drawn by the learning group.
        outcomes: of each decision, by its id.
    """
    segment_of = {segment_id: place for place, segment_id in enumerate(tactic.rules.segment_ids)}
    arm_of = {key: arm for arm, key in enumerate(zip(tactic.variant_ids, tactic.content_hashes, strict=True))}
    rows, kept = [], []
    for decision in decisions:
        arm = arm_of.get((decision.variant_id or "", decision.content_hash or ""))
        segment, rule = segment_of.get(decision.segment_id or ""), rule_of(decision.strategy_version)
        if arm is None or segment is None or rule.objective_id != tactic.reward_rule.objective_id:
            continue
        if decision.is_anonymous:  # its attributes are not unknown, as those of others may be, but gone
            continue
        found = assess(rule, decision, outcomes.get(decision.decision_id, ()))
        if found.exposed_at is not None:
            rows.append((segment, arm, found.rewarded, decision.decided_at))
            kept.append(decision.attributes)
    segments, arms, rewarded, decided_at = np.array(rows, np.int64).reshape(-1, 4).T
    features = tactic.features
    numbers = np.zeros((len(rows), 0)) if features is None else features.numbers(kept)
    shape = (len(segment_of), len(arm_of))
    return Trials(numbers, segments, arms, rewarded.astype(np.bool_), decided_at, np.ones(len(rows)), shape)


def _rule_of(ledger: Ledger, tactic: Tactic, known: dict[int, RewardRule], version: int) -> RewardRule:
    """How decisions made under a version of the documents are judged; each version is read once."""
    if version not in known:
        stored = ledger.versions.get(version)
        if stored is None:
            raise NotFound(f"strategy version: found {version}; allowed a version that was applied")
        workspace = read_stored(stored.files)
        serves = workspace.campaigns[tactic.campaign_id].serves
        objective = next(one for one in workspace.strategy.objectives if one.id == serves)
        known[version] = RewardRule.of(objective, workspace.strategy.hygiene)
    return known[version]


def _pages(ledger: Ledger, campaign_id: str) -> Iterator[tuple[Sequence[Decision], Mapping[str, Sequence[Outcome]]]]:
    """Decisions, newest first, with their outcomes; a few thousand at a time, so that memory stays bounded."""
    newest = ledger.decisions.newest_drawn(campaign_id, MOST_TRIALS)
    while page := list(islice(newest, PAGE)):
        yield page, ledger.outcomes.of([decision.decision_id for decision in page])
