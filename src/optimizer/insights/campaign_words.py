"""A campaign in words: the sentence a marketer would say, and the short ones beside its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isnan
from typing import Final

from optimizer.domain.reasons import Block
from optimizer.guardrails.rollout import Wait
from optimizer.insights.leading_words import CLEAR
from optimizer.insights.learning_time import PROB_BEST
from optimizer.insights.ranking_words import RULES, SHARE

AHEAD: Final = 0.5  # P(best) from which on a choice leans; who leads is `CLEAR`, as on the overview
_NEAR_PLAN: Final = 0.1  # share of what the plan wants that spend may miss and still be on it
_TOO_LONG: Final = 366  # days
_THIN_PLAN: Final = 0.02  # the same as a share of the limit, for a period that has just begun

WAITS: Final[Mapping[Wait, str]] = {
    Wait.LAST_STAGE: "the last stage: everybody takes part",
    Wait.HELD: "a guardrail metric was breached: somebody has to release the rollout",
    Wait.TIME: "the stage has not lasted as long as it is meant to",
    Wait.APPROVAL: "somebody has to say yes to the next stage",
}


@dataclass(frozen=True, slots=True)
class Lead:
    """How one segment stands.

    Attributes:
        variant_id: the likeliest best; None while nothing may be chosen.
        p_best: how likely.
        trials: of the segment so far.
    """

    segment_id: str
    variant_id: str | None
    p_best: float
    trials: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What the learning group earns above the holdout, in the report's unit; ends not numbers while unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spent:
    """One limit in its period, in units of its currency, or messages.

    Attributes:
        used, limit: settled and reserved together, and the most.
        plan: what pacing wants by now; None where nothing is paced.
        unit: currency or ``messages``.
        exhausted: not even the cheapest variant fits any more.
    """

    used: float
    limit: float
    plan: float | None
    unit: str
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """When the campaign will know.

    Attributes:
        on: day of the next useful answer; None when it is in, or not known.
        is_in: P(best) has reached `learning_time.PROB_BEST` in every segment that learns.
        ends: the campaign's last day, where the answer would come after it.
    """

    on: date | None
    is_in: bool
    ends: date | None


def campaign_sentence(
    leads: Sequence[Lead], gain: Gain | None, unit: str, outcome: str, spent: Spent | None, answer: Answer, today: date
) -> str:
    """``ten-percent leads in lapsed-loyal (92 % sure); the learning group earns 0.8 ± 0.3 points more …``.

    Args:
        leads: a segment each; the one with the most trials is spoken of first.
        gain: the learning group against the holdout; None where nobody is held out, or nothing was sent.
        unit: what rewards are counted in.
        outcome: kind of outcome that is rewarded.
        spent: the campaign's own tightest limit; None without.
        answer: when it will know.
        today: a date of another year is told with its year.
    """
    parts = [lead_words(leads), gain_words(gain, unit, outcome)]
    if spent is not None:
        parts.append(f"{spent_words(spent)}, {plan_words(spent)}" if plan_words(spent) else spent_words(spent))
    parts.append(answer_words(answer, today))
    said = "; ".join(part for part in parts if part)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def lead_words(leads: Sequence[Lead]) -> str:
    """Who leads where: at most two segments by name, the others in number."""
    known = sorted((lead for lead in leads if lead.variant_id and lead.trials), key=lambda lead: -lead.trials)
    if not known:
        return "nothing is known yet: no outcomes of a choice have come in"
    ahead = [lead for lead in known if lead.p_best >= CLEAR]
    if not ahead:
        likeliest = max(known, key=lambda lead: lead.p_best)
        if likeliest.p_best < AHEAD:
            return "no variant is ahead yet"
        where = f"{likeliest.segment_id} ({sure(likeliest.p_best)})"
        return f"no clear leader yet: {likeliest.variant_id} is most likely the best in {where}"
    named = [f"{one.variant_id} leads in {one.segment_id} ({sure(one.p_best)} sure)" for one in ahead[:2]]
    if len(ahead) == 2 and ahead[0].variant_id == ahead[1].variant_id:
        one, two = ahead
        said = f"{one.segment_id} ({sure(one.p_best)} sure) and in {two.segment_id} ({sure(two.p_best)} sure)"
        named = [f"{one.variant_id} leads in {said}"]
    more = len(ahead) - 2
    if more > 0:
        named[-1] += f", and {more} more segment{'s have' if more > 1 else ' has'} a leader"
    return ", ".join(named)


def gain_words(gain: Gain | None, unit: str, outcome: str) -> str:
    """What all of it earns more than the holdout; empty where there is none."""
    if gain is None:
        return ""
    if isnan(gain.low) or isnan(gain.high) or isnan(gain.value):
        return "it is too early to say what the campaign adds"
    reach = (gain.high - gain.low) / 2.0
    size, more = abs(gain.value), "more" if gain.value >= 0.0 else "less"
    if unit == SHARE:
        more = "more" if gain.value >= 0.0 else "fewer"
        said = f"the learning group earns {100 * size:.1f} ± {100 * reach:.1f} points {more} {plural(outcome)}"
        said += " than the holdout"
    else:
        digits = 2 if reach >= 0.1 else 3
        said = (
            f"the learning group earns {size:,.{digits}f} ± {reach:,.{digits}f} {unit} a trial {more} than the holdout"
        )
    return said if gain.low > 0.0 or gain.high < 0.0 else f"{said}, which may be chance"


def spent_words(spent: Spent) -> str:
    """``1,240 USD of 5,000 spent``."""
    if spent.unit == "messages":
        return f"{spent.used:,.0f} of {spent.limit:,.0f} messages sent"
    digits = 0 if spent.limit >= 1_000 else 2
    return f"{spent.used:,.{digits}f} {spent.unit} of {spent.limit:,.{digits}f} spent"


def plan_words(spent: Spent) -> str:
    """How spend stands to its plan; empty where there is none."""
    if spent.exhausted:
        return "nothing is left"
    if spent.plan is None:
        return ""
    if abs(spent.used - spent.plan) <= max(_NEAR_PLAN * spent.plan, _THIN_PLAN * spent.limit):
        return "on plan"
    return "ahead of plan" if spent.used > spent.plan else "behind plan"


def answer_words(answer: Answer, today: date) -> str:
    """When there will be an answer one can use."""
    if answer.is_in:
        return "a useful answer is in"
    if answer.on is None:
        return ""
    if answer.ends is not None and answer.on > answer.ends:
        return f"no useful answer before it ends on {day_words(answer.ends, today)}"
    if (answer.on - today).days > _TOO_LONG:
        return "no useful answer within a year"
    return f"useful answer expected by {day_words(answer.on, today)}"


def difference_words(p_best: Sequence[float], may_be_chosen: int) -> str:
    """How sure a segment's choice is, for a row of a table."""
    if may_be_chosen < 2:
        return "nothing to choose"
    best = max(p_best, default=0.0)
    return "settled" if best >= PROB_BEST else "leaning" if best >= AHEAD else "open"


def removed_words(block: Block) -> str:
    """Why a variant is not chosen now."""
    return RULES[block]


def day_words(day: date, today: date) -> str:
    """``9 December``, with its year when that is not this one."""
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"


def plural(outcome: str) -> str:
    """Several of an outcome: ``purchases``; a kind that is a verb, such as ``clicked``, stays as it is."""
    words = outcome.replace("_", " ")
    return words if words.endswith(("ed", "s")) else f"{words}s"


def sure(p_best: float) -> str:
    """``92 %``; nothing is ever quite certain."""
    return "over 99 %" if p_best > 0.995 else f"{100 * p_best:.0f} %"
