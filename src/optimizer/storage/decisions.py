"""Decisions: written once, found by id, streamed for the fold."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from optimizer.domain.decision import Brief, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.errors import Contended
from optimizer.storage.rows import Later, NewRows, Row, Statement, is_sqlite, keys_of, table_of
from optimizer.storage.tables import DecisionRow

# One column for each field, in the order of the fields; `group` is a word of SQL.
COLUMNS = tuple("audience" if name == "group" else name for name in Decision._fields)
_DECISIONS = table_of(DecisionRow)
_NEW = NewRows(DecisionRow, COLUMNS)
_LISTED = ", ".join(COLUMNS)
_BY_ID = Statement.of("SELECT {columns} FROM decisions WHERE decision_id IN {keys}", columns=_LISTED)
_BRIEF_COLUMNS = tuple("audience" if name == "group" else name for name in Brief._fields)
_BRIEFS = Statement.of("SELECT {columns} FROM decisions WHERE decision_id IN {keys}", columns=", ".join(_BRIEF_COLUMNS))
_LOCK = Statement.of("SELECT decision_id FROM decisions WHERE decision_id IN {keys} ORDER BY decision_id {locked}")
_GROUPS: Mapping[str, Group] = {group.value: group for group in Group}
_REASONS: Mapping[str, Reason] = {reason.value: reason for reason in Reason}
# A campaign has millions of decisions, a recipient few: SQLite shall not look through the former.
_LATEST_OF = Statement.of(
    "SELECT {columns} FROM decisions WHERE recipient_key = {value} AND {unindexed}campaign_id = {value} "
    "AND decided_at <= {value} ORDER BY decided_at DESC LIMIT 1",
    columns=_LISTED,
)
# The same of many: recipient, campaign and instant of each, as one JSON text.
_LATEST_OF_MANY = Statement.of_each(
    "SELECT (SELECT d.decision_id FROM decisions AS d WHERE d.recipient_key = json_extract(asked.value, '$[0]') "
    "AND +d.campaign_id = json_extract(asked.value, '$[1]') AND d.decided_at <= json_extract(asked.value, '$[2]') "
    "ORDER BY d.decided_at DESC LIMIT 1) FROM json_each(?) AS asked ORDER BY asked.key",
    "SELECT (SELECT d.decision_id FROM decisions AS d WHERE d.recipient_key = asked.what->>0 "
    "AND d.campaign_id = asked.what->>1 AND d.decided_at <= (asked.what->>2)::bigint "
    "ORDER BY d.decided_at DESC LIMIT 1) "
    "FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS asked(what, place) ORDER BY asked.place",
)
END_OF_TIME: Instant = 2**63 - 1
_EVERY = [_DECISIONS.c[name] for name in COLUMNS]
STREAMED = 5_000


class Decisions:
    """The decisions of one transaction."""

    def __init__(self, connection: sa.Connection, *, alone: bool = False) -> None:
        self._connection = connection
        self._alone = alone

    def insert(self, decisions: Sequence[Decision]) -> set[str]:
        """Write those that are not there yet.

        On PostgreSQL, a transaction that is not alone has looked for them before, with `by_id`; one that another
        worker has written since makes it fail.

        Returns:
            Ids that were written; the others were written before.

        Raises:
            psycopg.errors.UniqueViolation: another worker was faster, which `Writing` reports as Contended.
        """
        return _NEW.insert(self._connection, map(_row, decisions), alone=self._alone)

    def by_id(self, decision_ids: Sequence[str]) -> dict[str, Decision]:
        """Those that exist."""
        return self.later_by_id(decision_ids)()

    def later_by_id(self, decision_ids: Sequence[str]) -> Later[dict[str, Decision]]:
        """The same, together with what else is asked for."""
        if not decision_ids:
            return dict
        answer = _BY_ID.ask(self._connection, keys_of(self._connection, set(decision_ids)))
        return lambda: {row[0]: _decision(row) for row in answer.fetchall()}

    def briefs(self, decision_ids: Iterable[str]) -> dict[str, Brief]:
        """Those that exist, in brief."""
        wanted = set(decision_ids)
        if not wanted:
            return {}
        return {row[0]: _brief(row) for row in _BRIEFS.rows(self._connection, keys_of(self._connection, wanted))}

    def later_kept(self, decision_ids: Collection[str]) -> Later[None]:
        """Keep decisions from other workers that record outcomes, until the transaction ends.

        Raises:
            Contended: when it is called; one of them is no longer there.
        """
        if not decision_ids or is_sqlite(self._connection):  # which has one writer at a time
            return lambda: None
        answer = _LOCK.ask(self._connection, keys_of(self._connection, decision_ids))

        def all_kept() -> None:
            if len(answer.fetchall()) != len(decision_ids):
                raise Contended("decisions: another worker has just erased one that an outcome was reported of")

        return all_kept

    def latest_of(self, recipient_key: str, campaign_id: str, *, by: Instant | None = None) -> Decision | None:
        """The newest decision of a campaign for a recipient: made `by` this instant, or of all."""
        rows = _LATEST_OF.rows(self._connection, recipient_key, campaign_id, END_OF_TIME if by is None else by)
        return _decision(rows[0]) if rows else None

    def latest_of_many(self, asked: Iterable[tuple[str, str, Instant | None]]) -> list[str | None]:
        """Ids of the same for each recipient, campaign and instant, in order; None where there is no such decision."""
        listed = [(key, campaign_id, END_OF_TIME if by is None else by) for key, campaign_id, by in asked]
        return [row[0] for row in _LATEST_OF_MANY.rows(self._connection, orjson.dumps(listed).decode())]

    def sample(self, n: int) -> list[Decision]:
        """The first `n` decisions in order of their id, which is a hash: as good as chosen by chance."""
        query = sa.select(*_EVERY).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def recent(self, campaign_id: str, since: Instant, n: int) -> list[Decision]:
        """At most `n` decisions of a campaign made at `since` or later: all of them, or as good as chosen by chance."""
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decided_at >= since)
        query = sa.select(*_EVERY).where(wanted).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def newest(self, campaign_id: str, since: Instant, n: int) -> list[Decision]:
        """The newest `n` decisions of a campaign made at `since` or later, in order of time."""
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decided_at >= since)
        order = (_DECISIONS.c.decided_at.desc(), _DECISIONS.c.decision_id)
        rows = self._connection.execute(sa.select(*_EVERY).where(wanted).order_by(*order).limit(n))
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
        query = sa.select(*_EVERY).where(*wanted).order_by(*order).limit(n)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _decision(row)

    def page(self, campaign_id: str, after: str, n: int) -> list[Decision]:
        """The next `n` decisions of a campaign in order of their id, those whose id comes after this one.

        The id is a hash: the first pages are as good as chosen by chance.
        """
        wanted = sa.and_(_DECISIONS.c.campaign_id == campaign_id, _DECISIONS.c.decision_id > after)
        query = sa.select(*_EVERY).where(wanted).order_by(_DECISIONS.c.decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def between(
        self, campaign_id: str, since: Instant, until: Instant, after: tuple[Instant, str], n: int
    ) -> list[Decision]:
        """The next `n` decisions of a campaign in order of time, then id.

        Args:
            campaign_id: the campaign.
            since: the first instant that is wanted.
            until: the first one that no longer is.
            after: instant and id of the decision before; one from before `since` for the first.
            n: how many.
        """
        at, decision_id = _DECISIONS.c.decided_at, _DECISIONS.c.decision_id
        later = sa.or_(at > after[0], decision_id > after[1])
        wanted = (_DECISIONS.c.campaign_id == campaign_id, at >= max(since, after[0]), at < until, later)
        query = sa.select(*_EVERY).where(*wanted).order_by(at, decision_id).limit(n)
        return [_decision(row) for row in self._connection.execute(query)]

    def count(self, campaign_id: str | None = None) -> int:
        """How many there are, of one campaign or of all."""
        query = sa.select(sa.func.count()).select_from(_DECISIONS)
        query = query if campaign_id is None else query.where(_DECISIONS.c.campaign_id == campaign_id)
        return self._connection.execute(query).scalar_one()

    def stream(self) -> Iterator[Decision]:
        """All, in order of their id, without holding them in memory."""
        query = sa.select(*_EVERY).order_by(_DECISIONS.c.decision_id)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _decision(row)


def _row(decision: Decision) -> Row:
    return (
        decision.decision_id,
        decision.campaign_id,
        decision.recipient_key,
        decision.request_id,
        decision.strategy_version,
        decision.segment_id,
        decision.group.value,
        decision.variant_id,
        decision.content_hash,
        decision.propensity,
        decision.reason.value,
        decision.snapshot_id,
        decision.decided_at,
        orjson.dumps(dict(decision.blocked)).decode() if decision.blocked else "{}",
        decision.deferred,
        orjson.dumps(dict(decision.attributes)).decode() if decision.attributes else "{}",
        orjson.dumps(decision.excluded).decode() if decision.excluded else "[]",
        decision.retry_at,
        decision.time_zone,
        decision.consent,
        decision.rollout_share,
        decision.actor,
    )


def _brief(row: Row) -> Brief:
    id_, campaign_id, key, request_id, version, segment_id, group, variant_id, words, reason, at, deferred = row
    return Brief(
        id_,
        campaign_id,
        key,
        request_id,
        version,
        segment_id,
        _GROUPS[group],
        variant_id,
        words,
        _REASONS[reason],
        at,
        bool(deferred),  # SQLite has no booleans of its own
    )


def _decision(row: Sequence[Any]) -> Decision:
    values = list(row)
    values[6], values[10] = Group(row[6]), Reason(row[10])
    blocked, deferred, attributes, excluded = row[13:17]
    values[13] = {} if blocked == "{}" else {name: Block(rule) for name, rule in orjson.loads(blocked).items()}
    values[14] = bool(deferred)  # SQLite has no booleans of its own
    values[15] = {} if attributes == "{}" else orjson.loads(attributes)
    values[16] = () if excluded == "[]" else tuple(orjson.loads(excluded))
    values[19] = None if row[19] is None else bool(row[19])
    return Decision(*values)
