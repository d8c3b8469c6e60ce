"""Run a scenario: rehearse its policies, replay them, or judge them; every question gives a `Result`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.engine.allocations import FixedShares
from optimizer.history.opening import History
from optimizer.scenarios.choosers import chooser_of, with_policy
from optimizer.scenarios.documents import PolicyEntry
from optimizer.scenarios.fitted_worlds import fitted_world
from optimizer.scenarios.histories import open_part
from optimizer.scenarios.judgements import judgements
from optimizer.scenarios.learning_outlook import refusal
from optimizer.scenarios.names import segments_of, variants_of
from optimizer.scenarios.reading import Guardrails, ScenarioRead
from optimizer.scenarios.rehearsals import Case, rehearsals
from optimizer.scenarios.replays import replays
from optimizer.scenarios.result import HistoryRead, Kind, Result, versions
from optimizer.scenarios.spreading import Workers
from optimizer.scenarios.world_models import synthetic_world
from optimizer.simulation.rehearsing import Chooser, Plan
from optimizer.simulation.world import WorldModel
from optimizer.strategy.documents import effective_policy, period
from optimizer.strategy.policy_settings import PolicySettings, ResolvedPolicy, resolved_policy

A_MONDAY = date(2026, 1, 5)
USUAL_SPAN = 28 * DAY
REPLAYED = "beta_bernoulli"  # the one model that a replay can feed
_REHEARSE_IT = f"a replay can feed {REPLAYED} alone; rehearse it in `world: fitted`, without --replay"
LEAST_STEP = HOUR  # of a rehearsal that names none: a refresh every minute is live's, and would take hours


def rehearse_scenario(read: ScenarioRead, workers: Workers, data: Path | None = None) -> Result:
    """Every policy in the scenario's world, under all guardrails.

    Args:
        read: the scenario.
        workers: who does the work; how many there are makes no difference to the result.
        data: folder in which a history is looked for that is not beside the scenario.

    Raises:
        DocumentError: the scenario lacks what a rehearsal needs, or its history does not fit.
    """
    written, document = _documents(read, "rehearse"), read.document
    if document.world is None:
        raise read.mistake(("world",), "a world to rehearse in, such as {synthetic: ...} or fitted", found="no world")
    plan = _plan(read, written)
    history = _history(read, data)
    model = _world(read, written, history, plan.start)
    cases, notes = [], []
    for guardrails in read.guardrails:
        for policy in document.policies:
            chosen = _chooser(policy, guardrails, history)
            if chosen is None:
                notes.append(f"{policy.name} is not rehearsed: what a model says of each recipient is only judged")
                continue
            campaign, chooser = chosen
            names = (policy.name, guardrails.name)
            cases.append(Case(*names, guardrails.strategy, campaign, chooser, model, plan, document.seed))
    with read.at(("world",)):
        rehearsed, differences = rehearsals(cases, document.replications, workers)
    refused = refusal(dict(rehearsed[0].learning))
    notes += [] if refused is None else [refused]
    result = _result(read, "rehearsal", history, tuple(dict.fromkeys(notes)))
    return replace(result, rehearsed=rehearsed, differences=differences, days=(plan.end - plan.start) / DAY)


def replay_scenario(read: ScenarioRead, workers: Workers, data: Path | None = None) -> Result:
    """Every learning policy, replayed on the scenario's history; arguments and errors as of `rehearse_scenario`."""
    history = _needed_history(read, data)
    policies: dict[str, ResolvedPolicy] = {}
    notes, others = [], set[str]()
    for policy in read.document.policies:
        if policy.learning is None:
            notes.append(f"{policy.name} is not replayed: it does not learn; `optimizer evaluate` judges it")
            continue
        settings = _settings(read, policy.learning)
        if settings.model != REPLAYED:
            others.add(settings.model)
            notes.append(f"{policy.name} is not replayed: {_REHEARSE_IT}")
            continue
        policies[policy.name] = settings
        if settings.warm_start is not None:
            notes.append(f"{policy.name} is replayed without its warm_start, which may tell what this history says")
    if not policies:
        models = ", ".join(sorted(others)) or None
        allowed = f"one that learns, such as {{name: mine, learning: {{model: {REPLAYED}}}}}"
        raise read.mistake(("policies",), f"{REPLAYED}, as {_REHEARSE_IT}" if others else allowed, found=models)
    with read.at(("history",)):
        found = replays(history, policies, read.document.replay, read.document.seed, workers)
    return replace(_result(read, "replay", history, tuple(notes)), replayed=found)


def evaluate_scenario(read: ScenarioRead, workers: Workers, data: Path | None = None) -> Result:
    """Every fixed policy, judged on the scenario's history; arguments and errors as of `rehearse_scenario`."""
    history = _needed_history(read, data)
    fixed = [policy for policy in read.document.policies if policy.learning is None]
    notes = [
        f"{policy.name} is not judged: it learns; `optimizer simulate --replay` replays it"
        for policy in read.document.policies
        if policy.learning is not None
    ]
    if not fixed:
        raise read.mistake(("policies",), "one that is fixed, such as {name: equal-split, uniform: true}")
    with read.at(("history",)):
        found, mean = judgements(history, fixed, read.document.evaluate, read.document.seed, workers)
    return replace(_result(read, "evaluation", history, tuple(notes), mean), judged=found)


