"""Choices of people: who chose the variant of a decision that nothing was drawn for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("actor", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("decisions", "actor")
