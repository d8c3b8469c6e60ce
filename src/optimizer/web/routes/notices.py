"""Routes about notices: what was told to others, and what could not be."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

from optimizer.deployment import now
from optimizer.domain.instants import Instant
from optimizer.services.keys.api_keys import Scope
from optimizer.services.live import Live
from optimizer.services.notices import announcing
from optimizer.storage.store import Ledger
from optimizer.strategy.fields import ID_PATTERN
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.notice_answers import NoticesOut, RetriedOut, post_json
from optimizer.web.shapes.rendering import json_answer

LARGEST_PAGE = 1_000
MOST_RETRIED = 1_000

router = APIRouter(prefix="/v1/notices", route_class=JsonRoute, responses=PROBLEMS, tags=["notices"])
_may_manage = Depends(requires(Scope.MANAGE))


class RetryIn(BaseModel):
    """Which dead letters to post again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notice_ids: Annotated[
        list[Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{32}$")]], Field(max_length=MOST_RETRIED)
    ] = Field(default_factory=list, description="Notices that were given up.")
    all: StrictBool = Field(default=False, description="Instead of notice_ids: every one.")
    receiver: Annotated[StrictStr, Field(pattern=ID_PATTERN)] | None = Field(
        default=None, description="Only to this receiver.", examples=["ops"]
    )

    @model_validator(mode="after")
    def _names_some(self) -> RetryIn:
        if self.all == bool(self.notice_ids):
            found = "both" if self.all else "neither of them"
            raise ValueError(f"found {found}; allowed either notice_ids, or all: true")
        return self


@router.get("", response_model=NoticesOut, dependencies=[_may_manage])
async def get_notices(
    desk: TheDesk,
    n: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many notices at most.")] = 100,
    state: Annotated[
        Literal["waiting", "delivered", "dead"] | None, Query(description="Only those with such a delivery.")
    ] = None,
) -> Any:
    """What was announced, the newest first, and what became of it at each receiver."""
    return json_answer(post_json(await desk.read(lambda ledger, _live: announcing.post(ledger, n, state))))


@router.post("/retry", response_model=RetriedOut, dependencies=[_may_manage])
async def retry(wish: RetryIn, desk: TheDesk) -> Any:
    """Post dead letters again, from the first attempt on, and wake receivers that rest."""
    change = partial(_retry, ids=None if wish.all else wish.notice_ids, receiver=wish.receiver, at=now())
    return json_answer({"retried": await desk.change(change)})


def _retry(ledger: Ledger, _live: Live, *, ids: list[str] | None, receiver: str | None, at: Instant) -> int:
    return announcing.retry(ledger, ids, receiver, at)
