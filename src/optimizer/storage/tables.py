"""Every table, once. Rows of these classes never leave this room.

Instants are BigInteger microseconds; amounts BigInteger micro-units; small structures are JSON text. Texts that
come from people are written through bound parameters only.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Text,
    false,
    text,
)
from sqlmodel import Field, SQLModel

ONE_CONTACT_AT_A_TIME = "one_contact_at_a_time"
EXACT_TOTAL = "total_is_exact"
LARGEST_SUM = 9 * 10**18  # within 64 bits; beyond them SQLite would go on in floating point


def _instant(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _text(*, nullable: bool = False, default: str | None = None) -> Column[str]:
    return Column(Text, nullable=nullable, server_default=None if default is None else text(default))


class DecisionRow(SQLModel, table=True):
    """Append-only. The id is a keyed hash of campaign, recipient and request: uniqueness is idempotency."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_recipient", "recipient_key", "decided_at"),
        Index("ix_decisions_newest", "campaign_id", "decided_at"),
    )

    decision_id: str = Field(primary_key=True, max_length=32)
    campaign_id: str = Field(sa_column=_text())
    recipient_key: str = Field(sa_column=_text())
    request_id: str = Field(sa_column=_text())
    strategy_version: int = Field(sa_column=Column(Integer, nullable=False))
    segment_id: str | None = Field(sa_column=_text(nullable=True))
    audience: str = Field(sa_column=_text())
    variant_id: str | None = Field(sa_column=_text(nullable=True))
    content_hash: str | None = Field(sa_column=_text(nullable=True))
    propensity: float | None = Field(sa_column=Column(Double, nullable=True))
    reason: str = Field(sa_column=_text())
    snapshot_id: str | None = Field(sa_column=_text(nullable=True))
    decided_at: int = Field(sa_column=_instant())
    blocked: str = Field(sa_column=_text())
    deferred: bool
    attributes: str = Field(sa_column=_text())
    excluded: str = Field(sa_column=_text())
    retry_at: int | None = Field(sa_column=_instant(nullable=True))
    time_zone: str | None = Field(sa_column=_text(nullable=True))
    consent: bool | None
    rollout_share: float = Field(sa_column=Column(Double, nullable=False, server_default="1"))
    actor: str | None = Field(sa_column=_text(nullable=True))


class OutcomeRow(SQLModel, table=True):
    """Append-only. A second report of an event id finds the first."""

    __tablename__ = "outcomes"
    __table_args__ = (Index("ix_outcomes_decision_id", "decision_id"),)

    event_id: str = Field(primary_key=True, max_length=64)
    decision_id: str = Field(max_length=32)
    kind: str = Field(sa_column=_text())
    value: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    currency: str | None = Field(sa_column=_text(nullable=True))
    occurred_at: int = Field(sa_column=_instant())
    received_at: int = Field(sa_column=_instant())
    reverses: str | None = Field(sa_column=_text(nullable=True))
    machine: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))


class QuarantineRow(SQLModel, table=True):
    """Reports we could not use, kept with the reason so that nothing is lost."""

    __tablename__ = "quarantine"

    event_id: str = Field(primary_key=True, max_length=64)
    reason: str = Field(sa_column=_text())
    report: str = Field(sa_column=_text())
    received_at: int = Field(sa_column=_instant())


class StatisticRow(SQLModel, table=True):
    """Mergeable sums; always equal to the fold of decisions and outcomes."""

    __tablename__ = "statistics"
    __table_args__ = (CheckConstraint(f"total BETWEEN -{LARGEST_SUM} AND {LARGEST_SUM}", name=EXACT_TOTAL),)

    campaign_id: str = Field(primary_key=True)
    segment_id: str = Field(primary_key=True)
    variant_id: str = Field(primary_key=True)
    content_hash: str = Field(primary_key=True)
    audience: str = Field(primary_key=True)
    metric: str = Field(primary_key=True)
    bucket: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    n: int = Field(sa_column=Column(BigInteger, nullable=False))
    positives: int = Field(sa_column=Column(BigInteger, nullable=False))
    total: int = Field(sa_column=Column(BigInteger, nullable=False))
    squares: int = Field(sa_column=Column(BigInteger, nullable=False))


class SnapshotRow(SQLModel, table=True):
    __tablename__ = "snapshots"

    campaign_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    created_at: int = Field(sa_column=_instant())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class StrategyVersionRow(SQLModel, table=True):
    """The documents as their authors wrote them, one row per `apply`."""

    __tablename__ = "strategy_versions"

    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    digest: str = Field(sa_column=_text())
    files: str = Field(sa_column=_text())
    applied_at: int = Field(sa_column=_instant())
    actor: str = Field(sa_column=_text())
    note: str = Field(sa_column=_text())


class ApprovalRow(SQLModel, table=True):
    """An approval binds to the hash of the words and the targeting."""

    __tablename__ = "approvals"

    campaign_id: str = Field(primary_key=True)
    variant_id: str = Field(primary_key=True)
    content_hash: str = Field(primary_key=True)
    approved_at: int = Field(sa_column=_instant())
    actor: str = Field(sa_column=_text())
    note: str = Field(sa_column=_text())


class RecipientRow(SQLModel, table=True):
    """Stored profile: declared attributes only, under a keyed hash."""

    __tablename__ = "recipients"

    recipient_key: str = Field(primary_key=True, max_length=32)
    attributes: str = Field(sa_column=_text())
    consent: str = Field(sa_column=_text(default="'{}'"))
    time_zone: str | None = Field(sa_column=_text(nullable=True))
    updated_at: int = Field(sa_column=_instant())
    said: str = Field(sa_column=_text(default="'{}'"))


