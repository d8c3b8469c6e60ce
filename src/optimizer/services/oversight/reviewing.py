"""Review: what people are asked to look at, and whether that is more than they said they can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.instants import Duration, Instant
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.reviews import review_due_at
from optimizer.services.documents.agreeing import seen
from optimizer.services.documents.applying import awaiting_approval
from optimizer.services.documents.capacity import WEEK
from optimizer.services.live import Live
from optimizer.services.oversight.states import State, state_of
from optimizer.storage.store import Ledger
from optimizer.strategy.documents import Message
from optimizer.strategy.limits import Review


@dataclass(frozen=True, slots=True)
class Due:
    """A campaign's next review.

    Attributes:
        due_at: None when the strategy asks for none.
        when_overdue: what the strategy says happens then: warn, freeze or stop.
        state: what the campaign is doing.
        seen: how it stands, for whoever signs; see `services.agreeing`.
    """

    campaign_id: str
    reviewed_at: Instant | None
    due_at: Instant | None
    overdue: bool
    when_overdue: str
    state: State
    seen: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Words that nobody has approved as they stand.

    Attributes:
        variants: the message in each of its targetings, as far as nobody has approved it.
        hashes: of their words, in the same order.
        seen: how the campaign stands, for whoever approves.
    """

    campaign_id: str
    message: Message
    variants: Sequence[str]
    hashes: Sequence[str]
    seen: str


@dataclass(frozen=True, slots=True)
class Agenda:
    """What people are asked to look at.

    Attributes:
        reviews: the one due first comes first.
        unread: in the order of the documents.
        every: time between two reviews; None when the strategy asks for none.
        approved: messages approved in the last seven days.
        approvals_per_week: what the team said it can read; None when it has not said.
        approvers: who may approve; None for anybody.
        due_soon: reviews that are overdue or due within seven days.
        zone: of the strategy.
    """

    reviews: Sequence[Due]
    unread: Sequence[Unread]
    every: Duration | None
    approved: int
    approvals_per_week: int | None
    approvers: Sequence[str] | None
    due_soon: int
    live_campaigns: int
    most_campaigns: int | None
    zone: ZoneInfo

    @property
    def too_much(self) -> bool:
        """Whether more words wait than the team said it can read in a week, after those it has read."""
        most = self.approvals_per_week
        return most is not None and bool(self.unread) and len(self.unread) + self.approved > most


def agenda(ledger: Ledger, live: Live, now: Instant) -> Agenda | None:
    """What waits for people, over all campaigns; None while no documents are in force."""
    loaded = live.at(ledger)
    if loaded.workspace is None:
        return None
    strategy = loaded.workspace.strategy
    controls = {campaign_id: loaded.controls.get(campaign_id, UNTOUCHED) for campaign_id in loaded.tactics}
    stands = {campaign_id: seen(ledger, live, campaign_id, now) for campaign_id in loaded.tactics}
    reviews = [_due(tactic, controls[id_], strategy.review, stands[id_], now) for id_, tactic in loaded.tactics.items()]
    reviews.sort(key=lambda one: (one.due_at is None, one.due_at or 0, one.campaign_id))
    return Agenda(
        reviews=reviews,
        unread=[one for tactic in loaded.tactics.values() for one in _unread(tactic, stands[tactic.campaign_id])],
        every=None if strategy.review is None else strategy.review.every,
        approved=len(
            {
                (one.campaign_id, one.variant_id.partition(":")[0])
                for one in ledger.approvals.all()
                if now - WEEK < one.approved_at <= now
            }
        ),
        approvals_per_week=strategy.capacity.approvals_per_week,
        approvers=strategy.approval.approvers,
        due_soon=sum(one.due_at is not None and one.due_at < now + WEEK for one in reviews),
        live_campaigns=len(loaded.tactics),
        most_campaigns=strategy.capacity.live_campaigns,
        zone=strategy.time_zone,
    )


def _due(tactic: Tactic, controls: Controls, review: Review | None, stands: str, now: Instant) -> Due:
    due_at = review_due_at(controls, review)
    return Due(
        campaign_id=tactic.campaign_id,
        reviewed_at=controls.reviewed_at,
        due_at=due_at,
        overdue=due_at is not None and now >= due_at,
        when_overdue="" if review is None else review.when_overdue,
        state=state_of(tactic, now, exhausted=False),
        seen=stands,
    )


def _unread(tactic: Tactic, stands: str) -> list[Unread]:
    waiting = {variant_id for _, variant_id in awaiting_approval(tactic)}
    found = []
    for message in tactic.campaign.messages:
        some = [one for one in tactic.variants if one.message.id == message.id and one.variant_id in waiting]
        if some:
            ids, hashes = [one.variant_id for one in some], [one.content_hash for one in some]
            found.append(Unread(tactic.campaign_id, message, ids, hashes, stands))
    return found
