"""Tables of the ledger as answers: whole small ones, and a page of a large one with a link to the next.

Apart from its routes, because a worker that exports nothing needs no polars, which takes twenty megabytes.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
import polars as pl
from fastapi import Response

from optimizer.deployment import now
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.table import CARRIED
from optimizer.services.exports.ledger_rows import LeftOut, mapping_of, page_of, schema_of, view_of
from optimizer.services.exports.portions import (
    Place,
    Portion,
    Wanted,
    decisions_portion,
    decisions_wanted,
    outcomes_portion,
    parsed_instant,
)
from optimizer.services.live import Live
from optimizer.services.reports.tabulating import allocation_table, campaigns_table, groups_table, variants_table
from optimizer.storage.store import Ledger
from optimizer.web.routes.export_formats import MEDIA_TYPES, Format

Query = Callable[[Ledger, Live], Response]
Asked = Mapping[str, Any]
"""What a link to the next page repeats: limit, format, and what was asked for."""

_PORTIONS: Final[Mapping[str, Callable[..., Portion]]] = {"decisions": decisions_portion, "outcomes": outcomes_portion}
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{0,64}$")]


class _Cursor(msgspec.Struct, frozen=True):
    """Where a walk has come to: as of when, behind which decision, and how many of how many it has read."""

    as_of: _Whole
    read: _Whole
    total: _Whole
    decision: _Id
    at: _Whole = 0
    campaign: _Id = ""


def campaigns_page(kind: Format) -> Query:
    """Every campaign in force."""
    return lambda ledger, live: _answer(campaigns_table(ledger, live, now()), kind)


def allocation_page(campaign_id: str, points: int, kind: Format) -> Query:
    """How a campaign's shares moved."""
    return lambda ledger, live: _answer(allocation_table(ledger, live, campaign_id, points), kind)


def variants_page(campaign_id: str, kind: Format) -> Query:
    """The variants of a campaign's report."""
    return lambda ledger, live: _answer(variants_table(ledger, live, campaign_id, now()), kind)


def groups_page(campaign_id: str, kind: Format) -> Query:
    """The groups of a campaign's report."""
    return lambda ledger, live: _answer(groups_table(ledger, live, campaign_id, now()), kind)


def walk_page(table: str, asked: Asked, cursor: str | None) -> Query:
    """One page of a walk over the decisions, or over their outcomes.

    Raises:
        InvalidRequest: an end of the period is no time.
    """
    ends = {end: parsed_instant(end, asked[end]) for end in ("since", "until") if end in asked}
    wanted = Wanted(asked.get("campaign"), **ends)

    def read(ledger: Ledger, live: Live) -> Response:
        if cursor is None:
            begun, after = _Cursor(now(), 0, decisions_wanted(ledger, live, wanted), ""), None
        else:
            begun = _decoded(cursor)
            after = Place(begun.campaign, begun.at, begun.decision)
        found = _PORTIONS[table](ledger, live, wanted, begun.as_of, after=after, most=asked["limit"])
        place, so_far = found.place or Place("", 0, ""), begun.read + found.decisions
        reached = _Cursor(begun.as_of, so_far, begun.total, place.decision_id, place.decided_at, place.campaign_id)
        return _answer(found.rows, asked["format"], _headers(table, asked, reached, more=found.place is not None))

    return read


def trials_page(campaign_id: str, asked: Asked, cursor: str | None) -> Query:
    """One page of a campaign's trials, a history that says how it is read."""

    def read(ledger: Ledger, live: Live) -> Response:
        view, counts = view_of(ledger, live, campaign_id, everything=False), LeftOut()
        begun = _decoded(cursor) if cursor else _Cursor(now(), 0, ledger.decisions.count(campaign_id), "")
        rows, after = page_of(ledger, live, view, begun.as_of, begun.decision, asked["limit"], counts)
        reached = _Cursor(begun.as_of, begun.read + counts.decisions, begun.total, after or "")
        headers = _headers(f"trials/{campaign_id}", asked, reached, more=after is not None)
        carried = {CARRIED: mapping_of(view).model_dump_json(exclude_defaults=True)}
        frame = pl.DataFrame(rows, schema=schema_of(view), orient="row")
        return _answer(frame, asked["format"], headers, carried)

    return read


def _headers(path: str, asked: Asked, reached: _Cursor, *, more: bool) -> dict[str, str]:
    headers = {"X-Decisions-Read": str(reached.read), "X-Decisions-Total": str(max(reached.total, reached.read))}
    if more:
        text = urlsafe_b64encode(msgspec.json.encode(reached)).decode().rstrip("=")
        headers["Link"] = f'</v1/export/{path}?{urlencode({**asked, "cursor": text})}>; rel="next"'
    return headers


def _decoded(cursor: str) -> _Cursor:
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=_Cursor)
    except (ValueError, msgspec.MsgspecError):
        allowed = "the one in the link to the next page"
        raise InvalidRequest(RequestFinding("cursor", f"{cursor!r:.60}", allowed)) from None


def _answer(
    frame: pl.DataFrame,
    kind: Format,
    headers: Mapping[str, str] | None = None,
    carried: Mapping[str, str] | None = None,
) -> Response:
    body = BytesIO()
    if kind is Format.PARQUET:
        frame.write_parquet(body, metadata=dict(carried or {}))
    else:
        frame.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")).write_ndjson(body)
    return Response(body.getvalue(), media_type=MEDIA_TYPES[kind], headers=dict(headers or {}))
