"""Apart: decisions made away from the ledger, from a basis, a secret and a request alone, as the service makes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.engine.alike import taken
from optimizer.engine.basis import Basis
from optimizer.engine.choosing import Choice, Contacts
from optimizer.engine.placing import places_of
from optimizer.engine.supplies import Room, Supplies
from optimizer.engine.tactic import Tactic
from optimizer.errors import InvalidRequest
from optimizer.policy.draw import Framed, decision_hashes, recipient_keys, tombstones
from optimizer.strategy.attributes import are_allowed, check_attributes


class Given(NamedTuple):
    """What ``N`` recipients get.

    Attributes:
        persons: keyed hash of each recipient.
        decision_ids: of each decision.
        choices: what was chosen; those alike share one.
    """

    persons: list[str]
    decision_ids: list[str]
    choices: list[Choice]


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """One campaign, ready to decide.

    Attributes:
        secret: key of every hash.
        suppressed: persons who get nothing on the campaign's channel.
        barred: tombstones of erased people who get nothing on it.
        refused: persons who have said no to it.
    """

    basis: Basis
    secret: bytes
    suppressed: Collection[str]
    barred: Collection[str]
    refused: Collection[str]
    room: Room = field(init=False)  # all there is: a campaign with limits on money, sends or contacts is not apart

    def __post_init__(self) -> None:
        object.__setattr__(self, "room", Supplies().room(self.basis.tactic, (), (), 0))

    @property
    def tactic(self) -> Tactic:
        """The campaign, compiled."""
        return self.basis.tactic

    def all_allowed(self, attributes: Sequence[Mapping[str, object]]) -> bool:
        """Whether the attributes of many requests are allowed; False also where that has to be looked at one by one."""
        return are_allowed(self.basis.declared, attributes)

    def problem_of(self, attributes: Mapping[str, object]) -> InvalidRequest | None:
        """What is wrong with a request's attributes; None when nothing is."""
        if not attributes:
            return None
        findings = check_attributes(self.basis.declared, attributes)
        return InvalidRequest(*findings) if findings else None

    def decide(
        self,
        recipients: Sequence[str],
        request_ids: Sequence[str],
        attributes: Sequence[Attributes],
        excluded: Sequence[tuple[str, ...]],
        now: Instant,
    ) -> Given:
        """What each of ``N`` recipients gets now, in order; the columns have ``N`` items, attributes checked before."""
        tactic, n = self.tactic, len(recipients)
        persons = recipient_keys(self.secret, recipients)
        framed = Framed.of(persons)
        ids, u = decision_hashes(self.secret, [tactic.campaign_id] * n, framed, request_ids)
        contacts = Contacts(
            recipient_keys=persons,
            attributes=attributes,
            excluded=excluded,
            suppressed=self._suppressed(persons),
            consents=[False if person in self.refused else None for person in persons] if self.refused else [None] * n,
            zones=[None] * n,
            u=u,
            places=places_of(self.secret, [tactic] * n, framed),
        )
        return Given(persons, ids, taken(tactic, self.basis.table, contacts, self.room, now).choices)

    def _suppressed(self, persons: Sequence[str]) -> NDArray[np.bool_]:
        if not self.suppressed and not self.barred:
            return np.zeros(len(persons), dtype=bool)
        found = [person in self.suppressed for person in persons]
        if self.barred:
            hashes = tombstones(self.secret, persons)
            found = [listed or hashed in self.barred for listed, hashed in zip(found, hashes, strict=True)]
        return np.array(found, dtype=bool)


def known(attributes: Mapping[str, object], names: Sequence[str]) -> bool:
    """Whether a request says each of these attributes, so that what is stored of the recipient does not matter."""
    return all(attributes.get(name) is not None for name in names)
