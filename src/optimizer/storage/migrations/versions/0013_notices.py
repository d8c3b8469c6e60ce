"""What is to be told to others, and whom it has reached; and which recipients are in which segments."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_UNADDRESSED = sa.text("NOT addressed")
_WAITING = sa.text("state = 'waiting'")
_RECHECKED = sa.text("recheck_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("addressed", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_notices_at", "notices", ["at", "notice_id"])
    op.create_index(
        "ix_notices_unaddressed", "notices", ["at"], sqlite_where=_UNADDRESSED, postgresql_where=_UNADDRESSED
    )
    op.create_table(
        "notice_recipients",
        sa.Column("notice_id", sa.String(32), primary_key=True),
        sa.Column("recipient_key", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_notice_recipients_recipient", "notice_recipients", ["recipient_key"])
    op.create_table(
        "deliveries",
        sa.Column("notice_id", sa.String(32), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("notice_id", "receiver"),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["receiver", "at", "notice_id"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "receiver"])
    op.create_table(
        "receivers",
        sa.Column("receiver", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests_until", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "memberships",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.String(32), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("recheck_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "recipient_key"),
    )
    op.create_index("ix_memberships_recipient", "memberships", ["recipient_key"])
    op.create_index(
        "ix_memberships_recheck", "memberships", ["recheck_at"], sqlite_where=_RECHECKED, postgresql_where=_RECHECKED
    )


def downgrade() -> None:
    for table in ("memberships", "receivers", "deliveries", "notice_recipients", "notices"):
        op.drop_table(table)
