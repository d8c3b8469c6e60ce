"""How alike the trials of one recipient were when the evidence was last asked; it is asked anew for that."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("DELETE FROM proposal_rounds")
    op.add_column("proposal_rounds", sa.Column("seen", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("proposal_rounds", sa.Column("design", sa.Double(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("proposal_rounds", "design")
    op.drop_column("proposal_rounds", "seen")
