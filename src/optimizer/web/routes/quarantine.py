"""Routes for whoever looks after the quarantine: what waits there and why, and judging it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from optimizer.domain.instants import isoformat
from optimizer.services.keys.api_keys import Scope
from optimizer.services.outcomes.quarantine import Waiting, kept_reports, waiting
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import OutcomesOut
from optimizer.web.shapes.oversight_answers import QuarantineOut
from optimizer.web.shapes.rendering import json_answer, kept_report_json, status_json
from optimizer.web.shapes.requests import MOST_ITEMS, Identifier

LARGEST_PAGE = 1_000

router = APIRouter(prefix="/v1", route_class=JsonRoute, responses=PROBLEMS)
_may_manage = Depends(requires(Scope.MANAGE))


class RetryIn(BaseModel):
    """Which reports to judge again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_ids: Annotated[list[Identifier], Field(max_length=MOST_ITEMS)] = Field(
        default_factory=list, description="Events that wait in quarantine.", examples=[["evt-1"]]
    )
    all: StrictBool = Field(
        default=False, description="Instead of event_ids: every one that waits, or the first 10,000."
    )

    @model_validator(mode="after")
    def _names_some(self) -> RetryIn:
        if self.all == bool(self.event_ids):
            found = "both" if self.all else "neither of them"
            raise ValueError(f"found {found}; allowed either event_ids, or all: true")
        return self


@router.get("/quarantine", response_model=QuarantineOut, dependencies=[_may_manage], tags=["outcomes"])
async def get_quarantine(
    desk: TheDesk, n: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many reports at most.")] = 100
) -> Any:
    """Reports that could not be used, with the reason, those judged last first."""
    count, found = await desk.read(lambda ledger, _live: (ledger.quarantine.count(), waiting(ledger, n)))
    return json_answer({"waiting": count, "reports": [waiting_json(one) for one in found]})


@router.post("/quarantine/retry", response_model=OutcomesOut, dependencies=[_may_manage], tags=["outcomes"])
async def retry(wish: RetryIn, desk: TheDesk) -> Any:
    """Judge kept reports again: after `largest_value` was raised, or once the decision they name is there.

    Those that can be used are recorded and leave the quarantine; the others stay, with the reason of now.
    """
    reports = await desk.read(
        lambda ledger, _live: kept_reports(
            ledger, ledger.quarantine.event_ids()[:MOST_ITEMS] if wish.all else wish.event_ids
        )
    )
    return json_answer({"outcomes": [status_json(one) for one in await desk.record(reports)]})


def waiting_json(one: Waiting) -> dict[str, Any]:
    """See `oversight_answers.WaitingOut`."""
    return {"reason": one.reason, "judged_at": isoformat(one.judged_at), "report": kept_report_json(one.report)}
