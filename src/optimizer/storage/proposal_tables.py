"""The tables of proposals; the others are in `tables.py`."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

_OPEN = text("state = 'open'")


def _text(*, nullable: bool = False) -> Column[str]:
    return Column(Text, nullable=nullable)


def _instant(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class ProposalRow(SQLModel, table=True):
    """What was proposed, and what became of it; of the same proposal at most one waits for somebody."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index("ix_proposals_open", "fingerprint", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_proposals_campaign", "campaign_id", "number"),
    )

    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    fingerprint: str = Field(max_length=16)
    campaign_id: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    made_at: int = Field(sa_column=_instant())
    as_of: int = Field(sa_column=_instant())
    strategy_version: int = Field(sa_column=Column(Integer, nullable=False))
    trials: int = Field(sa_column=_instant())
    body: str = Field(sa_column=_text())
    decided_by: str | None = Field(sa_column=_text(nullable=True))
    decided_at: int | None = Field(sa_column=_instant(nullable=True))
    note: str | None = Field(sa_column=_text(nullable=True))
    became_version: int | None = Field(sa_column=Column(Integer, nullable=True))


class ProposalRoundRow(SQLModel, table=True):
    """When the evidence of a campaign was last asked, from which documents, and how alike its trials were."""

    __tablename__ = "proposal_rounds"

    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    at: int = Field(sa_column=_instant())
    strategy_version: int = Field(sa_column=Column(Integer, nullable=False))
    seen: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    design: float = Field(sa_column=Column(Double, nullable=False, server_default="1"))
