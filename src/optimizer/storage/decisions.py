"""Decisions: written once, found by id, streamed for the fold."""

from collections.abc import Iterator, Sequence

import orjson
import sqlalchemy as sa

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.storage.rows import insert_new, portions, table_of
from optimizer.storage.tables import DecisionRow

_DECISIONS = table_of(DecisionRow)
STREAMED = 5_000


class Decisions:
    """The decisions of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, decisions: Sequence[Decision]) -> set[str]:
        """Write those that are not there yet.

        Returns:
            Ids that were written; the others were written before, perhaps by another worker.
        """
        return insert_new(self._connection, DecisionRow, "decision_id", [_row(d) for d in decisions])

    def by_id(self, decision_ids: Sequence[str], *, lock: bool = False) -> dict[str, Decision]:
        """Those that exist.

        Args:
            decision_ids: ids to look for.
            lock: keep other workers from recording outcomes of these decisions until the transaction ends.
        """
        found = {}
        for some in portions(sorted(set(decision_ids))):
            query = sa.select(_DECISIONS).where(_DECISIONS.c.decision_id.in_(some))
            if lock:
                query = query.order_by(_DECISIONS.c.decision_id).with_for_update()
            for row in self._connection.execute(query):
                found[row.decision_id] = _decision(row)
        return found

    def latest_of(self, recipient_key: str, campaign_id: str, *, by: Instant | None = None) -> Decision | None:
        """The newest decision of a campaign for a recipient: made `by` this instant, or of all."""
        of_recipient = sa.and_(_DECISIONS.c.recipient_key == recipient_key, _DECISIONS.c.campaign_id == campaign_id)
        query = sa.select(_DECISIONS).where(of_recipient).order_by(_DECISIONS.c.decided_at.desc()).limit(1)
        query = query if by is None else query.where(_DECISIONS.c.decided_at <= by)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _decision(row)

    def sample(self, n: int) -> list[Decision]:
        """The first `n` decisions in order of their id, which is a hash: as good as chosen by chance."""
        query = sa.select(_DECISIONS).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def recent(self, campaign_id: str, since: Instant, n: int) -> list[Decision]:
        """At most `n` decisions of a campaign made at `since` or later: all of them, or as good as chosen by chance."""
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decided_at >= since)
        query = sa.select(_DECISIONS).where(wanted).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def newest(self, campaign_id: str, since: Instant, n: int) -> list[Decision]:
        """The newest `n` decisions of a campaign made at `since` or later, in order of time."""
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decided_at >= since)
        order = (_DECISIONS.c.decided_at.desc(), _DECISIONS.c.decision_id)
        rows = self._connection.execute(sa.select(_DECISIONS).where(wanted).order_by(*order).limit(n))
        return [_decision(row) for row in rows][::-1]

    def newest_drawn(self, campaign_id: str, n: int) -> Iterator[Decision]:
        """The newest `n` decisions of a campaign's learning group that drew a variant, newest first."""
        wanted = (
            _DECISIONS.c.campaign_id == campaign_id,
            _DECISIONS.c.audience == Group.LEARNING.value,
            _DECISIONS.c.snapshot_id.is_not(None),
            _DECISIONS.c.variant_id.is_not(None),
        )
        order = (_DECISIONS.c.decided_at.desc(), _DECISIONS.c.decision_id)
        query = sa.select(_DECISIONS).where(*wanted).order_by(*order).limit(n)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _decision(row)

    def page(self, campaign_id: str, after: str, n: int) -> list[Decision]:
        """The next `n` decisions of a campaign in order of their id, those whose id comes after this one.

        The id is a hash: the first pages are as good as chosen by chance.
        """
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decision_id > after)
        query = sa.select(_DECISIONS).where(wanted).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def count(self, campaign_id: str | None = None) -> int:
        """How many there are, of one campaign or of all."""
        query = sa.select(sa.func.count()).select_from(_DECISIONS)
        query = query if campaign_id is None else query.where(_DECISIONS.c.campaign_id == campaign_id)
        return self._connection.execute(query).scalar_one()

    def stream(self) -> Iterator[Decision]:
        """All, in order of their id, without holding them in memory."""
        query = sa.select(_DECISIONS).order_by(_DECISIONS.c.decision_id)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _decision(row)


def _row(decision: Decision) -> dict[str, object]:
    return {
        "decision_id": decision.decision_id,
        "campaign_id": decision.campaign_id,
        "recipient_key": decision.recipient_key,
        "request_id": decision.request_id,
        "strategy_version": decision.strategy_version,
        "segment_id": decision.segment_id,
        "audience": decision.group.value,
        "variant_id": decision.variant_id,
        "content_hash": decision.content_hash,
        "propensity": decision.propensity,
        "reason": decision.reason.value,
        "snapshot_id": decision.snapshot_id,
        "decided_at": decision.decided_at,
        "blocked": orjson.dumps(dict(decision.blocked)).decode(),
        "deferred": decision.deferred,
        "attributes": orjson.dumps(dict(decision.attributes)).decode(),
        "excluded": orjson.dumps(decision.excluded).decode(),
        "retry_at": decision.retry_at,
        "time_zone": decision.time_zone,
        "consent": decision.consent,
        "rollout_share": decision.rollout_share,
        "actor": decision.actor,
    }


def _decision(row: sa.Row[tuple[object, ...]]) -> Decision:
    return Decision(
        decision_id=row.decision_id,
        campaign_id=row.campaign_id,
        recipient_key=row.recipient_key,
        request_id=row.request_id,
        strategy_version=row.strategy_version,
        segment_id=row.segment_id,
        group=Group(row.audience),
        variant_id=row.variant_id,
        content_hash=row.content_hash,
        propensity=row.propensity,
        reason=Reason(row.reason),
        snapshot_id=row.snapshot_id,
        decided_at=row.decided_at,
        blocked={variant_id: Block(rule) for variant_id, rule in orjson.loads(row.blocked).items()},
        deferred=row.deferred,
        attributes=orjson.loads(row.attributes),
        excluded=tuple(orjson.loads(row.excluded)),
        retry_at=row.retry_at,
        time_zone=row.time_zone,
        consent=row.consent,
        rollout_share=row.rollout_share,
        actor=row.actor,
    )
