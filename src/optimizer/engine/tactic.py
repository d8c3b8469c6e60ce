"""A tactic: one campaign of one strategy version, compiled for deciding and judging."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from optimizer.engine.assessment import RewardRule
from optimizer.guardrails.eligibility import Limits
from optimizer.guardrails.groups import HoldoutShares
from optimizer.strategy.documents import (
    Campaign,
    ResolvedPolicy,
    Strategy,
    campaign_period,
    effective_policy,
)
from optimizer.strategy.rules import SegmentRules
from optimizer.strategy.variants import Variant, control_variant, variants


@dataclass(frozen=True, slots=True, eq=False)
class Tactic:
    """Everything about a campaign that a decision needs and that traffic does not change.

    Attributes:
        strategy_version: version of the documents this was compiled from.
        variants, variant_ids, content_hashes: ``A`` of each, in document order; the place is the arm.
        rules: segment rules; ``rules.segment_ids`` has ``S`` names.
        control: arm that holdouts get; None when they get nothing.
        config_hash: changes when the policy would read the same evidence differently.
    """

    campaign: Campaign
    strategy_version: int
    variants: tuple[Variant, ...]
    variant_ids: tuple[str, ...]
    content_hashes: tuple[str, ...]
    rules: SegmentRules
    reward_rule: RewardRule
    policy: ResolvedPolicy
    limits: Limits
    shares: HoldoutShares
    control: int | None
    config_hash: str

    @property
    def campaign_id(self) -> str:
        """Id of the campaign."""
        return self.campaign.campaign


def compile_tactic(
    strategy: Strategy, campaign: Campaign, version: int, approvals: Collection[tuple[str, str, str]]
) -> Tactic:
    """Compile a campaign.

    Args:
        strategy: the strategy it belongs to.
        campaign: a campaign that was checked against that strategy.
        version: version of the documents.
        approvals: ``(campaign id, variant id, content hash)`` of everything that was ever approved.
    """
    arms = variants(campaign)
    rules = SegmentRules(strategy, campaign)
    starts_at, ends_at = campaign_period(strategy, campaign)
    objective = next(o for o in strategy.objectives if o.id == campaign.serves)
    policy = effective_policy(strategy, campaign)
    control_id = control_variant(campaign)
    arm_of = {variant.variant_id: arm for arm, variant in enumerate(arms)}
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
    reward_rule = RewardRule.of(objective)
    described = (
        policy,
        reward_rule,
        [(v.variant_id, v.content_hash) for v in arms],
        [segment.model_dump_json() for segment in campaign.segments or ()],
        rules.segment_ids,
    )
    return Tactic(
        campaign=campaign,
        strategy_version=version,
        variants=arms,
        variant_ids=tuple(variant.variant_id for variant in arms),
        content_hashes=tuple(variant.content_hash for variant in arms),
        rules=rules,
        reward_rule=reward_rule,
        policy=policy,
        limits=Limits(starts_at, ends_at, np.array(approved, bool), np.array(for_segment, bool)),
        shares=HoldoutShares(strategy.holdout.share, campaign.holdout.share),
        control=None if control_id is None else arm_of[control_id],
        config_hash=sha256(repr(described).encode()).hexdigest()[:32],
    )
