"""Stored profiles, under a keyed hash of the recipient."""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.storage.rows import portions, table_of, upsert
from optimizer.storage.tables import RecipientRow

_RECIPIENTS = table_of(RecipientRow)


class Recipients:
    """Profiles of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, recipient_key: str, attributes: Attributes, now: Instant) -> None:
        """Replace a profile."""
        statement = upsert(self._connection, RecipientRow)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["recipient_key"],
                set_={name: statement.excluded[name] for name in ("attributes", "updated_at")},
            ),
            {
                "recipient_key": recipient_key,
                "attributes": orjson.dumps(dict(attributes)).decode(),
                "updated_at": now,
            },
        )

    def of(self, recipient_keys: Sequence[str]) -> dict[str, Attributes]:
        """The profiles that exist."""
        found = {}
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(_RECIPIENTS.c.recipient_key, _RECIPIENTS.c.attributes)
            for key, attributes in self._connection.execute(query.where(_RECIPIENTS.c.recipient_key.in_(some))):
                found[key] = orjson.loads(attributes)
        return found