def _settings(read: ScenarioRead, learning: PolicySettings) -> ResolvedPolicy:
    """Every setting of a policy that learns, in the campaign where there is one."""
    if read.written is None:
        return resolved_policy(learning)
    return effective_policy(read.written.strategy, with_policy(read.written.campaign, learning))


def _documents(read: ScenarioRead, what: str) -> Guardrails:
    if read.written is None:
        allowed = f"a workspace, or a strategy and campaigns written here, whose campaign to {what}"
        raise read.mistake(("workspace",), allowed, found="none")
    return read.written


def _history(read: ScenarioRead, data: Path | None) -> History | None:
    if read.document.history is None:
        return None
    with read.at(("history",)):
        return open_part(read.document.history, read.folder, data)


def _needed_history(read: ScenarioRead, data: Path | None) -> History:
    history = _history(read, data)
    if history is None:
        allowed = "a history, such as {file: log.csv, variant: mail, reward: bought, propensity: 0.5}"
        raise read.mistake(("history",), allowed, found="none")
    return history


def _plan(read: ScenarioRead, written: Guardrails) -> Plan:
    said, zone = read.document.rehearse, written.strategy.time_zone
    starts, _ = period(said.starts or written.campaign.starts or A_MONDAY, None, zone)
    assert starts is not None  # noqa: S101 - a date was given
    step = said.step or max(effective_policy(written.strategy, written.campaign).refresh, LEAST_STEP)
    return Plan(starts, starts + (said.for_ or USUAL_SPAN), step, said.reaction, said.release)


def _world(read: ScenarioRead, written: Guardrails, history: History | None, starts: Instant) -> WorldModel:
    world = read.document.world
    with read.at(("world",)):
        if world is not None and world.synthetic is not None:
            return synthetic_world(world.synthetic, variants_of(written.campaign), starts)
        assert world is not None  # noqa: S101 - checked when it was read
        assert world.fitted is not None  # noqa: S101
        assert history is not None  # noqa: S101
        return fitted_world(world.fitted, history, written.strategy, written.campaign, starts)


def _chooser(policy: PolicyEntry, guardrails: Guardrails, history: History | None) -> tuple[Any, Chooser] | None:
    chosen = chooser_of(policy, guardrails.campaign)
    if chosen is not None or history is None or policy.logged is None:
        return chosen
    return guardrails.campaign, FixedShares(_logged_shares(guardrails, history))


def _logged_shares(guardrails: Guardrails, history: History) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How often the history chose each variant in each segment; an equal split where it never decided."""
    campaign = guardrails.campaign
    segment_ids, variant_ids = segments_of(campaign), variants_of(campaign)
    counts = [[history.contents.chosen.get((s, v), 0) for v in variant_ids] for s in segment_ids]
    shares = np.array(counts, np.float64)
    shares[shares.sum(axis=1) == 0.0] = 1.0
    return shares


def _result(
    read: ScenarioRead,
    kind: Kind,
    history: History | None,
    notes: tuple[str, ...],
    mean_reward: float | None = None,
) -> Result:
    document, written = read.document, read.written
    if written is not None and kind == "rehearsal":
        variants, segments = variants_of(written.campaign), segments_of(written.campaign)
    else:
        assert history is not None  # noqa: S101 - the other questions need one
        variants, segments = history.contents.variant_ids, history.contents.segment_ids
    return Result(
        kind=kind,
        scenario=document.scenario,
        question=document.question,
        seed=document.seed,
        replications=document.replay.permutations if kind == "replay" else document.replications,
        config_hash=read.digest,
        versions=versions(),
        campaign=written.campaign.campaign if written else None,
        objective=written.campaign.serves if written else None,
        currency=written.strategy.currency if written else None,
        variants=variants,
        segments=segments,
        notes=notes,
        history=None if history is None else _history_read(read, history, mean_reward),
        reward_currency=_reward_currency(written) if written is not None and kind == "rehearsal" else None,
    )


def _reward_currency(written: Guardrails) -> str | None:
    """The currency of rewards that are amounts."""
    objective = next(o for o in written.strategy.objectives if o.id == written.campaign.serves)
    return written.strategy.currency if objective.reward.value == "amount" else None


def _history_read(read: ScenarioRead, history: History, mean_reward: float | None) -> HistoryRead:
    found = history.contents
    assert read.document.history is not None  # noqa: S101 - it was opened
    return HistoryRead(
        file=read.document.history.file,
        rows=found.rows,
        usable=found.rows - sum(found.unusable.values()),
        unusable=dict(found.unusable),
        propensity_source=history.mapping.propensity.known_from,
        mean_reward=mean_reward,
        decisions={s: dict(_chosen(found.chosen, s)) for s in found.segment_ids},
    )


def _chosen(chosen: dict[tuple[str, str], int], segment: str) -> Iterator[tuple[str, int]]:
    return ((variant, n) for (of_segment, variant), n in chosen.items() if of_segment == segment)
