"""Privacy: the history of consents, and tombstones of erased people who said no."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("recipient_key", sa.String(32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("recipient_key", "name", "given_at"),
    )
    op.create_table(
        "tombstones",
        sa.Column("tombstone", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tombstone", "channel"),
    )


def downgrade() -> None:
    op.drop_table("tombstones")
    op.drop_table("consents")
