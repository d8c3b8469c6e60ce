"""The rows of the hot path: commitments in the order of time, and fewer indexes that a new row touches."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_COLUMNS = "decision_id, campaign_id, recipient_key, channel, at, ordinal, most, settled, open, closes_at, withdrawn"


def upgrade() -> None:
    op.drop_index("ix_decisions_recipient", "decisions")
    op.create_index("ix_decisions_recipient", "decisions", ["recipient_key", "decided_at"])
    _rebuild("at", "decision_id", with_rowid=False)
    _create_referee(sa.text("ordinal IS NOT NULL"))


def downgrade() -> None:
    _rebuild("decision_id", with_rowid=True)
    _create_referee(None)
    op.create_index("ix_commitments_recipient", "commitments", ["recipient_key", "at"])
    op.create_index("ix_commitments_at", "commitments", ["at"])
    op.drop_index("ix_decisions_recipient", "decisions")
    op.create_index("ix_decisions_recipient", "decisions", ["recipient_key", "campaign_id"])


def _rebuild(*key: str, with_rowid: bool) -> None:
    """Write the table anew, in the order of its new key; indexes go with the old one."""
    op.rename_table("commitments", "old_commitments")
    if op.get_bind().dialect.name == "postgresql":  # names of constraints are the database's there, not the table's
        op.execute("ALTER TABLE old_commitments RENAME CONSTRAINT commitments_pkey TO old_commitments_pkey")
    op.create_table(
        "commitments",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.String(32), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(*key),
        sqlite_with_rowid=with_rowid,
    )
    op.execute(
        f"INSERT INTO commitments ({_COLUMNS}) SELECT {_COLUMNS} FROM old_commitments "  # noqa: S608  names of ours
        f"ORDER BY {', '.join(key)}"
    )
    op.drop_table("old_commitments")
    open_ones = sa.text("open")
    op.create_index(
        "ix_commitments_open", "commitments", ["closes_at"], sqlite_where=open_ones, postgresql_where=open_ones
    )


def _create_referee(where: sa.TextClause | None) -> None:
    op.create_index(
        "one_contact_at_a_time",
        "commitments",
        ["recipient_key", "ordinal"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
