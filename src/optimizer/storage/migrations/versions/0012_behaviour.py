"""What recipients did, for attributes that follow from it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "behaviour",
        sa.Column("event_id", sa.Text(), primary_key=True),
        sa.Column("recipient_key", sa.String(32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.String(32), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("reverses", sa.Text(), nullable=True),
        sa.Column("machine", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_behaviour_recipient", "behaviour", ["recipient_key", "kind", "occurred_at"])
    op.create_index("ix_behaviour_occurred", "behaviour", ["occurred_at"])


def downgrade() -> None:
    op.drop_table("behaviour")
