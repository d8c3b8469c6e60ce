"""Who leads, in one sentence for somebody who has no time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from optimizer.strategy.fields import EVERYONE_ELSE

CLEAR: Final = 0.8  # P(best) from which on a variant is said to lead
MOST_NAMED: Final = 2


class Leading(NamedTuple):
    """The variant that is most likely the best in a segment.

    Attributes:
        p_best: posterior probability that it is.
        n_variants: among how many.
    """

    segment_id: str
    variant_id: str
    p_best: float
    n_variants: int


def leading_words(found: Iterable[Leading]) -> str:
    """One sentence: ``ten-percent leads in lapsed-loyal (92 % sure); no clear leader in 2 others``.

    Args:
        found: of each segment that has variants to choose from.
    """
    surest = sorted(found, key=lambda one: (-one.p_best, one.segment_id))
    if not surest:
        return "nothing to choose from"
    clear = [one for one in surest if one.p_best >= CLEAR]
    if not clear:
        where = "" if len(surest) == 1 else f" in any of {len(surest)} segments"
        known = (
            _likely(surest[0], alone=len(surest) == 1) if _is_apart(surest[0]) else "nothing tells them apart so far"
        )
        return f"no clear leader yet{where}; {known}"
    parts = [_leads(one, alone=len(surest) == 1) for one in clear[:MOST_NAMED]]
    if len(clear) > MOST_NAMED:
        parts.append(f"a clear leader in {len(clear) - MOST_NAMED} more")
    if unclear := len(surest) - len(clear):
        parts.append(f"no clear leader in {unclear} {'other' if unclear == 1 else 'others'}")
    return "; ".join(parts)


def _is_apart(one: Leading) -> bool:
    """Whether the likeliest is likelier than the others at all; before anything is learned all are equally so."""
    return one.p_best * one.n_variants > 1.0 + 1e-6


def _leads(one: Leading, *, alone: bool) -> str:
    return f"{one.variant_id} leads{_where(one, alone=alone)} ({_sure(one.p_best)} sure)"


def _likely(one: Leading, *, alone: bool) -> str:
    return f"{one.variant_id} is most likely the best{_where(one, alone=alone)} ({_sure(one.p_best)})"


def _where(one: Leading, *, alone: bool) -> str:
    return "" if alone and one.segment_id == EVERYONE_ELSE else f" in {one.segment_id}"


def _sure(p_best: float) -> str:
    return "over 99 %" if p_best > 0.99 else f"{100 * p_best:.0f} %"
