"""Every decision of a campaign, and why each came out as it did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response

from optimizer.deployment import now
from optimizer.domain.reasons import Group
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.insights.decision_words import GROUPS, reason_words, step_words
from optimizer.insights.ranking_words import RULES, reward_unit
from optimizer.services.decisions.explaining import Explanation, explain, find_decision
from optimizer.services.decisions.paging import MOST_LOOKED_AT, Log, day_of, decision_log, decisions_about
from optimizer.services.live import Live
from optimizer.services.recipients.looking_up import note_look_up
from optimizer.storage.decision_log import Place, Wanted
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import Variant
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import Asking, Viewing, page, redirect
from optimizer.web.security import TheDesk
from optimizer.web.shapes.requests import IDENTIFIER_PATTERN

router = APIRouter()
CampaignId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
DecisionId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN)]

_NONE: Final = "-"  # in a filter: those without one; no id begins with it
_PLACE = re.compile(r"(-?\d{1,19})\.([0-9a-f]{1,32})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the [0, 1) bar that the draw fell on.

    Attributes:
        number: of the variant's badge; None for what was withheld.
        start, share: in [0, 1).
    """

    name: str
    number: int | None
    start: float
    share: float


@dataclass(frozen=True, slots=True)
class Told:
    """A decision as its page tells it."""

    found: Explanation
    variant: Variant | None
    numbers: dict[str, int]
    unit: str
    objective: str
    slices: tuple[Slice, ...]


@router.get("/campaigns/{campaign_id}/decisions")
async def log_page(
    request: Request,
    viewer: Viewing,
    campaign_id: CampaignId,
    segment: str = "",
    variant: str = "",
    group: str = "",
    day: str = "",
    after: str = "",
) -> Response:
    """What was decided, newest first."""
    filters = {"segment": segment, "variant": variant, "group": group, "day": day}
    wanted = Wanted(_sought(segment), _sought(variant), _group(group))
    place = _place(after)
    chosen = _day(day)
    if chosen is not None:
        zone = await _zone(request)
        since, until = day_of(zone, chosen)
        wanted = wanted._replace(since=since, until=until)
    found = await reading(request, decision_log, campaign_id, wanted, place)
    log: Log = found.value
    here = f"{HOME}/campaigns/{campaign_id}/decisions"
    return await page(
        request,
        "decision_log.html.j2",
        as_of=found.as_of,
        viewer=viewer,
        log=log,
        filters=filters,
        filtered=any(filters.values()),
        sieves=wanted.sieves,
        most=MOST_LOOKED_AT,
        segments=[*((one, one) for one in log.segments), (_NONE, "outside every segment")],
        variants=[*((one, one) for one in log.variants), (_NONE, "nothing was sent")],
        groups=[(one.value, one.value.replace("_", " ")) for one in Group],
        reason=reason_words,
        newest=_url(here, filters) if after else None,
        older=None if log.reached is None else _url(here, {**filters, "after": f"{log.reached[0]}.{log.reached[1]}"}),
    )


@router.get("/decisions")
async def look_up_page(request: Request, viewer: Viewing) -> Response:
    """Two forms: for the id of a decision, and for that of a recipient."""
    return await page(request, "decisions.html.j2", viewer=viewer, recipient=None, lines=(), reason=reason_words)


@router.post("/decisions")
async def look_up(request: Request, viewer: Asking, desk: TheDesk) -> Response:
    """The decision with an id, or all about one recipient; that somebody looked is audited before it is shown."""
    decision_id, recipient = (viewer.form.get(name, "").strip() for name in ("decision_id", "recipient"))
    if decision_id:
        await desk.read(lambda ledger, _live: find_decision(ledger, decision_id))
        return redirect(request, f"{HOME}/decisions/{decision_id}", "")
    if not recipient:
        raise InvalidRequest(RequestFinding("/decision_id", "nothing", "the id of a decision, or that of a recipient"))
    await desk.change(
        lambda ledger, _live: note_look_up(ledger, recipient, actor=viewer.name, note=viewer.note, now=now())
    )
    lines = await desk.read(lambda ledger, live: decisions_about(ledger, live, recipient))
    return await page(
        request, "decisions.html.j2", viewer=viewer, recipient=recipient, lines=lines, reason=reason_words
    )


