"""What clients were given to decide by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("campaign_id", sa.Text(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("strategy_version", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Text(), nullable=False),
        sa.Column("controls", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("bundles")
