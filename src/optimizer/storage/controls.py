"""Controls of campaigns, and the list of recipients who get nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final, NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.controls import Controls, Hearing, Status
from optimizer.domain.instants import Instant
from optimizer.storage.rows import Later, Statement, keys_of, table_of, upsert
from optimizer.storage.tables import ControlRow, SuppressionRow

_CONTROLS = table_of(ControlRow)
_SUPPRESSIONS = table_of(SuppressionRow)
_OF = Statement.of("SELECT recipient_key, channel FROM suppressions WHERE recipient_key IN {keys}")

EVERY_CHANNEL: Final = "*"


class CampaignControls:
    """What people and guardrail metrics have decided about campaigns."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, Controls]:
        """The controls of every campaign that has any, by campaign id."""
        rows = self._connection.execute(sa.select(_CONTROLS.c.campaign_id, _CONTROLS.c.body))
        return {campaign_id: _controls(body) for campaign_id, body in rows}

    def put(self, campaign_id: str, controls: Controls) -> None:
        """Replace the controls of a campaign."""
        statement = upsert(self._connection, ControlRow)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["campaign_id"], set_={"body": statement.excluded.body}),
            {"campaign_id": campaign_id, "body": orjson.dumps(asdict(controls)).decode()},
        )


def _controls(body: str) -> Controls:
    kept = orjson.loads(body)
    hearing = kept.get("hearing")
    return Controls(
        **{**kept, "status": Status(kept["status"]), "hearing": None if hearing is None else Hearing(**hearing)}
    )


class Suppression(NamedTuple):
    """A recipient who gets nothing.

    Attributes:
        channel: on this channel, or on any (`EVERY_CHANNEL`).
        source: what put them on the list: an outcome, or a person.
    """

    recipient_key: str
    channel: str
    at: Instant
    source: str


class Suppressions:
    """The suppression list."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, suppressions: Iterable[Suppression]) -> None:
        """Put recipients on the list; whoever is on it stays as they are."""
        rows = [suppression._asdict() for suppression in sorted(set(suppressions))]
        if rows:
            statement = upsert(self._connection, SuppressionRow)
            keys = ["recipient_key", "channel"]
            self._connection.execute(statement.on_conflict_do_nothing(index_elements=keys), rows)

    def of(self, recipient_keys: Sequence[str]) -> dict[str, set[str]]:
        """The channels on which each of these recipients gets nothing; absent when there is none."""
        return self.later_of(recipient_keys)()

    def later_of(self, recipient_keys: Sequence[str]) -> Later[dict[str, set[str]]]:
        """The same, together with what else is asked for."""
        if not recipient_keys:
            return dict
        answer = _OF.ask(self._connection, keys_of(self._connection, set(recipient_keys)))

        def found() -> dict[str, set[str]]:
            channels: dict[str, set[str]] = {}
            for key, channel in answer.fetchall():
                channels.setdefault(key, set()).add(channel)
            return channels

        return found

    def entries(self, recipient_key: str) -> list[Suppression]:
        """Why and since when a recipient is on the list."""
        columns = sa.select(*(_SUPPRESSIONS.c[name] for name in Suppression._fields))
        rows = self._connection.execute(columns.where(_SUPPRESSIONS.c.recipient_key == recipient_key))
        return sorted(Suppression(*row) for row in rows)

    def on(self, channel: str, n: int) -> list[str]:
        """Recipients who get nothing on a channel, in order; at most `n`."""
        here = _SUPPRESSIONS.c.channel.in_((channel, EVERY_CHANNEL))
        query = sa.select(_SUPPRESSIONS.c.recipient_key).where(here).distinct()
        return list(self._connection.execute(query.order_by(_SUPPRESSIONS.c.recipient_key).limit(n)).scalars())

    def remove(self, recipient_key: str, channel: str) -> bool:
        """Take a recipient off the list; whether they were on it."""
        here = sa.and_(_SUPPRESSIONS.c.recipient_key == recipient_key, _SUPPRESSIONS.c.channel == channel)
        gone = self._connection.execute(sa.delete(_SUPPRESSIONS).where(here).returning(_SUPPRESSIONS.c.channel))
        return gone.one_or_none() is not None

    def count(self) -> int:
        """How many entries there are."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(_SUPPRESSIONS)).scalar_one()
