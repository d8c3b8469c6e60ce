"""Reviews: people look at what automation does, and it says when they have not looked for too long."""

from __future__ import annotations

from optimizer.domain.controls import Controls
from optimizer.domain.instants import Instant
from optimizer.strategy.limits import Review


def review_due_at(controls: Controls, review: Review | None) -> Instant | None:
    """When somebody must have looked again; from that instant on the review is overdue.

    Returns:
        None when the strategy asks for no reviews, or before the campaign was first in force.
    """
    if review is None or controls.reviewed_at is None:
        return None
    return controls.reviewed_at + review.every
