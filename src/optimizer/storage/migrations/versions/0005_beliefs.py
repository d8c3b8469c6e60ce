"""Beliefs: a snapshot keeps what its model believes under the model's name, where it kept two Beta parameters."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SNAPSHOTS = sa.table("snapshots", sa.column("campaign_id"), sa.column("number"), sa.column("body", sa.LargeBinary))


def upgrade() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_SNAPSHOTS)).all():
        body = json.loads(row.body)
        if "belief" not in body:
            rewritten = json.dumps(_with_belief(body)).encode()
            here = sa.and_(_SNAPSHOTS.c.campaign_id == row.campaign_id, _SNAPSHOTS.c.number == row.number)
            connection.execute(sa.update(_SNAPSHOTS).where(here).values(body=rewritten))


def _with_belief(body: dict[str, Any]) -> dict[str, Any]:
    alpha, beta, penalty = body.pop("alpha"), body.pop("beta"), body.pop("penalty", 0.0)
    shape = [len(body["segment_ids"]), len(body["variant_ids"])]
    by_cell = {
        name: {"shape": shape, "values": [value for row in rows for value in row]}
        for name, rows in (("alpha", alpha), ("beta", beta))
    }
    arrays = by_cell | {"penalty": {"shape": [], "values": [penalty]}}
    return body | {"belief": {"model": "beta_bernoulli", "arrays": arrays}}


def downgrade() -> None:
    """Nothing: an older release cannot read other models' beliefs, so there is no way back for the data."""
