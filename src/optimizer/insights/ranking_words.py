"""A ranking in words: why a variant stands where it does, and what stands in the way of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.domain.reasons import HOLDOUTS, Block, Group
from optimizer.engine.assessment import RewardRule
from optimizer.engine.choosing import Choice
from optimizer.engine.ranking import RankedVariant, Ranking
from optimizer.engine.tactic import Tactic

RULES: Mapping[Block, str] = {
    Block.CAMPAIGN_STOPPED: "the campaign is stopped",
    Block.CAMPAIGN_PAUSED: "the campaign is paused",
    Block.REVIEW_OVERDUE: "nobody has reviewed the campaign in time",
    Block.NOT_STARTED: "the campaign has not started yet",
    Block.ENDED: "the campaign has ended",
    Block.SUPPRESSED: "the customer is on the suppression list: unsubscribed, complained, or put there by a person",
    Block.NO_CONSENT: "the customer has not agreed to be contacted on this channel",
    Block.CONTACT_POLICY: "the customer has had as many messages lately as the contact policy allows",
    Block.UNKNOWN_TIME_ZONE: "the customer's time zone is not known, and the channel has quiet hours",
    Block.QUIET_HOURS: "the channel's quiet hours where the customer lives",
    Block.RETIRED: "it is retired: the documents keep it, and say that it is no longer sent",
    Block.NOT_APPROVED: "nobody has approved these words and this targeting",
    Block.VARIANT_PAUSED: "a person or a guardrail metric has paused it",
    Block.NOT_FOR_SEGMENT: "its targeting is not for this segment",
    Block.EXCLUDED_BY_CALLER: "the request excludes it",
    Block.OUTSIDE_SEND_WINDOW: "outside the hours in which its targeting is sent",
    Block.BRAND_RULE: "with this customer's data its words would break a brand rule",
    Block.SENDS_EXHAUSTED: "no sends are left in the budget",
    Block.BUDGET_EXHAUSTED: "no money is left in the budget for it",
    Block.NOT_PINNED: "a person has pinned another variant for everyone",
    Block.NOT_CHOSEN: "a person chose another one for this customer",
}
GROUPS_KEPT: Mapping[Group, str] = {
    Group.CAMPAIGN_HOLDOUT: "the customer is in the campaign's holdout",
    Group.STRATEGY_HOLDOUT: "the customer is in the strategy's holdout",
    Group.OUTSIDE_ROLLOUT: "the rollout has not reached the customer yet",
}
SHARE = "share of trials"
REWARDS = "rewards"
CLEARLY = 0.5  # P(best) from which on the first is called likely the best


def reward_unit(rule: RewardRule, currency: str) -> str:
    """What rewards are counted in: a share of the trials, a currency, or rewards."""
    if rule.in_amounts:
        return currency
    return SHARE if rule.value == "first" and not rule.penalties else REWARDS


def learned_words(rule: RewardRule) -> str:
    """That a model learns less than rewards count, in a sentence; empty where it does not."""
    if rule.value != "count":
        return ""
    return "Variants are chosen by whether a trial earns anything, not by how often: believed counts one at most."


def offer(ranking: Ranking, control: str | None) -> str:
    """What the person who asks may offer, in one sentence."""
    if ranking.segment_id is None:
        return "Nothing may be offered: the customer is outside the campaign's audience."
    if ranking.kept_on_control:
        why = GROUPS_KEPT[ranking.group]
        what = f"only {control}, the control," if control is not None else "nothing"
        measured = ", for what the campaign adds is measured against its holdout" if ranking.group in HOLDOUTS else ""
        return f"{what[0].upper()}{what[1:]} may be offered: {why}{measured}."
    if ranking.variants:
        return f"{len(ranking.variants)} of {len(ranking.variants) + len(ranking.removed)} variants may be offered."
    rules = sorted({RULES[rule] for rule in ranking.removed.values()})
    return f"Nothing may be offered: {'; '.join(rules)}."


def places(ranking: Ranking, *, unit: str) -> tuple[str, ...]:
    """Why each variant of a ranking stands where it does, in their order.

    Args:
        ranking: the ranking.
        unit: what rewards are counted in, see `reward_unit`.
    """
    first = ranking.variants[0] if ranking.variants else None
    if first is None:
        return ()
    if ranking.kept_on_control:
        return (f"it is the control, and {GROUPS_KEPT[ranking.group]}",)
    if len(ranking.variants) == 1:
        pinned = Block.NOT_PINNED in ranking.removed.values()
        only = "a person has pinned it for everyone" if pinned else "the only one that no rule removes"
        return (f"{only}; {_expected(first, unit=unit)}",)
    if all(variant.trials == 0 for variant in ranking.variants) and _alike(ranking.variants):
        return (f"nothing is known yet in segment {ranking.segment_id}: each is as likely the best",) * len(
            ranking.variants
        )
    others = ranking.variants[1:]
    behind = (_behind(first, one, last=one is others[-1], unit=unit) for one in others)
    return (_first(ranking, first, unit=unit), *behind)


def refusal(tactic: Tactic, variant_id: str, choice: Choice) -> str:
    """Why a variant that a person has chosen cannot be sent, as one sentence of the form ``place: found; allowed``."""
    if choice.segment_id is None:
        return f"recipient: found one outside the audience of {tactic.campaign_id}; allowed one that a segment matches"
    if choice.group in GROUPS_KEPT:
        control = None if tactic.control is None else tactic.variant_ids[tactic.control]
        if variant_id != control:
            found = f"{variant_id}, but {GROUPS_KEPT[choice.group]} ({choice.group})"
            return f"variant: found {found}; allowed {control or 'nothing: such recipients are sent nothing'}"
    rule = choice.blocked[variant_id]
    left = [
        name
        for name in tactic.variant_ids
        if choice.blocked.get(name) is Block.NOT_CHOSEN and choice.group not in GROUPS_KEPT
    ]
    return f"variant: found {variant_id}, but {RULES[rule]} ({rule}); allowed {', '.join(left) or 'nothing now'}"


def _first(ranking: Ranking, first: RankedVariant, *, unit: str) -> str:
    rival = max(ranking.variants[1:], key=lambda variant: variant.mean)
    ahead = first.mean > rival.mean
    said = f"{_expected(first, unit=unit)}, against {_amount(rival.mean, unit=unit)} for {rival.variant_id}"
    if ahead and first.p_best >= CLEARLY:
        where = f"among customers of segment {ranking.segment_id}"
        return f"does best {where}: {said}; likely the best ({_share(first.p_best)})"
    why = "slightly ahead so far" if ahead else "not ahead, but it may yet turn out the best"
    return f"{why} among customers of segment {ranking.segment_id}: {said}; the best with {_share(first.p_best)}"


def _behind(first: RankedVariant, one: RankedVariant, *, last: bool, unit: str) -> str:
    place = "least likely the best" if last else "less likely the best"
    against = f"against {_amount(first.mean, unit=unit)} for {first.variant_id}"
    little = "; little is known of it yet" if one.trials < first.trials / 10 else ""
    return f"{place} ({_share(one.p_best)}): {_expected(one, unit=unit)}, {against}{little}"


def _alike(variants: Sequence[RankedVariant]) -> bool:
    return max(v.p_best for v in variants) - min(v.p_best for v in variants) < 1e-6


def _expected(variant: RankedVariant, *, unit: str) -> str:
    trials = f"{variant.trials:,.0f} trial{'' if variant.trials == 1 else 's'}"
    return f"{_amount(variant.mean, unit=unit)} expected from {trials}"


def _amount(reward: float, *, unit: str) -> str:
    if unit == SHARE:
        return _share(reward)
    return f"{reward:,.2f} {unit}" if abs(reward) >= 1 else f"{reward:.3g} {unit}"


def _share(value: float) -> str:
    if 0 < value < 0.0005:
        return "< .1 %"
    return f"{100 * value:.1f} %" if value < 0.1 or 0.999 < value < 1 else f"{100 * value:.0f} %"
