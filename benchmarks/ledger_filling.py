"""Fills a ledger with a past: decisions of many recipients over a year, their commitments, and outcomes of some.

The database makes the rows itself, in the order of their keys: ten million of them in random order, one by one, would
take a day. A first part leaves no room on the pages of the indexes and a second part goes between its rows, so that
the pages are as full as pages are that grew row by row. Statistics are not filled: they have as many rows as there
are cells, whatever the past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from optimizer.domain.instants import DAY, Instant
from optimizer.policy.draw import recipient_key
from optimizer.storage.store import Store

PORTION = 250_000  # rows of one transaction
EACH = 3  # decisions of every recipient
PAST = 365 * DAY
STRIDE = 7_368_787  # a prime: neighbours in time are far apart in the order of the ids, as hashes are
# Rows do not come in the order of these, so each is built anew when all are there.
_LATER = {
    "ix_decisions_newest": "CREATE INDEX ix_decisions_newest ON decisions (campaign_id, decided_at)",
    "one_contact_at_a_time": (
        "CREATE UNIQUE INDEX one_contact_at_a_time ON commitments (recipient_key, ordinal) WHERE ordinal IS NOT NULL"
    ),
}
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end}) "
    "SELECT n FROM numbers)",
    "postgresql": "(SELECT generate_series(CAST({first} AS bigint), {end} - 1) AS n)",
}
# Ids in order, as far apart as hashes would be, and different in their last digits too.
_ID = {
    "sqlite": "printf('%013x%019x', {place} * {step}, {place} * 7919)",
    "postgresql": "lpad(to_hex({place} * {step}), 13, '0') || lpad(to_hex({place} * 7919), 19, '0')",
}
_DECISIONS = """\
INSERT INTO decisions (decision_id, campaign_id, recipient_key, request_id, strategy_version, segment_id, audience,
  variant_id, content_hash, propensity, reason, snapshot_id, decided_at, blocked, deferred, attributes, excluded)
SELECT {id}, '{campaign_id}', k.recipient_key, CAST(n AS text), 1, 'lapsed', 'learning',
  'm' || (n % 6), '0123456789abcdef0123456789abcdef', 0.125, 'explore', '{campaign_id}:1',
  {starts} + (n * {turns} % {n}) * {apart}, '{{}}', false, '{{"country":"US","days":400.0,"vip":false}}', '[]'
FROM {numbers} AS numbers JOIN past_recipients AS k ON k.place = n / {each}
WHERE (n % 10 < 7) = ({part} = 1) ORDER BY n"""
_COMMITMENTS = """\
INSERT INTO commitments (at, decision_id, campaign_id, recipient_key, channel, ordinal, most, settled, open, closes_at,
  withdrawn)
SELECT {starts} + n * {apart}, {id}, '{campaign_id}', k.recipient_key, 'email', {ordinal}, 0, 0, false,
  {starts} + n * {apart} + {week}, false
FROM {numbers} AS numbers JOIN past_recipients AS k ON k.place = n * {stride} % {n} / {each} ORDER BY n"""
_OUTCOMES = """\
INSERT INTO outcomes (event_id, decision_id, kind, occurred_at, received_at, machine)
SELECT 'event-' || {id}, {id}, 'clicked', {starts} + (n * {turns} % {n}) * {apart} + 1,
  {starts} + (n * {turns} % {n}) * {apart} + 2, false
FROM {numbers} AS numbers WHERE n % {every} = 0 ORDER BY n"""


@dataclass(frozen=True, slots=True)
class Past:
    """What is filled in.

    Attributes:
        n: decisions.
        secret: of the deployment, so that recipient ``p17`` of a later request is the one who has a past.
        now: the past ends a day before.
        campaign_id: the campaign all of it belongs to; its variants are ``m0`` to ``m5``.
        contacts_count: whether the recipients' contacts are numbered, as they are under a contact policy.
        outcomes_every: one decision of so many has an outcome.
    """

    n: int
    secret: bytes
    now: Instant
    campaign_id: str
    contacts_count: bool = False
    outcomes_every: int = 10

    @property
    def n_recipients(self) -> int:
        """Recipients ``p0``, ``p1`` … who have a past."""
        return (self.n + EACH - 1) // EACH


def fill(store: Store, past: Past, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write a past into a ledger that has none.

    Args:
        store: migrated.
        past: what to write.
        progress: told the number of rows gone through so far, now and then.
    """
    _begin(store, past)
    done = 0
    for statement, part in ((_DECISIONS, 1), (_DECISIONS, 2), (_COMMITMENTS, 0), (_OUTCOMES, 0)):
        for first in range(0, past.n, PORTION):
            end = min(first + PORTION, past.n)
            text = _written(store, past, statement, first, end, part)
            with store.engine.begin() as connection:
                connection.execute(sa.text(text.replace(":", "\\:")))  # no colon of ours names a parameter
            done += end - first
            progress(done)
    with store.engine.begin() as connection:
        for create in _LATER.values():
            connection.execute(sa.text(create))
        connection.execute(sa.text("DROP TABLE past_recipients"))
        connection.execute(sa.text("ANALYZE"))


def _begin(store: Store, past: Past) -> None:
    keys = sorted(recipient_key(past.secret, f"p{number}") for number in range(past.n_recipients))
    with store.engine.begin() as connection:
        for name in _LATER:
            connection.execute(sa.text(f"DROP INDEX {name}"))
        create = "CREATE TABLE past_recipients (place bigint PRIMARY KEY, recipient_key text NOT NULL)"
        connection.execute(sa.text(create.replace("bigint", "INTEGER") if store.is_sqlite else create))
        for first in range(0, len(keys), PORTION):
            rows = [{"place": first + n, "key": key} for n, key in enumerate(keys[first : first + PORTION])]
            connection.execute(sa.text("INSERT INTO past_recipients VALUES (:place, :key)"), rows)


def _written(store: Store, past: Past, statement: str, first: int, end: int, part: int) -> str:
    kind = store.engine.dialect.name
    place = f"(n * {STRIDE} % {past.n})" if statement == _COMMITMENTS else "n"
    return statement.format(
        id=_ID[kind].format(place=place, step=(1 << 52) // past.n),
        numbers=_NUMBERS[kind].format(first=first, end=end),
        campaign_id=past.campaign_id,
        part=part,
        starts=past.now - DAY - PAST,
        apart=PAST // past.n,
        n=past.n,
        turns=pow(STRIDE, -1, past.n),
        stride=STRIDE,
        each=EACH,
        week=7 * DAY,
        ordinal=f"{place} % {EACH} + 1" if past.contacts_count else "NULL",
        every=past.outcomes_every,
    )
