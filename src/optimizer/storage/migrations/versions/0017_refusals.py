"""Who said no to a channel is found without reading what everybody else said."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    refused = sa.text("NOT agreed")
    columns = ["name", "recipient_key"]
    op.create_index("ix_consents_refused", "consents", columns, sqlite_where=refused, postgresql_where=refused)


def downgrade() -> None:
    op.drop_index("ix_consents_refused", "consents")
