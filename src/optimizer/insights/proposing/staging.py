"""Advance a rollout that does good, or go back a stage with one that does harm."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.domain.controls import Status
from optimizer.domain.proposals import Confidence, Proposal, ProposalKind
from optimizer.engine.watching import rollout_state, stage_words
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.guardrails.metrics import breach_probability
from optimizer.guardrails.rollout import Wait, waits
from optimizer.insights.proposing.certainty import certainty, combined, turned
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.words import as_of, effect, per_trial

_DIRECTIONS = 2  # on and back are looked at
QUIET = 0.5  # probability of being above its limit up to which a guardrail metric is quiet


def stages(looked: Looked) -> Iterator[Proposal]:
    """At most one proposal: back, where there is harm; on, where there is none and a person's yes is waited for."""
    tactic, controls = looked.tactic, looked.controls
    if not tactic.stages or controls.status is not Status.RUNNING or controls.pinned is not None:
        return
    back = _back(looked)
    if back is not None:
        yield back
        return
    state = rollout_state(controls, looked.now)
    if controls.stage_since is None or waits(tactic.stages, state, looked.now) != (Wait.APPROVAL,):
        return
    gain = _grown(looked, state.stage, state.stage + 1, looked.lift(looked.all_days))
    sure = certainty(looked.lift(looked.settled), looked.lift(looked.all_days), _DIRECTIONS)
    if sure is None or gain is None or controls.alerted or controls.paused or not _quiet(looked):
        return
    words = stage_words(tactic.stages, state.stage + 1)
    yield Proposal(
        kind=ProposalKind.ADVANCE_STAGE,
        campaign_id=tactic.campaign_id,
        subject=f"stage {state.stage + 2}",
        headline=f"Go on to {words}.",
        evidence=(
            f"Recipients who take part earn {per_trial(looked.lift(looked.all_days), looked.unit)} more than those on "
            "control, on the same days.",
            *_metric_words(looked),
            as_of(looked),
        ),
        expected=effect(gain, looked),
        risk="Those who come in at the next stage may answer otherwise than those who were first.",
        confidence=sure,
        steering="advance",
    )


def _back(looked: Looked) -> Proposal | None:
    tactic, controls = looked.tactic, looked.controls
    stage = min(controls.stage, len(tactic.stages) - 1)
    if stage == 0:
        return None
    lift = looked.lift(looked.all_days)
    sure = certainty(turned(looked.lift(looked.settled)), turned(lift), _DIRECTIONS)
    breached = sorted(kind for kind in controls.alerted if any(kind == one.outcome for one in tactic.metrics))
    if sure is Confidence.LOW and not breached:
        return None  # nobody is sent back and forth by chance
    if sure is None and not breached:
        return None
    gain = _grown(looked, stage, stage - 1, lift)
    words = stage_words(tactic.stages, stage - 1)
    why = "a guardrail metric is above its limit" if breached else "those who take part earn less than control"
    return Proposal(
        kind=ProposalKind.ROLL_BACK_STAGE,
        campaign_id=tactic.campaign_id,
        subject=f"stage {stage}",
        headline=f"Go back to {words}: {why}.",
        evidence=(
            *(controls.alerted[kind] for kind in breached),
            f"Recipients who take part earn {per_trial(lift, looked.unit)} beyond those on control, on the same days.",
            as_of(looked),
        ),
        expected=None if gain is None else effect(gain, looked),
        risk="What the wider audience would have taught comes later.",
        confidence=Confidence.MEDIUM if sure is None else sure,
        steering="roll_back",
    )


def _grown(looked: Looked, stage: int, other: int, lift: StratifiedDifference) -> StratifiedDifference | None:
    """What another share of the recipients earns a day beside the one that takes part now."""
    shares = [one.share for one in looked.tactic.stages]
    more = float(looked.per_day().sum()) * (shares[other] / shares[stage] - 1.0)
    return combined([(abs(more), lift if more > 0.0 else turned(lift))])


def _quiet(looked: Looked) -> bool:
    return all(_above(one.events, one.exposures, one.rule.at_most) <= QUIET for one in looked.watched)


def _above(events: int, exposures: int, at_most: float) -> float:
    return float(breach_probability(events, exposures, at_most))


def _metric_words(looked: Looked) -> Iterator[str]:
    for one in looked.watched:
        above = _above(one.events, one.exposures, one.rule.at_most)
        yield (
            f"{one.rule.outcome}: {one.events:,} of {one.exposures:,} exposed decisions, "
            f"above {100 * one.rule.at_most:g} % with probability {above:.2f}."
        )
