"""Watching: what guardrail metrics and the stages of a rollout make of a campaign's controls, at every refresh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import Controls, Status
from optimizer.domain.instants import Instant
from optimizer.domain.statistics import DECIDED, NOTHING, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.hearing import heard
from optimizer.engine.raising import ALARMS, Done
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.metrics import ALERT, PAUSE_VARIANT, STOP_CAMPAIGN, Breach, MetricRule, breaches
from optimizer.guardrails.rollout import RolloutState, Stage, next_state

WHOLE_CAMPAIGN = ""  # key of `Controls.watched_since`
_ANY_REWARD = reward_metric("")


@dataclass(frozen=True, slots=True)
class _Counts:
    """What a campaign's statistics say about guardrail metrics.

    Attributes:
        by_arm: decisions per outcome kind (key ``""``: exposures), ``[A]``, of each variant as it stands now.
        together: the same of the whole campaign, whatever its words were, by the instant they are counted from.
        sent: whether anything has been sent at all.
    """

    by_arm: Mapping[str, NDArray[np.int64]]
    together: Mapping[Instant, Mapping[str, int]]
    sent: bool


def watched(
    tactic: Tactic,
    controls: Controls,
    cells: Sequence[tuple[Cell, Sums]],
    now: Instant,
    by_hour: Callable[[], Iterable[tuple[Cell, Sums]]] | None = None,
) -> tuple[Controls, tuple[Done, ...]]:
    """The controls after a campaign's outcomes were listened for, its guardrail metrics judged and its rollout moved.

    A metric that pauses variants judges each of them as its words stand now; the others judge the campaign as a
    whole. Everyone to whom something was sent counts, held out or not. What a metric has done, only a person undoes;
    evidence from before that counts no more (`Controls.watched_since`), by the hour in which decisions were made.

    Args:
        tactic: the campaign.
        controls: what people and earlier checks have decided about it.
        cells: its statistics.
        now: instant of the check.
        by_hour: gives its statistics by the hour, where those above are of wider buckets.

    Returns:
        The controls, the same where nothing changed, and everything that was done.
    """
    controls, heard_of = heard(tactic, controls, cells, now, by_hour or (lambda: cells))
    if not tactic.metrics and not tactic.stages:
        return controls, heard_of
    counts = _counts(tactic, controls, cells)
    after, done = _after_metrics(tactic, controls, _breaches(tactic, controls, counts))
    after, moved = _after_rollout(tactic, after, now, sent=counts.sent, breached=bool(done))
    return after, (*heard_of, *done, *moved)


def answered_alarm(outcome: str) -> str:
    """Key of `Controls.watched_since` for an alarm that somebody has answered; no variant id has a slash."""
    return f"outcome/{outcome}"


def rollout_state(controls: Controls, now: Instant) -> RolloutState:
    """Where the controls say the rollout is; one that has not begun has been there since now."""
    since = now if controls.stage_since is None else controls.stage_since
    return RolloutState(controls.stage, since, controls.held, controls.stage_approved)


def with_rollout(controls: Controls, state: RolloutState) -> Controls:
    """The controls with their rollout moved."""
    return replace(
        controls, stage=state.stage, stage_since=state.since, held=state.held, stage_approved=state.approved_stage
    )


def stage_words(stages: Sequence[Stage], stage: int) -> str:
    """A stage as people say it: ``stage 2 of 3 (25 % of recipients)``."""
    place = min(stage, len(stages) - 1)
    return f"stage {place + 1} of {len(stages)} ({100 * stages[place].share:g} % of recipients)"


def counts_since(rule: MetricRule, controls: Controls) -> Instant:
    """From when on a rule counts that judges the campaign as a whole: what people have answered for is left out."""
    since = controls.watched_since.get(WHOLE_CAMPAIGN, 0)
    if rule.then == ALERT:  # answering an alarm shall not make a metric that stops the campaign forget
        since = max(since, controls.watched_since.get(answered_alarm(rule.outcome), 0))
    return since


def _counts(tactic: Tactic, controls: Controls, cells: Iterable[tuple[Cell, Sums]]) -> _Counts:
    arms = {pair: arm for arm, pair in enumerate(zip(tactic.variant_ids, tactic.content_hashes, strict=True))}
    arm_since = [controls.watched_since.get(variant_id, 0) for variant_id in tactic.variant_ids]
    kinds = {outcome_metric(rule.outcome): rule.outcome for rule in tactic.metrics}
    by_arm: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(arms), np.int64))
    together: dict[Instant, dict[str, int]] = {
        counts_since(rule, controls): defaultdict(int) for rule in tactic.metrics if rule.then != PAUSE_VARIANT
    }
    sent = False
    for cell, sums in cells:
        if cell.variant_id == NOTHING:  # whoever got nothing cannot have disliked it
            continue
        sent = sent or (cell.metric == DECIDED and sums.n > 0)
        # Every decision has one reward metric, that of the objective it was made for, so no exposure counts twice.
        if cell.metric.startswith(_ANY_REWARD):
            kind, n = "", max(sums.n, 0)
        elif cell.metric in kinds:
            kind, n = kinds[cell.metric], max(sums.positives, 0)
        else:
            continue
        arm = arms.get((cell.variant_id, cell.content_hash))
        if arm is not None and cell.bucket >= arm_since[arm]:
            by_arm[kind][arm] += n
        for since, of_campaign in together.items():
            if cell.bucket >= since:
                of_campaign[kind] += n
    return _Counts(by_arm, together, sent)


def _breaches(tactic: Tactic, controls: Controls, counts: _Counts) -> list[Breach]:
    nothing: NDArray[np.int64] = np.zeros(len(tactic.variant_ids), np.int64)
    found: list[Breach] = []
    for rule in tactic.metrics:
        if rule.then == PAUSE_VARIANT:
            found += breaches([rule], counts.by_arm, counts.by_arm.get("", nothing))
        else:
            summed = {
                kind: np.array([n], np.int64) for kind, n in counts.together[counts_since(rule, controls)].items()
            }
            found += breaches([rule], summed, summed.get("", nothing[:1]))
    return found


def _after_metrics(tactic: Tactic, controls: Controls, breached: Sequence[Breach]) -> tuple[Controls, tuple[Done, ...]]:
    """The controls after what the breaches ask for, and what of it is new."""
    done: list[Done] = []
    for breach in breached:
        if breach.then == PAUSE_VARIANT and breach.arm is not None:
            variant_id = tactic.variant_ids[breach.arm]
            if variant_id not in controls.paused:
                controls = replace(controls, paused={**controls.paused, variant_id: breach.sentence})
                subject = f"{tactic.campaign_id}/{variant_id}"
                done.append(Done("pause", subject, breach.sentence, "may be chosen", "paused"))
            continue
        stops = breach.then == STOP_CAMPAIGN and controls.status is not Status.STOPPED
        if stops or breach.outcome not in controls.alerted:
            status = Status.STOPPED if stops else controls.status
            after = "stopped" if stops else f"alarm: {breach.outcome}"
            before = controls.status.value if stops else "no alarm"
            action = "stop" if stops else "alert"
            alerted = {**controls.alerted, breach.outcome: breach.sentence}
            controls = replace(controls, status=status, alerted=alerted)
            done.append(Done(action, tactic.campaign_id, breach.sentence, before, after))
    return controls, tuple(done)


def _after_rollout(
    tactic: Tactic, controls: Controls, now: Instant, *, sent: bool, breached: bool
) -> tuple[Controls, tuple[Done, ...]]:
    """The controls after the rollout was checked, and what that changed.

    A rollout begins once something was sent, or a pilot would be over before its words were approved. It goes on only
    while the campaign runs, and not while a metric's alarm waits for an answer, or nothing is heard of it.
    """
    stages, ends_at = tactic.stages, tactic.limits.ends_at
    if not stages or not sent or (ends_at is not None and now >= ends_at):
        return controls, ()
    unsettled = breached or any(outcome not in ALARMS for outcome in controls.alerted)
    if controls.silent_since is not None and not unsettled:
        return controls, ()
    if controls.status is not Status.RUNNING and not unsettled:
        return controls, ()
    begins = controls.stage_since is None
    before = rollout_state(controls, now)
    after = next_state(stages, before, now, breached=unsettled)
    words = stage_words(stages, after.stage)
    done = []
    if begins:
        done.append(Done("begin rollout", tactic.campaign_id, f"the rollout is at {words}", "", words))
    if after.held and not before.held:
        why = f"a guardrail metric holds the rollout at {words} until a person releases it"
        done.append(Done("hold rollout", tactic.campaign_id, why, words, "held"))
    if after.stage != before.stage:
        why = f"nothing holds the rollout any longer: {words}"
        done.append(Done("advance rollout", tactic.campaign_id, why, stage_words(stages, before.stage), words))
    return with_rollout(controls, after), tuple(done)
