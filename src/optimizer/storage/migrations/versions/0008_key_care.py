"""Limits, expiry and revocation of API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ADDED = {
    "expires_at": sa.BigInteger(),
    "revoked_at": sa.BigInteger(),
    "per_second": sa.Integer(),
    "burst": sa.Integer(),
}


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("hint", sa.Text(), nullable=False, server_default=sa.text("''")))
    for name, kind in _ADDED.items():
        op.add_column("api_keys", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name in ("hint", *_ADDED):
        op.drop_column("api_keys", name)
