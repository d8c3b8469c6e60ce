"""Stored profiles, under a keyed hash of the recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import sqlalchemy as sa

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.storage.rows import portions, table_of, upsert
from optimizer.storage.tables import RecipientRow

_RECIPIENTS = table_of(RecipientRow)
_KEPT = ("attributes", "consent", "time_zone", "updated_at")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept of a recipient.

    Attributes:
        attributes: declared attributes.
        consent: by channel, whether the recipient agreed; absent where nobody has said.
        time_zone: IANA name; None when unknown.
    """

    attributes: Attributes = field(default_factory=dict)
    consent: Mapping[str, bool] = field(default_factory=dict)
    time_zone: str | None = None


UNKNOWN = Profile()


class Recipients:
    """Profiles of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, recipient_key: str, profile: Profile, now: Instant) -> None:
        """Replace a profile."""
        statement = upsert(self._connection, RecipientRow)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["recipient_key"], set_={name: statement.excluded[name] for name in _KEPT}
            ),
            {
                "recipient_key": recipient_key,
                "attributes": orjson.dumps(dict(profile.attributes)).decode(),
                "consent": orjson.dumps(dict(profile.consent)).decode(),
                "time_zone": profile.time_zone,
                "updated_at": now,
            },
        )

    def of(self, recipient_keys: Sequence[str]) -> dict[str, Profile]:
        """The profiles that exist."""
        found = {}
        for some in portions(sorted(set(recipient_keys))):
            query = sa.select(_RECIPIENTS).where(_RECIPIENTS.c.recipient_key.in_(some))
            for row in self._connection.execute(query):
                profile = Profile(orjson.loads(row.attributes), orjson.loads(row.consent), row.time_zone)
                found[row.recipient_key] = profile
        return found
