"""Alarms about what was learned: an allocation that collapsed too early, and variants whose rates have changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.domain.controls import Controls
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant, moment
from optimizer.engine.raising import CHANGE, COLLAPSE, Done, minute, raised
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import answered_alarm
from optimizer.policy.change import Change, changes
from optimizer.policy.collapse import COLLAPSED, DOUBTFUL, Cause, Collapse, collapses
from optimizer.policy.delay import delay_curve
from optimizer.policy.effective import effective_evidence
from optimizer.policy.posterior import Posterior


def alarmed(
    tactic: Tactic, controls: Controls, evidence: Evidence, posterior: Posterior, now: Instant
) -> tuple[Controls, tuple[Done, ...]]:
    """The controls after what was learned has been looked into, and the alarms that were raised.

    Nothing is done about them: each says what is probably so, and what people could do.

    Args:
        tactic: the campaign.
        controls: what was decided about it so far.
        evidence: what its statistics say about its variants, as they are.
        posterior: what its policy makes of it.
        now: the instant.
    """
    done: tuple[Done, ...] = ()
    if COLLAPSE in tactic.policy.alarms:
        controls, done = raised(tactic, controls, COLLAPSE, _collapsed(tactic, controls, evidence, posterior, now), now)
    if CHANGE in tactic.policy.alarms:
        since = controls.watched_since.get(answered_alarm(CHANGE), 0)
        clearest = changes(evidence, now, since)[:1]  # one that changes makes the others seem to
        reasons = {f"{CHANGE}/{tactic.variant_ids[found.arm]}": _change_words(tactic, found) for found in clearest}
        if CHANGE not in controls.alerted:  # until somebody has answered it, the first says enough
            controls, changed = raised(tactic, controls, CHANGE, reasons, now)
            done += changed
    return controls, done


def _collapsed(
    tactic: Tactic, controls: Controls, evidence: Evidence, posterior: Posterior, now: Instant
) -> dict[str, str]:
    """Reasons for an alarm: leaders that do not convince, and those of earlier that still lead."""
    segments, usable = np.arange(len(tactic.rules.segment_ids)), tactic.limits.may_be_chosen
    if not evidence.trials.any() or tactic.features is not None:
        return {}  # where shares depend on the recipient, a segment's typical contact says nothing about its traffic
    p_best = posterior.prob_best_of(segments, usable)
    found: dict[str, str] = {}
    for segment, arm in np.argwhere(p_best >= DOUBTFUL).tolist():
        reason = _reason(tactic, segment, arm)
        if reason in controls.lasting:
            found[reason] = ""
    if (p_best < COLLAPSED).all():
        return found
    policy = tactic.policy
    curve = delay_curve(evidence.delays, evidence.buckets, now, tactic.reward_rule.window, policy.delay_median)
    weights = evidence.weights(now, policy.half_life)
    effective = effective_evidence(evidence, curve, now)
    for one in collapses(evidence.scaled(weights), p_best, usable, effective.scaled(weights)):
        found.setdefault(_reason(tactic, one.segment, one.leader), _collapse_words(tactic, one))
    return found


def _reason(tactic: Tactic, segment: int, arm: int) -> str:
    return f"{COLLAPSE}/{tactic.rules.segment_ids[segment]}/{tactic.variant_ids[arm]}"


def _collapse_words(tactic: Tactic, found: Collapse) -> str:
    leader = tactic.variant_ids[found.leader]
    where = f" in segment {tactic.rules.segment_ids[found.segment]}" if len(tactic.rules.segment_ids) > 1 else ""
    what = f"{leader} is taken for the best{where} with probability {_probability(found.p_best)} (entropy "
    doing = ""
    if found.cause is Cause.PENDING:
        estimates = tactic.policy.estimates_delay
        doing = "; wait until they have come" if estimates else "; set `policy.delay: estimated`"
    return f"{what}{found.entropy:.2f}), which is early: {_WORDS[found.cause](found)}{doing}"


def _burst_words(found: Collapse) -> str:
    length = "hour" if found.lasted == HOUR else "day"
    return (
        f"{100 * found.share:.0f} % of its rewards are of decisions of the one {length} that began "
        f"{minute(found.since or 0)}, unlike its others, and without that {length} the probability is "
        f"{_probability(found.without)}; probably machines, or one event; look at these outcomes, mark those of "
        "machines, or pause the variant"
    )


_WORDS: dict[Cause, Callable[[Collapse], str]] = {
    Cause.BURST: _burst_words,
    Cause.GIANT: lambda found: (
        f"one giant amount is {100 * found.share:.0f} % of what it earned, and without it others earn more; "
        "use `policy.model: hurdle`, which is not impressed by one"
    ),
    Cause.PENDING: lambda found: (
        "outcomes of the others are still to come, and by what should have come so far the probability is "
        f"{_probability(found.without)}"
    ),
    Cause.CONTRADICTED: lambda _: (
        "another variant does better on the same days, and what was believed beforehand says otherwise; lower "
        "`policy.prior` or the weight of `policy.warm_start`"
    ),
    Cause.EXPECTED: lambda found: (
        "the others have hardly been tried, so it is what was believed beforehand that says so (without it the "
        f"probability is {_probability(found.without)}); set `policy.minimum_trials`, or lower the weight of "
        "`policy.warm_start`"
    ),
    Cause.UNTRIED: lambda _: (
        "the others have hardly been tried: less than one reward each was to be expected; set "
        "`policy.minimum_trials` or a higher `policy.floor`"
    ),
}


def _change_words(tactic: Tactic, found: Change) -> str:
    others = "the others on the same days" if len(tactic.variant_ids) > 2 else "the other on the same days"
    return (
        f"{tactic.variant_ids[found.arm]} seems to have changed since {moment(found.since):%Y-%m-%d}: its rate went "
        f"from {_percent(found.before)} to {_percent(found.after)}, that of {others} from "
        f"{_percent(found.others_before)} to {_percent(found.others_after)}; nothing was reset: if what was learned "
        "before no longer holds, set `policy.half_life`, such as P7D"
    )


def _probability(probability: float) -> str:
    return "above 0.999" if probability > 0.9995 else f"{probability:.3f}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
