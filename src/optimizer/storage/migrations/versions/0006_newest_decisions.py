"""Newest decisions: what a contextual fit and a hindsight read, by campaign and time."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_decisions_newest", "decisions", ["campaign_id", "decided_at"])


def downgrade() -> None:
    op.drop_index("ix_decisions_newest", "decisions")
