"""Proposals as one transaction sees them: what was proposed, and what people decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.proposal_json import proposal_json, read_proposal
from optimizer.domain.proposals import Kept, ProposalState
from optimizer.storage.proposal_tables import ProposalRoundRow, ProposalRow
from optimizer.storage.rows import table_of, upsert

_PROPOSALS, _ROUNDS = table_of(ProposalRow), table_of(ProposalRoundRow)
_AS_THEY_ARE = ("number", "made_at", "as_of", "strategy_version", "trials")
_DECIDED = ("decided_by", "decided_at", "note", "became_version")


class Round(NamedTuple):
    """When the evidence of a campaign was last asked what it suggests.

    Attributes:
        strategy_version: documents it was asked about.
        seen: trials there were then, in all groups.
        design: times by which variances were larger because recipients have several of them; see `evaluation.clusters`.
    """

    campaign_id: str
    at: Instant
    strategy_version: int
    seen: int
    design: float


class Proposals:
    """The proposals of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def next_number(self) -> int:
        """The number of the next new one."""
        return (
            1 + self._connection.execute(sa.select(sa.func.coalesce(sa.func.max(_PROPOSALS.c.number), 0))).scalar_one()
        )

    def insert(self, kept: Kept) -> None:
        """Add one; its number must be new, and the same proposal must not be open."""
        self._connection.execute(sa.insert(_PROPOSALS), _row(kept))

    def update(self, kept: Kept) -> None:
        """Replace everything about one but its number."""
        here = _PROPOSALS.c.number == kept.number
        self._connection.execute(sa.update(_PROPOSALS).where(here).values(_row(kept)))

    def get(self, number: int) -> Kept | None:
        """One of them."""
        row = self._connection.execute(sa.select(_PROPOSALS).where(_PROPOSALS.c.number == number)).one_or_none()
        return None if row is None else _kept(row)

    def newest(
        self,
        n: int,
        *,
        campaign_id: str | None = None,
        states: Iterable[ProposalState] = (),
        before: int | None = None,
    ) -> list[Kept]:
        """The newest, newest first.

        Args:
            n: how many at most.
            campaign_id: only those of this campaign.
            states: only those in one of these states; empty for all.
            before: only those with a smaller number, for the next page.
        """
        query = sa.select(_PROPOSALS).order_by(_PROPOSALS.c.number.desc()).limit(n)
        if campaign_id is not None:
            query = query.where(_PROPOSALS.c.campaign_id == campaign_id)
        if wanted := [state.value for state in states]:
            query = query.where(_PROPOSALS.c.state.in_(wanted))
        if before is not None:
            query = query.where(_PROPOSALS.c.number < before)
        return [_kept(row) for row in self._connection.execute(query)]

    def last_of_each(self, campaign_id: str) -> dict[str, Kept]:
        """The newest of each proposal of a campaign, by fingerprint."""
        query = sa.select(_PROPOSALS).where(_PROPOSALS.c.campaign_id == campaign_id).order_by(_PROPOSALS.c.number)
        return {row.fingerprint: _kept(row) for row in self._connection.execute(query)}

    def accepted(self) -> list[Kept]:
        """Those that became a version of the documents, the oldest first."""
        became = _PROPOSALS.c.became_version.is_not(None)
        return [
            _kept(row)
            for row in self._connection.execute(sa.select(_PROPOSALS).where(became).order_by(_PROPOSALS.c.number))
        ]

    def n_open(self) -> dict[str, int]:
        """How many wait for somebody, by campaign."""
        waiting = _PROPOSALS.c.state == ProposalState.OPEN.value
        query = sa.select(_PROPOSALS.c.campaign_id, sa.func.count().label("n")).where(waiting)
        rows = self._connection.execute(query.group_by(_PROPOSALS.c.campaign_id).order_by(_PROPOSALS.c.campaign_id))
        return {row.campaign_id: row.n for row in rows}

    def rounds(self) -> dict[str, Round]:
        """When the evidence was last asked, by campaign."""
        return {row.campaign_id: Round(*row) for row in self._connection.execute(sa.select(_ROUNDS))}

    def note_round(self, made: Round) -> None:
        """Note that the evidence of a campaign was asked."""
        statement, row = upsert(self._connection, ProposalRoundRow), made._asdict()
        statement = statement.on_conflict_do_update(index_elements=["campaign_id"], set_=row)
        self._connection.execute(statement, row)


def _row(kept: Kept) -> dict[str, Any]:
    return {
        **{name: getattr(kept, name) for name in (*_AS_THEY_ARE, *_DECIDED)},
        "fingerprint": kept.proposal.fingerprint,
        "campaign_id": kept.proposal.campaign_id,
        "state": kept.state.value,
        "body": proposal_json(kept.proposal),
    }


def _kept(row: sa.Row[Any]) -> Kept:
    return Kept(
        **{name: getattr(row, name) for name in (*_AS_THEY_ARE, *_DECIDED)},
        proposal=read_proposal(row.body),
        state=ProposalState(row.state),
    )
