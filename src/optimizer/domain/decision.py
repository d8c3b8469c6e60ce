"""A decision: which variant for whom, with what probability, and why."""

from collections.abc import Mapping
from typing import NamedTuple

from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason

AttributeValue = str | float | bool
Attributes = Mapping[str, AttributeValue]


class Decision(NamedTuple):
    """One row of the ledger, never changed once written, unless its recipient is erased: see `is_anonymous`.

    Attributes:
        decision_id: keyed hash of campaign, recipient and request; the same request has the same id.
        recipient_key: keyed hash of the caller's recipient id; the id itself is not kept.
        strategy_version: version of the documents the decision was made under. Its objective judges the outcomes.
        segment_id: None when no segment matched and the campaign excludes everyone else.
        variant_id: None when there was nothing to send.
        content_hash: hash of the variant's words and targeting; an edited variant is a new arm.
        propensity: probability with which `variant_id` was drawn, after every guardrail. 1 for holdouts; None
            when there was nothing to send.
        snapshot_id: the policy's frozen result the draw was made from; None for holdouts and when nothing was drawn.
        blocked: rule that removed each variant that could not be chosen.
        deferred: the decision only counts as a trial once the caller says it was exposed.
        attributes: declared attributes the segment rules saw.
        excluded: variants the caller did not want.
        retry_at: when asking again may give a variant; None when unknown.
        time_zone: IANA zone of the recipient the hours were judged in; None when unknown.
        consent: whether the recipient agreed to the campaign's channel; None when nobody said.
        rollout_share: share of the audience that took part when it was made.
        actor: the person who chose the variant for this recipient, as the caller named them; None when nobody did.
    """

    decision_id: str
    campaign_id: str
    recipient_key: str
    request_id: str
    strategy_version: int
    segment_id: str | None
    group: Group
    variant_id: str | None
    content_hash: str | None
    propensity: float | None
    reason: Reason
    snapshot_id: str | None
    decided_at: Instant
    blocked: Mapping[str, Block]
    deferred: bool
    attributes: Attributes
    excluded: tuple[str, ...]
    retry_at: Instant | None = None
    time_zone: str | None = None
    consent: bool | None = None
    rollout_share: float = 1.0
    actor: str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether the recipient was taken out of it, so that it can be counted but not computed again."""
        return not self.request_id  # no caller can give an empty one


class Brief(NamedTuple):
    """What outcomes of a decision are judged by and counted under; the rest of it can be left where it is."""

    decision_id: str
    campaign_id: str
    recipient_key: str
    request_id: str
    strategy_version: int
    segment_id: str | None
    group: Group
    variant_id: str | None
    content_hash: str | None
    reason: Reason
    decided_at: Instant
    deferred: bool

    @property
    def is_anonymous(self) -> bool:
        """See `Decision.is_anonymous`."""
        return not self.request_id