class SuppressionRow(SQLModel, table=True):
    """Recipients who get nothing on a channel, or on any (`EVERY_CHANNEL`)."""

    __tablename__ = "suppressions"

    recipient_key: str = Field(primary_key=True, max_length=32)
    channel: str = Field(primary_key=True)
    at: int = Field(sa_column=_instant())
    source: str = Field(sa_column=_text())


class CommitmentRow(SQLModel, table=True):
    """What each decision to send uses up; see `domain.commitment`.

    In the order of time, so that new rows go to the end of the table and not to as many places as there are rows;
    whoever looks for a recipient's, finds the decisions first, which have the same instants and ids.
    """

    __tablename__ = "commitments"
    __table_args__ = (
        # The referee of the contact policy: of two workers that count the same contact of a recipient, one loses.
        Index(
            ONE_CONTACT_AT_A_TIME,
            "recipient_key",
            "ordinal",
            unique=True,
            sqlite_where=text("ordinal IS NOT NULL"),
            postgresql_where=text("ordinal IS NOT NULL"),
        ),
        Index("ix_commitments_open", "closes_at", sqlite_where=text("open"), postgresql_where=text("open")),
        {"sqlite_with_rowid": False},
    )

    at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    decision_id: str = Field(primary_key=True, max_length=32)
    campaign_id: str = Field(sa_column=_text())
    recipient_key: str = Field(sa_column=_text())
    channel: str = Field(sa_column=_text())
    ordinal: int | None = Field(sa_column=Column(Integer, nullable=True))
    most: int = Field(sa_column=Column(BigInteger, nullable=False))
    settled: int = Field(sa_column=Column(BigInteger, nullable=False))
    open: bool
    closes_at: int = Field(sa_column=_instant())
    withdrawn: bool


class MeterRow(SQLModel, table=True):
    """How much of a limited budget is in use in one period; always the sum over its commitments."""

    __tablename__ = "meters"
    __table_args__ = (CheckConstraint("reserved >= 0 AND settled >= 0 AND sends >= 0", name="nothing_below_zero"),)

    scope: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    reserved: int = Field(sa_column=Column(BigInteger, nullable=False))
    settled: int = Field(sa_column=Column(BigInteger, nullable=False))
    sends: int = Field(sa_column=Column(BigInteger, nullable=False))


class ControlRow(SQLModel, table=True):
    """The controls of each campaign that has any, as one JSON text; see `domain.controls`."""

    __tablename__ = "controls"

    campaign_id: str = Field(primary_key=True)
    body: str = Field(sa_column=_text())


class KeyRow(SQLModel, table=True):
    """API keys, as SHA-256; the key itself is shown once and never stored."""

    __tablename__ = "api_keys"

    key_hash: str = Field(primary_key=True, max_length=64)
    name: str = Field(sa_column=_text())
    scopes: str = Field(sa_column=_text())
    created_at: int = Field(sa_column=_instant())
    hint: str = Field(sa_column=_text(default="''"))
    expires_at: int | None = Field(sa_column=_instant(nullable=True))
    revoked_at: int | None = Field(sa_column=_instant(nullable=True))
    per_second: int | None = Field(sa_column=Column(Integer, nullable=True))
    burst: int | None = Field(sa_column=Column(Integer, nullable=True))


class AuditRow(SQLModel, table=True):
    """Append-only; each entry carries the hash of the one before it, so none can be changed or left out unseen."""

    __tablename__ = "audit"

    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=_instant())
    actor: str = Field(sa_column=_text())
    action: str = Field(sa_column=_text())
    subject: str = Field(sa_column=_text())
    note: str = Field(sa_column=_text())
    before: str = Field(sa_column=_text(default="''"))
    after: str = Field(sa_column=_text(default="''"))
    previous_hash: str = Field(sa_column=_text(default="''"))
    hash: str = Field(sa_column=_text(default="''"))


class RevisionRow(SQLModel, table=True):
    """Counters that tell running workers what to reload, and the fingerprint of the secret."""

    __tablename__ = "revisions"

    name: str = Field(primary_key=True, max_length=32)
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    value: str = Field(sa_column=_text())


class LeaseRow(SQLModel, table=True):
    """Which worker learns which campaign; see `storage.leases`."""

    __tablename__ = "leases"

    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str = Field(sa_column=_text())
    due_at: int = Field(sa_column=_instant())
    until: int = Field(sa_column=_instant())


class ConsentRow(SQLModel, table=True):
    """Append-only while the person is known: what they agreed to, in which words, and since when."""

    __tablename__ = "consents"
    __table_args__ = (
        Index(
            "ix_consents_refused",
            "name",
            "recipient_key",
            sqlite_where=text("NOT agreed"),
            postgresql_where=text("NOT agreed"),
        ),
    )

    recipient_key: str = Field(primary_key=True, max_length=32)
    name: str = Field(primary_key=True)
    given_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    agreed: bool | None
    words: str | None = Field(sa_column=_text(nullable=True))


class TombstoneRow(SQLModel, table=True):
    """Erased people who said no: one-way hashes that nothing else in the ledger has."""

    __tablename__ = "tombstones"

    tombstone: str = Field(primary_key=True, max_length=32)
    channel: str = Field(primary_key=True)
    at: int = Field(sa_column=_instant())


class BundleRow(SQLModel, table=True):
    """Append-only: what clients were given to decide by themselves, from when on; see `storage.bundles`."""

    __tablename__ = "bundles"

    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    digest: str = Field(sa_column=_text())
    issued_at: int = Field(sa_column=_instant())
    strategy_version: int = Field(sa_column=Column(Integer, nullable=False))
    snapshot: int = Field(sa_column=Column(Integer, nullable=False))
    approved: str = Field(sa_column=_text())
    controls: str = Field(sa_column=_text())
