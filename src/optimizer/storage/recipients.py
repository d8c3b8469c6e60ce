"""Stored profiles, under a keyed hash of the recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import sqlalchemy as sa

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.domain.sayings import API, Said, Saying
from optimizer.storage.rows import Later, Statement, is_sqlite, keys_of, portions, table_of, upsert
from optimizer.storage.tables import RecipientRow

_COLUMNS = "recipient_key, attributes, consent, time_zone"
_OF = Statement.of("SELECT {columns} FROM recipients WHERE recipient_key IN {keys}", columns=_COLUMNS)
_WITH_SAYINGS = Statement.of(
    "SELECT {columns}, said, updated_at FROM recipients WHERE recipient_key IN {keys}", columns=_COLUMNS
)
_KEPT = ("attributes", "consent", "time_zone", "said", "updated_at")
_TABLE = table_of(RecipientRow)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept of a recipient.

    Attributes:
        attributes: declared attributes, as was believed when the profile was written.
        consent: by channel, whether the recipient agreed; absent where nobody has said.
        time_zone: IANA name; None when unknown.
        said: which source said what of the attributes; empty unless it was asked for.
    """

    attributes: Attributes = field(default_factory=dict)
    consent: Mapping[str, bool] = field(default_factory=dict)
    time_zone: str | None = None
    said: Said = field(default_factory=dict)


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
                "said": _written(profile.said),
                "updated_at": now,
            },
        )

    def of(self, recipient_keys: Sequence[str]) -> dict[str, Profile]:
        """The profiles that exist, without what each source said."""
        return self.later_of(recipient_keys)()

    def later_of(self, recipient_keys: Sequence[str]) -> Later[dict[str, Profile]]:
        """The same, together with what else is asked for."""
        if not recipient_keys:
            return dict
        answer = _OF.ask(self._connection, keys_of(self._connection, set(recipient_keys)))
        return lambda: {
            key: Profile(orjson.loads(attributes), orjson.loads(consent), zone)
            for key, attributes, consent, zone in answer.fetchall()
        }

    def any(self) -> bool:
        """Whether anything is stored of anybody."""
        return self._connection.execute(sa.select(_TABLE.c.recipient_key).limit(1)).one_or_none() is not None

    def with_sayings(self, recipient_keys: Sequence[str]) -> dict[str, Profile]:
        """The profiles that exist, with what each source said."""
        return self.later_with_sayings(recipient_keys)()

    def later_with_sayings(self, recipient_keys: Sequence[str]) -> Later[dict[str, Profile]]:
        """The same, together with what else is asked for."""
        if not recipient_keys:
            return dict
        answer = _WITH_SAYINGS.ask(self._connection, keys_of(self._connection, set(recipient_keys)))

        def found() -> dict[str, Profile]:
            profiles = {}
            for key, attributes, consent, zone, said, updated_at in answer.fetchall():
                known = orjson.loads(attributes)
                sayings = _read(said) or _said_at_once(known, updated_at)
                profiles[key] = Profile(known, orjson.loads(consent), zone, sayings)
            return profiles

        return found

    def hold(self, recipient_keys: Sequence[str], now: Instant) -> dict[str, Profile]:
        """As `with_sayings`, and nobody else writes these profiles until the end; absent ones are begun.

        Whoever changes a part of a profile has to see what others have just written. SQLite has one writer anyway.
        """
        keys = sorted(set(recipient_keys))
        if not is_sqlite(self._connection):
            beginning = upsert(self._connection, RecipientRow).on_conflict_do_nothing(index_elements=["recipient_key"])
            for some in portions(keys):
                rows = [{"recipient_key": key, "attributes": "{}", "updated_at": now} for key in some]
                self._connection.execute(beginning, rows)
                lock = sa.select(_TABLE.c.recipient_key).where(_TABLE.c.recipient_key.in_(some))
                self._connection.execute(lock.order_by(_TABLE.c.recipient_key).with_for_update())
        found = self.with_sayings(keys)
        return {key: found.get(key, UNKNOWN) for key in keys}


def _written(said: Said) -> str:
    return orjson.dumps({name: {source: [*one] for source, one in by.items()} for name, by in said.items()}).decode()


def _read(text: str) -> dict[str, dict[str, Saying]]:
    said = orjson.loads(text)
    return {name: {source: Saying(*one) for source, one in by.items()} for name, by in said.items()}


def _said_at_once(attributes: Attributes, at: Instant) -> dict[str, dict[str, Saying]]:
    """What a profile says that was written before anybody kept who said what."""
    return {name: {API: Saying(value, at)} for name, value in attributes.items()}
