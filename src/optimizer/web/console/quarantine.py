"""Reports that could not be used, and judging them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from optimizer.domain.outcome import Receipt
from optimizer.errors import InvalidRequest, OptimizerError, RequestFinding
from optimizer.insights.quarantine_words import cause
from optimizer.services.live import Live
from optimizer.services.outcomes.quarantine import MOST_LOOKED_AT, kept_reports, piles, waiting
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.storage.store import Ledger
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import Managing, Viewing, page, redirect
from optimizer.web.security import TheDesk

router = APIRouter()
_PATH = f"{HOME}/quarantine"
_WORDS = {
    Receipt.ACCEPTED: "recorded",
    Receipt.LATE: "recorded, too late to count",
    Receipt.DUPLICATE: "recorded before",
    Receipt.UNKNOWN: "still without a decision",
    Receipt.REJECTED: "still not usable",
}


@router.get("/quarantine")
async def quarantine_page(request: Request, viewer: Viewing) -> Response:
    """What waits, by what is wrong with it."""
    found = await reading(request, piles)
    return await page(request, "quarantine.html.j2", as_of=found.as_of, viewer=viewer, shown=found.value)


@router.post("/quarantine/retry")
async def judge_again(request: Request, viewer: Managing, desk: TheDesk) -> Response:
    """Judge reports once more: one, those of one cause, or all."""
    event_id, why, everything = (viewer.form.get(name, "") for name in ("event_id", "cause", "all"))
    if [bool(event_id), bool(why), bool(everything)].count(True) != 1:
        allowed = "one report, one cause, or all of them"
        raise InvalidRequest(RequestFinding("/event_id", "none of them, or several", allowed))

    def chosen(ledger: Ledger, _live: Live) -> list[OutcomeReport]:
        if event_id:
            return kept_reports(ledger, [event_id])
        return [one.report for one in waiting(ledger, MOST_LOOKED_AT) if everything or cause(one.reason).id == why]

    reports = await desk.read(chosen)
    return redirect(request, _PATH, _said(await desk.record(reports)))


def _said(results: Sequence[Recorded | OptimizerError]) -> str:
    """What became of reports that were judged again, in one sentence."""
    counts = Counter("failed; try again" if isinstance(one, OptimizerError) else _WORDS[one.status] for one in results)
    said = ", ".join(f"{n:,} {words}" for words, n in counts.most_common())
    reports = "1 report" if len(results) == 1 else f"{len(results):,} reports"
    return f"{reports} judged again: {said}." if said else "Nothing waits that could be judged again."
