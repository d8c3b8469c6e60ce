"""Routes for proposals: what the evidence suggests, and what people decide about it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from optimizer.deployment import now
from optimizer.domain.proposals import ProposalState
from optimizer.services.auditing import LONGEST_NOTE
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live
from optimizer.services.proposing import deciding
from optimizer.services.proposing.deciding import Decided
from optimizer.services.proposing.showing import show
from optimizer.storage.store import Ledger
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.proposal_answers import (
    DecidedOut,
    ProposalsOut,
    ShownOut,
    decided_json,
    proposals_json,
    shown_json,
)
from optimizer.web.shapes.rendering import json_answer

LARGEST_PAGE = 200
LARGEST_NUMBER = 2**31 - 1

router = APIRouter(prefix="/v1", route_class=JsonRoute, responses=PROBLEMS, tags=["proposals"])
_may_look = Depends(requires(Scope.ANALYSE, Scope.MANAGE))
Person = Annotated[Caller, Depends(requires(Scope.MANAGE))]
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Number of a proposal.")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    note: StrictStr = Field(
        description="Why; kept in the audit trail. Text without control characters.",
        examples=["as we had hoped"],
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_NOTE},  # `noted` says it in our words
    )


class RejectIn(_In):
    """Why not."""


class AcceptIn(_In):
    """Why, and what was looked at."""

    seen: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        default=None,
        description="`seen` of the proposal you have looked at: nothing is done if it says something else by now.",
    )


@router.get("/proposals", response_model=ProposalsOut, dependencies=[_may_look])
async def get_proposals(
    desk: TheDesk,
    campaign: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Only those about this campaign.")
    ] = None,
    state: Annotated[ProposalState | None, Query(description="Only those in this state.")] = None,
    n: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many at most.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="Only those with a smaller number: the next page.")
    ] = None,
) -> Any:
    """What the evidence suggests, and what people have decided about it, newest first."""
    states = [] if state is None else [state]
    found = await desk.read(
        lambda ledger, _live: ledger.proposals.newest(n + 1, campaign_id=campaign, states=states, before=before)
    )
    return json_answer(proposals_json(found, n))


@router.get("/proposals/{number}", response_model=ShownOut, dependencies=[_may_look])
async def get_proposal(number: Number, desk: TheDesk) -> Any:
    """One proposal, with what it would change in the documents in force."""
    return json_answer(shown_json(await desk.read(lambda ledger, live: show(ledger, live, number))))


@router.post("/proposals/{number}/accept", response_model=DecidedOut)
async def accept(number: Number, wish: AcceptIn, desk: TheDesk, person: Person) -> Any:
    """Carry a proposal out: as a new version of the documents, or as a step of the rollout."""
    change = partial(_accept, number=number, wish=wish, person=person)
    return json_answer(decided_json(await desk.change(change)))


@router.post("/proposals/{number}/reject", response_model=DecidedOut)
async def reject(number: Number, wish: RejectIn, desk: TheDesk, person: Person) -> Any:
    """Say no; the same proposal is not made again for the same evidence."""
    change = partial(_reject, number=number, wish=wish, person=person)
    return json_answer(decided_json(await desk.change(change)))


def _accept(ledger: Ledger, live: Live, *, number: int, wish: AcceptIn, person: Caller) -> Decided:
    return deciding.accept(ledger, live, number, actor=person.name, note=wish.note, now=now(), seen=wish.seen)


def _reject(ledger: Ledger, _live: Live, *, number: int, wish: RejectIn, person: Caller) -> Decided:
    return deciding.reject(ledger, number, actor=person.name, note=wish.note, now=now())
