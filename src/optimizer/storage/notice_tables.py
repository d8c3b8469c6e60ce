"""The tables of what others are told; see `tables` for what holds of all of them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Text, text
from sqlmodel import Field, SQLModel


def _text(*, nullable: bool = False) -> Column[str]:
    return Column(Text, nullable=nullable)


def _instant(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


_UNADDRESSED, _WAITING, _RECHECKED = text("NOT addressed"), text("state = 'waiting'"), text("recheck_at IS NOT NULL")


class NoticeRow(SQLModel, table=True):
    """What is to be told; the id is a hash of what happened, so that nothing is announced twice."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_at", "at", "notice_id"),
        Index("ix_notices_unaddressed", "at", sqlite_where=_UNADDRESSED, postgresql_where=_UNADDRESSED),
    )

    notice_id: str = Field(primary_key=True, max_length=32)
    kind: str = Field(sa_column=_text())
    campaign_id: str | None = Field(sa_column=_text(nullable=True))
    data: str = Field(sa_column=_text())
    at: int = Field(sa_column=_instant())
    once: bool = Field(sa_column=Column(Boolean, nullable=False))
    addressed: bool = Field(sa_column=Column(Boolean, nullable=False))


class NoticeRecipientRow(SQLModel, table=True):
    """Whom a notice is about, under seal; it goes as soon as everybody has been told."""

    __tablename__ = "notice_recipients"
    __table_args__ = (Index("ix_notice_recipients_recipient", "recipient_key"),)

    notice_id: str = Field(primary_key=True, max_length=32)
    recipient_key: str = Field(max_length=32)
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DeliveryRow(SQLModel, table=True):
    """One notice on its way to one receiver."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "ix_deliveries_waiting",
            "receiver",
            "at",
            "notice_id",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index("ix_deliveries_state", "state", "receiver"),
    )

    notice_id: str = Field(primary_key=True, max_length=32)
    receiver: str = Field(sa_column=Column(Text, primary_key=True))
    at: int = Field(sa_column=_instant())
    state: str = Field(sa_column=_text())
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    due_at: int = Field(sa_column=_instant())
    finished_at: int | None = Field(sa_column=_instant(nullable=True))
    trouble: str | None = Field(sa_column=_text(nullable=True))


class ReceiverRow(SQLModel, table=True):
    """Which worker posts to a receiver, and until when nobody does because it cannot be reached."""

    __tablename__ = "receivers"

    receiver: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str = Field(sa_column=_text())
    until: int = Field(sa_column=_instant())
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    rests_until: int = Field(sa_column=_instant())


class MembershipRow(SQLModel, table=True):
    """Which segment of a campaign that announces them a recipient is in, and who that is, under seal."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("ix_memberships_recipient", "recipient_key"),
        Index("ix_memberships_recheck", "recheck_at", sqlite_where=_RECHECKED, postgresql_where=_RECHECKED),
    )

    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    recipient_key: str = Field(primary_key=True, max_length=32)
    segment_id: str | None = Field(sa_column=_text(nullable=True))
    since: int = Field(sa_column=_instant())
    recheck_at: int | None = Field(sa_column=_instant(nullable=True))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
