"""What a decision to send uses up: one contact, one send, and at most this much money."""

from typing import NamedTuple

from optimizer.domain.instants import Instant


class Commitment(NamedTuple):
    """Made in the transaction that makes the decision, settled by outcomes, closed when nothing can be due any more.

    Attributes:
        channel: how the message travels.
        at: instant of the decision; it says which day and month the commitment counts in.
        ordinal: the recipient's first, second … contact, where a contact policy counts them; else None.
            Unique per recipient, so that two workers cannot both make the same one.
        most: the most money it can cost, micro-units.
        settled: what is due so far, at most `most`.
        open: whether the rest of `most` is still reserved.
        closes_at: from when on no outcome can cost anything; what is left of the reservation is then released.
        withdrawn: the caller says it was never sent: it counts neither as a contact nor as a send, and costs nothing.
    """

    decision_id: str
    campaign_id: str
    recipient_key: str
    channel: str
    at: Instant
    ordinal: int | None
    most: int
    settled: int
    open: bool
    closes_at: Instant
    withdrawn: bool = False

    @property
    def reserved(self) -> int:
        """Money that may yet become due, micro-units."""
        return self.most - self.settled if self.open else 0