@router.get("/decisions/{decision_id}")
async def decision_page(request: Request, viewer: Viewing, decision_id: DecisionId, desk: TheDesk) -> Response:
    """Why one decision came out as it did, step by step."""
    told = await desk.read(lambda ledger, live: _told(ledger, live, decision_id))
    return await page(
        request,
        "decision.html.j2",
        viewer=viewer,
        told=told,
        found=told.found,
        decision=told.found.decision,
        group=GROUPS[told.found.decision.group],
        because=reason_words(told.found.decision.reason),
        rules=RULES,
        step_words=step_words,
    )


def badge_numbers(variant_ids: Sequence[str], control: str | None) -> dict[str, int]:
    """The number each variant is known by on every page: 0 for control, else 1, 2, … in the order of the documents."""
    others = [variant_id for variant_id in variant_ids if variant_id != control]
    return {variant_id: others.index(variant_id) + 1 if variant_id in others else 0 for variant_id in variant_ids}


def _told(ledger: Ledger, live: Live, decision_id: str) -> Told:
    found = explain(ledger, live, decision_id)
    decision = found.decision
    tactic = live.edition(ledger, decision.strategy_version)[decision.campaign_id]
    loaded = live.at(ledger)
    # Numbers are those of the documents in force, as on every page; what they have no more comes after.
    in_force = loaded.tactics.get(decision.campaign_id, tactic)
    control = None if in_force.control is None else in_force.variant_ids[in_force.control]
    numbers = badge_numbers(list(dict.fromkeys((*in_force.variant_ids, *tactic.variant_ids))), control)
    numbers = {variant_id: numbers[variant_id] for variant_id in tactic.variant_ids}
    drawn = decision.snapshot_id is not None and found.steps
    return Told(
        found,
        live.variant(ledger, decision),
        numbers,
        reward_unit(tactic.reward_rule, loaded.currency),
        tactic.campaign.serves,
        _slices(found, numbers) if drawn else (),
    )


def _slices(found: Explanation, numbers: dict[str, int]) -> tuple[Slice, ...]:
    """What the draw was made from: the shares after the last step, one after another."""
    made, start = [], 0.0
    last = found.steps[-1]
    for name, share in (*last.shares.items(), ("withheld", last.withheld)):
        if share > 0.0:
            made.append(Slice(name, numbers.get(name), start, share))
        start += share
    return tuple(made)


async def _zone(request: Request) -> ZoneInfo:
    found: ZoneInfo = (await reading(request, strategy_zone)).value
    return found


def strategy_zone(ledger: Ledger, live: Live, _now: int) -> ZoneInfo:
    """Where the strategy's days begin; UTC while there is none."""
    workspace = live.at(ledger).workspace
    return ZoneInfo("UTC") if workspace is None else workspace.strategy.time_zone


def _sought(text: str) -> str | None:
    return {"": None, _NONE: ""}.get(text, text)


def _group(text: str) -> Group | None:
    if not text:
        return None
    if text not in set(Group):
        raise InvalidRequest(RequestFinding("/group", f"{text!r:.60}", ", ".join(Group)))
    return Group(text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidRequest(RequestFinding("/day", f"{text!r:.60}", "a day such as 2026-12-01")) from None


def _place(text: str) -> Place | None:
    if not text:
        return None
    match = _PLACE.match(text)
    if match is None:
        raise InvalidRequest(RequestFinding("/after", f"{text!r:.60}", "where a page of this list has ended"))
    return int(match[1]), match[2]


def _url(path: str, query: dict[str, str]) -> str:
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path
