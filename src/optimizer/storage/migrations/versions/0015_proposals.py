"""What the evidence suggests, and what people decided about it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("strategy_version", sa.Integer(), nullable=False),
        sa.Column("trials", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("became_version", sa.Integer(), nullable=True),
    )
    op.create_index(
        "ix_proposals_open", "proposals", ["fingerprint"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index("ix_proposals_campaign", "proposals", ["campaign_id", "number"])
    op.create_table(
        "proposal_rounds",
        sa.Column("campaign_id", sa.Text(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("strategy_version", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("proposal_rounds")
    op.drop_table("proposals")
