"""A tactic: one campaign of one strategy version, compiled for deciding and judging."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.meters import MeterKey
from optimizer.engine.assessment import Change, RewardRule
from optimizer.engine.describing import features_of
from optimizer.engine.memory import Memory
from optimizer.engine.spending import Costs, costs_of
from optimizer.guardrails.budget import Limit, limits_of
from optimizer.guardrails.contacts import ContactLimit, contact_limits
from optimizer.guardrails.eligibility import Limits
from optimizer.guardrails.groups import Shares
from optimizer.guardrails.hours import Hours
from optimizer.guardrails.metrics import MetricRule
from optimizer.guardrails.reviews import review_due_at
from optimizer.guardrails.rollout import RolloutState, Stage, share_in_force
from optimizer.policy.features import Features
from optimizer.strategy.documents import Campaign, Strategy, campaign_period, effective_policy
from optimizer.strategy.limits import Channel
from optimizer.strategy.personal import PersonalCheck, personal_risks
from optimizer.strategy.policy_settings import ResolvedPolicy
from optimizer.strategy.rules import SegmentRules
from optimizer.strategy.variants import Variant, control_variant, variants

Keys = tuple[MeterKey, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tactic:
    """Everything about a campaign that a decision needs and that traffic does not change.

    Attributes:
        strategy_version: version of the documents this was compiled from.
        variants, variant_ids, content_hashes: ``A`` of each, in document order; the place is the arm.
        features: what a contextual policy makes of attributes; None for any other.
        rules: segment rules; ``rules.segment_ids`` has ``S`` names.
        control: arm that holdouts get; None when they get nothing.
        pinned: arm that a person has chosen for everyone else; None lets the policy choose.
        zone: the strategy's time zone, in which days and months of budgets begin.
        contact_limits: contact rules the campaign's channel is under.
        budget_limits: limits on money and sends it is under.
        costs, most: what each arm costs, and the most it can, ``[A]``, micro-units.
        personal: the check of each arm's words once the recipient's data are filled in; None where none can matter.
        metrics: guardrail metrics that watch it.
        stages: its rollout.
        review_due_at: when the next review is due; None when none is asked for.
        frozen_when_overdue: whether the allocation then stays as it is.
        silent_since: since when its outcomes have failed to come; None while they come. The allocation then stays too.
        config_hash: changes when the policy would read the same evidence differently.
        meters: by day, the meters that count its budgets, see `engine.supplies.meters_of`.
        changes: by history, what outcomes change, see `engine.histories`.
    """

    campaign: Campaign
    strategy_version: int
    variants: tuple[Variant, ...]
    variant_ids: tuple[str, ...]
    content_hashes: tuple[str, ...]
    features: Features | None
    rules: SegmentRules
    reward_rule: RewardRule
    policy: ResolvedPolicy
    limits: Limits
    shares: Shares
    control: int | None
    pinned: int | None
    zone: ZoneInfo
    contact_limits: tuple[ContactLimit, ...]
    budget_limits: tuple[Limit, ...]
    costs: tuple[Costs, ...]
    most: NDArray[np.int64]
    personal: tuple[PersonalCheck | None, ...]
    metrics: tuple[MetricRule, ...]
    stages: tuple[Stage, ...]
    review_due_at: int | None
    frozen_when_overdue: bool
    silent_since: int | None
    config_hash: str
    meters: Memory[str, Keys] = field(default_factory=Memory, init=False, repr=False)
    changes: Memory[tuple[object, ...], Change] = field(default_factory=Memory, init=False, repr=False)

    @property
    def campaign_id(self) -> str:
        """Id of the campaign."""
        return self.campaign.campaign


def compile_tactic(
    strategy: Strategy,
    campaign: Campaign,
    version: int,
    approvals: Collection[tuple[str, str, str]],
    controls: Controls = UNTOUCHED,
) -> Tactic:
    """Compile a campaign.

    Args:
        strategy: the strategy it belongs to.
        campaign: a campaign that was checked against that strategy.
        version: version of the documents.
        approvals: ``(campaign id, variant id, content hash)`` of everything that was ever approved.
        controls: what people and guardrail metrics have decided about it.
    """
    arms = variants(campaign)
    rules = SegmentRules(strategy, campaign)
    objective = next(o for o in strategy.objectives if o.id == campaign.serves)
    policy = effective_policy(strategy, campaign)
    features = features_of(strategy.attributes, policy)
    control_id = control_variant(campaign)
    arm_of = {variant.variant_id: arm for arm, variant in enumerate(arms)}
    costs = tuple(costs_of(strategy, campaign, variant) for variant in arms)
    stages = tuple(Stage(stage.share, stage.for_, frozenset(stage.requires)) for stage in campaign.rollout)
    reward_rule = RewardRule.of(objective, strategy.hygiene)
    described = (
        policy,
        reward_rule,
        [(v.variant_id, v.content_hash) for v in arms],
        [segment.model_dump_json() for segment in campaign.segments or ()],
        rules.segment_ids,
        [sorted(of_arm.items()) for of_arm in costs],
        campaign.budget.pacing,
        features,
    )
    review = strategy.review
    return Tactic(
        campaign=campaign,
        strategy_version=version,
        variants=arms,
        variant_ids=tuple(variant.variant_id for variant in arms),
        content_hashes=tuple(variant.content_hash for variant in arms),
        features=features,
        rules=rules,
        reward_rule=reward_rule,
        policy=policy,
        limits=_limits(strategy, campaign, arms, rules, approvals, controls),
        shares=Shares(
            strategy.holdout.share,
            campaign.holdout.share,
            share_in_force(stages, RolloutState(controls.stage, controls.stage_since or 0)),
        ),
        control=None if control_id is None else arm_of[control_id],
        pinned=None if controls.pinned is None else arm_of.get(controls.pinned),
        zone=strategy.time_zone,
        contact_limits=contact_limits(strategy, campaign.channel),
        budget_limits=limits_of(strategy, campaign),
        costs=costs,
        most=np.array([sum(of_arm.values()) for of_arm in costs], dtype=np.int64),
        personal=tuple(_personal(strategy, campaign, variant) for variant in arms),
        metrics=tuple(MetricRule(m.outcome, m.at_most, m.confidence, m.then) for m in strategy.guardrail_metrics),
        stages=stages,
        review_due_at=review_due_at(controls, review),
        frozen_when_overdue=review is not None and review.when_overdue == "freeze",
        silent_since=controls.silent_since,
        config_hash=sha256(repr(described).encode()).hexdigest()[:32],
    )


def _personal(strategy: Strategy, campaign: Campaign, variant: Variant) -> PersonalCheck | None:
    if strategy.brand is None:
        return None
    return personal_risks(strategy.brand, campaign.channel, variant.message, strategy.attributes)


def _limits(
    strategy: Strategy,
    campaign: Campaign,
    arms: tuple[Variant, ...],
    rules: SegmentRules,
    approvals: Collection[tuple[str, str, str]],
    controls: Controls,
) -> Limits:
    starts_at, ends_at = campaign_period(strategy, campaign)
    channel = strategy.channels.get(campaign.channel, Channel())
    approved = [
        not strategy.approval.required or (campaign.campaign, v.variant_id, v.content_hash) in approvals for v in arms
    ]
    for_segment = [
        [
            v.targeting is None or v.targeting.only_segments is None or segment_id in v.targeting.only_segments
            for v in arms
        ]
        for segment_id in rules.segment_ids
    ]
    stops = strategy.review is not None and strategy.review.when_overdue == "stop"
    return Limits(
        starts_at=starts_at,
        ends_at=ends_at,
        approved=np.array(approved, bool),
        for_segment=np.array(for_segment, bool).reshape(len(rules.segment_ids), len(arms)),
        paused=np.array([v.variant_id in controls.paused for v in arms], bool),
        retired=np.array([v.retired for v in arms], bool),
        status=controls.status,
        review_due_at=review_due_at(controls, strategy.review) if stops else None,
        needs_consent=campaign.channel in strategy.data.consent_required,
        hours=Hours(
            quiet=channel.quiet_hours,
            send=tuple(v.targeting.send_window if v.targeting else None for v in arms),
            assumed=strategy.time_zone if channel.unknown_time_zone == "use_strategy_zone" else None,
        ),
    )
