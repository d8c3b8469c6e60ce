"""Which variants may be chosen for each contact now, and which rule removed each of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block

# A block is stored as its place in this tuple plus one; zero means eligible. The order is the order of the rules:
# the first rule that applies is the one that is reported.
BLOCKS: tuple[Block, ...] = tuple(Block)
ELIGIBLE = 0
_CODE = {block: place for place, block in enumerate(BLOCKS, start=1)}


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What the documents and the approvals allow for one campaign with `A` variants and `S` segments.

    Attributes:
        starts_at, ends_at: the campaign's period, start included and end excluded; None when open.
        approved: ``[A]``, whether someone said yes to exactly these words and this targeting.
        for_segment: ``[S, A]``, whether the variant's targeting admits the segment.
    """

    starts_at: Instant | None
    ends_at: Instant | None
    approved: NDArray[np.bool_]
    for_segment: NDArray[np.bool_]


def blocks(limits: Limits, segments: NDArray[np.int64], excluded: NDArray[np.bool_], now: Instant) -> NDArray[np.uint8]:
    """Code of the first rule that removes each variant for each contact.

    Args:
        limits: the campaign's limits.
        segments: ``[N]``, index of each contact's segment; all of them within the audience.
        excluded: ``[N, A]``, variants the caller does not want.
        now: instant of the decision.

    Returns:
        ``[N, A]``; `ELIGIBLE` where no rule applies, else one plus the rule's place in `BLOCKS`.
    """
    codes = np.zeros(excluded.shape, dtype=np.uint8)
    rules = (
        (Block.NOT_STARTED, limits.starts_at is not None and now < limits.starts_at),
        (Block.ENDED, limits.ends_at is not None and now >= limits.ends_at),
        (Block.NOT_APPROVED, ~limits.approved),
        (Block.NOT_FOR_SEGMENT, ~limits.for_segment[segments]),
        (Block.EXCLUDED_BY_CALLER, excluded),
    )
    for block, applies in rules:
        codes[(codes == ELIGIBLE) & applies] = _CODE[block]
    return codes


def blocked(codes: NDArray[np.uint8], variant_ids: tuple[str, ...]) -> dict[str, Block]:
    """The rules that removed variants from one contact's decision, by variant id."""
    return {variant_ids[arm]: BLOCKS[codes[arm] - 1] for arm in np.flatnonzero(codes)}
