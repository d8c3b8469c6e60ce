"""Which variants may be chosen for each contact now, and which rule removed each of the others.

Every rule is a mask of what it removes; a variant is eligible when none applies. So a rule more can only narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import Status
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block
from optimizer.guardrails.budget import Affordable
from optimizer.guardrails.hours import Hours, local_minutes, outside_window, quiet_now, zone_unknown

# A block is stored as its place in this tuple plus one; zero means eligible. The order is the order of the rules:
# the first rule that applies is the one that is reported.
BLOCKS: tuple[Block, ...] = tuple(Block)
ELIGIBLE = 0
CODES = {block: place for place, block in enumerate(BLOCKS, start=1)}


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What documents, approvals and controls allow for one campaign with `A` variants and `S` segments.

    Attributes:
        starts_at, ends_at: the campaign's period, start included and end excluded; None when open.
        approved: ``[A]``, whether someone said yes to exactly these words and this targeting.
        for_segment: ``[S, A]``, whether the variant's targeting admits the segment.
        paused: ``[A]``, whether a person or a guardrail metric has paused it.
        retired: ``[A]``, whether the documents say that it is no longer sent.
        status: whether the campaign sends at all.
        review_due_at: from when on nothing is sent until somebody reviews the campaign; None for never.
        needs_consent: whether the campaign's channel needs the recipient's consent.
        hours: quiet hours and send windows.
    """

    starts_at: Instant | None
    ends_at: Instant | None
    approved: NDArray[np.bool_]
    for_segment: NDArray[np.bool_]
    paused: NDArray[np.bool_]
    retired: NDArray[np.bool_]
    status: Status
    review_due_at: Instant | None
    needs_consent: bool
    hours: Hours

    def phase(self, now: Instant) -> tuple[bool, bool, bool]:
        """Whether the review is overdue, the campaign has not started yet, and it has ended."""
        return (
            self.review_due_at is not None and now >= self.review_due_at,
            self.starts_at is not None and now < self.starts_at,
            self.ends_at is not None and now >= self.ends_at,
        )

    @property
    def may_be_chosen(self) -> NDArray[np.bool_]:
        """``[S, A]``, whether a variant is approved, not paused, and meant for the segment."""
        return self.approved & ~self.paused & self.meant

    @property
    def meant(self) -> NDArray[np.bool_]:
        """``[S, A]``, whether the documents mean the variant for the segment: not retired, and its targeting fits."""
        return ~self.retired & self.for_segment


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What holds for each of `N` contacts at the moment of the decision.

    Attributes:
        segments: ``[N]``, index of each contact's segment; all of them within the audience.
        excluded: ``[N, A]``, variants the caller does not want.
        suppressed: ``[N]``, whether the recipient is on the suppression list for the channel.
        refused: ``[N]``, whether the recipient has said no to the channel, or has not agreed where that is needed.
        zones: each recipient's time zone, None where unknown.
        capped: ``[N]``, whether one more contact would break the contact policy.
        breaks_brand: ``[N, A]``, whether the words break a brand rule once the recipient's data are filled in.
        affordable: what there is room for in the budgets.
    """

    segments: NDArray[np.int64]
    excluded: NDArray[np.bool_]
    suppressed: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    zones: Sequence[ZoneInfo | None]
    capped: NDArray[np.bool_]
    breaks_brand: NDArray[np.bool_]
    affordable: Affordable


def ordinary(segments: NDArray[np.int64], n_arms: int, zone: ZoneInfo, fits: Affordable) -> Circumstances:
    """Circumstances of contacts with nothing special about them: what a campaign's rules alone allow, in one zone."""
    n = len(segments)
    nobody, nothing = np.zeros(n, dtype=bool), np.zeros((n, n_arms), dtype=bool)
    return Circumstances(segments, nothing, nobody, nobody, [zone] * n, nobody, nothing, fits)


def refusals(limits: Limits, consents: Sequence[bool | None]) -> list[bool]:
    """Whether a recipient may not be contacted on the channel, for each consent; None where nobody has said anything.

    A no always counts; where consent is needed, so does silence.
    """
    return [consent is not True and (limits.needs_consent or consent is False) for consent in consents]


def blocks(limits: Limits, here: Circumstances, now: Instant) -> NDArray[np.uint8]:
    """Code of the first rule that removes each variant for each contact.

    Args:
        limits: the campaign's limits.
        here: the contacts.
        now: instant of the decision.

    Returns:
        ``[N, A]``; `ELIGIBLE` where no rule applies, else one plus the rule's place in `BLOCKS`.
    """
    codes = np.zeros(here.excluded.shape, dtype=np.uint8)
    overdue, not_started, ended = limits.phase(now)
    rules = [
        (Block.CAMPAIGN_STOPPED, limits.status is Status.STOPPED),
        (Block.CAMPAIGN_PAUSED, limits.status is Status.PAUSED),
        (Block.REVIEW_OVERDUE, overdue),
        (Block.NOT_STARTED, not_started),
        (Block.ENDED, ended),
        (Block.SUPPRESSED, here.suppressed[:, None]),
        (Block.NO_CONSENT, here.refused[:, None]),
        (Block.CONTACT_POLICY, here.capped[:, None]),
        (Block.RETIRED, limits.retired),
        (Block.NOT_APPROVED, ~limits.approved),
        (Block.VARIANT_PAUSED, limits.paused),
        (Block.NOT_FOR_SEGMENT, ~limits.for_segment[here.segments]),
        (Block.EXCLUDED_BY_CALLER, here.excluded),
        (Block.BRAND_RULE, here.breaks_brand),
        (Block.SENDS_EXHAUSTED, not here.affordable.sends),
        (Block.BUDGET_EXHAUSTED, ~here.affordable.money),
    ]
    if limits.hours.any_depends_on_time_of_day:
        minutes = local_minutes(now, here.zones, limits.hours.assumed)
        rules += [
            (Block.UNKNOWN_TIME_ZONE, zone_unknown(limits.hours, minutes)),
            (Block.QUIET_HOURS, quiet_now(limits.hours, minutes)[:, None]),
            (Block.OUTSIDE_SEND_WINDOW, outside_window(limits.hours, minutes)),
        ]
    for block, applies in sorted(rules, key=lambda rule: CODES[rule[0]]):
        codes[(codes == ELIGIBLE) & applies] = CODES[block]
    return codes


def blocked(codes: NDArray[np.uint8], variant_ids: tuple[str, ...]) -> dict[str, Block]:
    """The rules that removed variants from one contact's decision, by variant id."""
    return {variant_ids[arm]: BLOCKS[codes[arm] - 1] for arm in np.flatnonzero(codes)}
