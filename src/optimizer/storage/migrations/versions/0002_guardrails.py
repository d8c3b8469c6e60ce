"""Guardrails: commitments, meters, suppressions, controls, and an audit trail that is a chain of hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("recipient_key", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_key", "channel"),
    )
    op.create_table(
        "commitments",
        sa.Column("decision_id", sa.String(32), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("one_contact_at_a_time", "commitments", ["recipient_key", "ordinal"], unique=True)
    op.create_index("ix_commitments_recipient", "commitments", ["recipient_key", "at"])
    op.create_index("ix_commitments_at", "commitments", ["at"])
    op.create_index(
        "ix_commitments_open",
        "commitments",
        ["closes_at"],
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )
    op.create_table(
        "meters",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("sends", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("reserved >= 0 AND settled >= 0 AND sends >= 0", name="nothing_below_zero"),
        sa.PrimaryKeyConstraint("scope", "period"),
    )
    op.create_table(
        "controls",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id"),
    )
    op.add_column("decisions", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("decisions", sa.Column("consent", sa.Boolean(), nullable=True))
    op.add_column("decisions", sa.Column("rollout_share", sa.Double(), nullable=False, server_default="1"))
    op.add_column("recipients", sa.Column("consent", sa.Text(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("recipients", sa.Column("time_zone", sa.Text(), nullable=True))
    # Entries from before the chain have no hash of their own; the first link carries an empty one.
    for name in ("before", "after", "previous_hash", "hash"):
        op.add_column("audit", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    for name in ("before", "after", "previous_hash", "hash"):
        op.drop_column("audit", name)
    op.drop_column("recipients", "time_zone")
    op.drop_column("recipients", "consent")
    op.drop_column("decisions", "rollout_share")
    op.drop_column("decisions", "consent")
    op.drop_column("decisions", "time_zone")
    op.drop_table("controls")
    op.drop_table("meters")
    op.drop_index("ix_commitments_open", table_name="commitments")
    op.drop_index("ix_commitments_at", table_name="commitments")
    op.drop_index("ix_commitments_recipient", table_name="commitments")
    op.drop_index("one_contact_at_a_time", table_name="commitments")
    op.drop_table("commitments")
    op.drop_table("suppressions")
