"""Whatever the ledger keeps of persons, in whichever table: to find it, to take it out, to rename it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.behaviour_tables import BehaviourRow
from optimizer.storage.notice_tables import MembershipRow, NoticeRecipientRow
from optimizer.storage.notices import Notices
from optimizer.storage.rows import portions, table_of
from optimizer.storage.tables import (
    CommitmentRow,
    ConsentRow,
    DecisionRow,
    OutcomeRow,
    QuarantineRow,
    RecipientRow,
    SuppressionRow,
)

_DECISIONS, _OUTCOMES, _COMMITMENTS = table_of(DecisionRow), table_of(OutcomeRow), table_of(CommitmentRow)
_RECIPIENTS, _CONSENTS, _SUPPRESSIONS = table_of(RecipientRow), table_of(ConsentRow), table_of(SuppressionRow)
_QUARANTINE, _BEHAVIOUR = table_of(QuarantineRow), table_of(BehaviourRow)
_MEMBERSHIPS, _TOLD = table_of(MembershipRow), table_of(NoticeRecipientRow)
# Every table with a column `recipient_key`; a test compares with the tables there are.
KEYED: Final = (_DECISIONS, _COMMITMENTS, _RECIPIENTS, _CONSENTS, _SUPPRESSIONS, _MEMBERSHIPS, _TOLD, _BEHAVIOUR)
# What is left of a decision once nobody is in it. Callers cannot give an empty request id: that is what tells it.
_NOBODY: Final[dict[str, Any]] = {
    "request_id": "",
    "attributes": "{}",
    "excluded": "[]",
    "time_zone": None,
    "consent": None,
}
_NAME = sa.text("INSERT INTO names SELECT * FROM unnest(CAST(:old AS text[]), CAST(:new AS text[]))")
_PLACE = (_DECISIONS.c.decision_id, _DECISIONS.c.decided_at)
STREAMED = 5_000


class Place(NamedTuple):
    """Where a decision stands, and its commitment with it."""

    decision_id: str
    decided_at: Instant


class Persons:
    """What one transaction finds of persons."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def decided_about(self, recipient_keys: Sequence[str], *, lock: bool = True) -> list[Place]:
        """All decisions about some recipients; locked ones are kept from other workers until the end."""
        found: list[Place] = []
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(*_PLACE).where(_DECISIONS.c.recipient_key.in_(some)).order_by(_DECISIONS.c.decision_id)
            rows = self._connection.execute(query.with_for_update() if lock else query)
            found += [Place(*row) for row in rows]
        return found

    def campaign_ids(self) -> Iterator[str]:
        """Every campaign that has decisions, by one look into the index for each."""
        after = ""
        while True:
            query = sa.select(sa.func.min(_DECISIONS.c.campaign_id)).where(_DECISIONS.c.campaign_id > after)
            found = self._connection.execute(query).scalar_one()
            if found is None:
                return
            yield found
            after = found

    def decided_between(self, campaign_id: str, since: Instant, before: Instant, n: int) -> list[Place]:
        """A campaign's first `n` decisions of a period that are about somebody, kept from other workers."""
        table = _DECISIONS.c
        wanted = (table.campaign_id == campaign_id, table.decided_at >= since, table.decided_at < before)
        query = sa.select(*_PLACE).where(*wanted, table.request_id != "")
        rows = self._connection.execute(query.order_by(table.decided_at).limit(n).with_for_update())
        return [Place(*row) for row in rows]

    def empty(self, places: Sequence[Place], fresh: Callable[[], str]) -> None:
        """Take the person out of decisions, their outcomes and commitments; what can be counted stays.

        Every id becomes a random one, because a hash of the recipient or an id of the caller's would lead back.
        What reverses an outcome still does, so that whatever they amount to stays the same.

        Args:
            places: decisions that are kept from other workers.
            fresh: gives a random id of 32 hexadecimal digits at each call.
        """
        named: dict[str, Any] = {"decision_id": sa.bindparam("new_id"), "recipient_key": sa.bindparam("token")}
        its_own = _COMMITMENTS.c.decision_id == sa.bindparam("old")
        commitments = sa.update(_COMMITMENTS).where(_COMMITMENTS.c.at == sa.bindparam("instant"), its_own)
        decisions = sa.update(_DECISIONS).where(_DECISIONS.c.decision_id == sa.bindparam("old"))
        for some in portions(places):
            new = {place.decision_id: fresh() for place in some}
            self._empty_outcomes(new, fresh)
            rows = [
                {"old": old, "instant": decided_at, "new_id": new[old], "token": fresh()} for old, decided_at in some
            ]
            self._connection.execute(commitments.values(named), rows)
            self._connection.execute(decisions.values(named | _NOBODY), rows)

    def forget_profiles(self, recipient_keys: Sequence[str]) -> None:
        """Delete what is known of recipients: profiles, consents and memberships, and what others are told of them."""
        self._delete((_RECIPIENTS, _CONSENTS, _MEMBERSHIPS), recipient_keys)
        Notices(self._connection).forget_people(recipient_keys)

    def forget(self, recipient_keys: Sequence[str]) -> None:
        """Delete whatever is kept of recipients alone: profiles, consents, suppressions and what they did."""
        self._delete((_RECIPIENTS, _CONSENTS, _MEMBERSHIPS, _SUPPRESSIONS, _BEHAVIOUR), recipient_keys)
        Notices(self._connection).forget_people(recipient_keys)

    def quarantined(self, recipient_keys: Sequence[str], decision_ids: Sequence[str]) -> list[str]:
        """Events in quarantine that name one of these recipients, or one of these decisions."""
        people, decisions = set(recipient_keys), set(decision_ids)
        return [
            event_id
            for event_id, report in self._reports()
            if report.get("recipient_key") in people or report.get("decision_id") in decisions
        ]

    def quarantined_before(self, before: Instant, n: int) -> list[str]:
        """At most `n` events that were judged before an instant."""
        old = sa.select(_QUARANTINE.c.event_id).where(_QUARANTINE.c.received_at < before).limit(n)
        return list(self._connection.execute(old).scalars())

    def profiles_after(self, recipient_key: str, n: int) -> list[tuple[str, Instant]]:
        """The next `n` profiles in the order of their keys, with the instants they were written at."""
        table = _RECIPIENTS.c
        query = sa.select(table.recipient_key, table.updated_at).where(table.recipient_key > recipient_key)
        rows = self._connection.execute(query.order_by(table.recipient_key).limit(n))
        return [(row.recipient_key, row.updated_at) for row in rows]

    def members_after(self, recipient_key: str, n: int) -> list[tuple[str, Instant]]:
        """The next `n` recipients of whom there are memberships, and neither a profile nor anything they did.

        With the instants they moved at last, in the order of their keys.
        """
        table = _MEMBERSHIPS.c
        known = (sa.exists().where(kept.c.recipient_key == table.recipient_key) for kept in (_RECIPIENTS, _BEHAVIOUR))
        query = sa.select(table.recipient_key, sa.func.max(table.since).label("since"))
        query = query.where(table.recipient_key > recipient_key, *(~there for there in known))
        rows = self._connection.execute(query.group_by(table.recipient_key).order_by(table.recipient_key).limit(n))
        return [(row.recipient_key, row.since) for row in rows]

    def decided_lately(self, recipient_keys: Sequence[str], since: Instant) -> set[str]:
        """Those recipients about whom something was decided at an instant or later."""
        found: set[str] = set()
        table = _DECISIONS.c
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(table.recipient_key).where(table.recipient_key.in_(some), table.decided_at >= since)
            found.update(self._connection.execute(query.distinct()).scalars())
        return found

    def count(self) -> int:
        """How many recipient keys `rename` has to look at."""
        rows = (sa.select(sa.func.count()).select_from(table) for table in (*KEYED, _QUARANTINE))
        return sum(self._connection.execute(query).scalar_one() for query in rows)

    def rename(self, renamed: Callable[[Sequence[str]], list[str]], progress: Callable[[int], None]) -> int:
        """Give every recipient another key, everywhere; how many keys that were.

        Args:
            renamed: new keys of old ones, one to one.
            progress: told how many are done, now and then.
        """
        done = 0
        rename = self._call_back if self._connection.dialect.name == "sqlite" else self._name_in_table
        for statement in rename(renamed):
            done += self._connection.execute(statement).rowcount
            progress(done)
        for event_id, report in self._reports():
            done += 1
            if report.get("recipient_key") is not None:
                report["recipient_key"] = renamed([report["recipient_key"]])[0]
                here = sa.update(_QUARANTINE).where(_QUARANTINE.c.event_id == event_id)
                self._connection.execute(here.values(report=orjson.dumps(report).decode()))
        progress(done)
        return done

    def _delete(self, tables: Sequence[sa.Table], recipient_keys: Sequence[str]) -> None:
        for table in tables:
            for some in portions(sorted(set(recipient_keys))):
                self._connection.execute(sa.delete(table).where(table.c.recipient_key.in_(some)))

    def _call_back(self, renamed: Callable[[Sequence[str]], list[str]]) -> Iterator[sa.Update]:
        """SQLite calls us for each row of one statement per table: nothing is written but the rows."""
        driver = self._connection.connection.driver_connection
        assert driver is not None  # noqa: S101  a connection in a transaction has one
        driver.create_function("renamed", 1, lambda key: renamed([key])[0], deterministic=True)
        for table in KEYED:
            yield sa.update(table).values(recipient_key=sa.func.renamed(table.c.recipient_key))

    def _name_in_table(self, renamed: Callable[[Sequence[str]], list[str]]) -> Iterator[sa.Update]:
        """PostgreSQL joins each table with the names, old and new, which go when the transaction ends.

        They are not analysed: `pg_statistic` would keep some of them, old and new, for good.
        """
        self._connection.execute(sa.text("CREATE TEMPORARY TABLE names (old text, new text) ON COMMIT DROP"))
        names = sa.table("names", sa.column("old", sa.Text), sa.column("new", sa.Text))
        every = sa.union(*(sa.select(table.c.recipient_key) for table in KEYED))
        for some in self._connection.execute(every, execution_options={"yield_per": STREAMED}).scalars().partitions():
            self._connection.execute(_NAME, {"old": list(some), "new": renamed(some)})
        for table in KEYED:
            yield sa.update(table).values(recipient_key=names.c.new).where(table.c.recipient_key == names.c.old)

    def _reports(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every report in quarantine, a few thousand at a time: they may be changed while one walks over them."""
        after = ""
        while True:
            query = sa.select(_QUARANTINE.c.event_id, _QUARANTINE.c.report).where(_QUARANTINE.c.event_id > after)
            rows = self._connection.execute(query.order_by(_QUARANTINE.c.event_id).limit(STREAMED)).all()
            if not rows:
                return
            for row in rows:
                yield row.event_id, orjson.loads(row.report)
            after = rows[-1].event_id

    def _empty_outcomes(self, new: dict[str, str], fresh: Callable[[], str]) -> None:
        table = _OUTCOMES.c
        columns = sa.select(table.event_id, table.decision_id, table.reverses)
        found = self._connection.execute(columns.where(table.decision_id.in_(sorted(new)))).all()
        for some in portions(sorted(row.event_id for row in found)):  # who did it, and when, would lead to the outcome
            self._connection.execute(sa.delete(_BEHAVIOUR).where(_BEHAVIOUR.c.event_id.in_(some)))
        named = {row.event_id for row in found} | {row.reverses for row in found if row.reverses is not None}
        random_ids = {event_id: fresh() for event_id in named}
        rows = [
            {
                "old": row.event_id,
                "new_event": random_ids[row.event_id],
                "new_id": new[row.decision_id],
                "new_reverses": None if row.reverses is None else random_ids[row.reverses],
            }
            for row in found
        ]
        if rows:
            values: dict[str, Any] = {
                "event_id": sa.bindparam("new_event"),
                "decision_id": sa.bindparam("new_id"),
                "reverses": sa.bindparam("new_reverses"),
            }
            here = sa.update(_OUTCOMES).where(table.event_id == sa.bindparam("old"))
            self._connection.execute(here.values(values), rows)
