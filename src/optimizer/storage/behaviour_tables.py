"""The table of what recipients did; see `tables` for what holds of all of them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Text
from sqlmodel import Field, SQLModel


class BehaviourRow(SQLModel, table=True):
    """What a recipient did that some attribute follows from; see `domain.happenings`."""

    __tablename__ = "behaviour"
    __table_args__ = (
        Index("ix_behaviour_recipient", "recipient_key", "kind", "occurred_at"),
        Index("ix_behaviour_occurred", "occurred_at"),
    )

    event_id: str = Field(sa_column=Column(Text, primary_key=True))
    recipient_key: str = Field(max_length=32)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    occurred_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    received_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    value: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    properties: str | None = Field(sa_column=Column(Text, nullable=True))
    decision_id: str | None = Field(max_length=32)
    decided_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    reverses: str | None = Field(sa_column=Column(Text, nullable=True))
    machine: bool = Field(sa_column=Column(Boolean, nullable=False))
