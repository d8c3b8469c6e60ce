"""Proposals: what the evidence suggests, with its evidence and its exact change, and what people decide about it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from optimizer.deployment import now
from optimizer.domain.proposal_json import digest
from optimizer.domain.proposals import Effect
from optimizer.insights.proposal_words import KINDS, effect_words
from optimizer.services.live import Live
from optimizer.services.proposing import deciding
from optimizer.services.proposing.deciding import Decided
from optimizer.services.proposing.showing import listed, show
from optimizer.storage.store import Ledger
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import Managing, Viewer, Viewing, page, redirect
from optimizer.web.security import TheDesk

LARGEST_NUMBER: Final = 2**31 - 1
_PATH: Final = f"{HOME}/proposals"

router = APIRouter()
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]


@router.get("/proposals")
async def proposals_page(
    request: Request,
    viewer: Viewing,  # noqa: ARG001 - it lets nobody else in
    campaign: Annotated[str | None, Query(max_length=64)] = None,
    before: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)] = None,
) -> Response:
    """What waits for somebody, by campaign; what was decided, below."""
    found = await reading(request, listed, campaign or None, before)
    return await page(
        request,
        "proposals.html.j2",
        as_of=found.as_of,
        shown=found.value,
        campaign=campaign or "",
        kinds=KINDS,
        effects={kept.number: effect_words(kept.proposal.expected) for _, some in found.value.open for kept in some},
        later=before is not None,
    )


@router.get("/proposals/{number}")
async def proposal_page(request: Request, number: Number, viewer: Viewing) -> Response:
    """One proposal, with everything somebody needs who decides about it."""
    found = (await reading(request, show, number)).value
    made = found.kept.proposal
    return await page(
        request,
        "proposal.html.j2",
        viewer=viewer,
        as_of=found.kept.as_of,
        shown=found,
        kept=found.kept,
        made=made,
        kind=KINDS[made.kind],
        seen=digest(made),
        effect=effect_words(made.expected),
        axis=None if made.expected is None else _axis(made.expected),
        lines=found.diff.split("\n")[:-1],
        confidence=_SURE[made.confidence.value],
    )


@router.post("/proposals/{number}/accept")
async def accept_proposal(request: Request, number: Number, viewer: Managing, desk: TheDesk) -> Response:
    """Carry it out, if it still says what the viewer has looked at."""
    done = await desk.change(partial(_accept, number=number, viewer=viewer))
    return redirect(request, f"{_PATH}/{number}", _said(done))


@router.post("/proposals/{number}/reject")
async def reject_proposal(request: Request, number: Number, viewer: Managing, desk: TheDesk) -> Response:
    """Say no, and why."""
    done = await desk.change(partial(_reject, number=number, viewer=viewer))
    return redirect(request, f"{_PATH}/{number}", _said(done))


_SURE: Final = {
    "high": "The interval that holds at every look, for all that was compared, is on the better side.",
    "medium": "The interval that holds at every look is on the better side, for this comparison alone or with outcomes "
    "still awaited.",
    "low": "It points this way, but may be chance.",
}


def _axis(effect: Effect) -> tuple[float, float]:
    """Where the bar begins and ends: zero is on it, with some air."""
    low, high = min(effect.low, 0.0), max(effect.high, 0.0)
    air = 0.08 * (high - low) or 1.0
    return low - air, high + air


def _said(done: Decided) -> str:
    words = [done.sentence, *done.warnings]
    if done.awaiting:
        places = dict.fromkeys(f"{campaign}/{variant.partition(':')[0]}" for campaign, variant in done.awaiting)
        words.insert(1, f"not sent until somebody approves it: {', '.join(places)}")
    said = "; ".join(words)
    return f"{said[0].upper()}{said[1:]}."


def _accept(ledger: Ledger, live: Live, *, number: int, viewer: Viewer) -> Decided:
    form: dict[str, Any] = {"actor": viewer.name, "note": viewer.note, "seen": viewer.form.get("seen", "")}
    return deciding.accept(ledger, live, number, now=now(), **form)


def _reject(ledger: Ledger, _live: Live, *, number: int, viewer: Viewer) -> Decided:
    return deciding.reject(ledger, number, actor=viewer.name, note=viewer.note, now=now())
