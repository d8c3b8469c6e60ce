"""Overview: every campaign in one line, and what needs people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from optimizer.services.oversight.needs import Need, NeedKind, needs
from optimizer.services.reports.overviewing import Lift, Spend, lifts, overview
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page
from optimizer.web.console.templating import difference_number, difference_text, money_text

router = APIRouter()

MOST_NEEDS: Final = 8  # that stand open above the campaigns


class OneClick(NamedTuple):
    """The form that answers a need, and the page that says more about it.

    Attributes:
        verb: empty where a page has to be read first.
        hidden: fields of the form.
    """

    look: str
    verb: str = ""
    wish: str = ""
    hidden: Mapping[str, str] = {}


_VERBS: Final = {
    NeedKind.APPROVAL: ("Approve", "approve", "message"),
    NeedKind.REVIEW: ("Sign the review", "review", ""),
    NeedKind.ALARM: ("Answer", "acknowledge", ""),
    NeedKind.PAUSED_MESSAGE: ("Sign the review", "review", ""),
    NeedKind.HELD_ROLLOUT: ("Release", "release", ""),
    NeedKind.NEXT_STAGE: ("Say yes", "advance", "stage"),
}


@router.get("")
@router.get("/")
async def overview_page(request: Request, viewer: Viewing) -> Response:
    """Every campaign in one line, and what waits for somebody."""
    stands = await reading(request, overview)
    waiting = await reading(request, needs)
    lifted = await slow_reading(request, lifts)
    added: Mapping[str, Lift] = {} if lifted is None else lifted.value
    axes = _axes(added.values())
    first = _first(waiting.value.found)
    then = [(need, _one_click(need)) for need in waiting.value.found if need not in first]
    return await page(
        request,
        "overview.html.j2",
        as_of=stands.as_of,
        strategy=stands.value.strategy,
        currency=stands.value.currency,
        campaigns=stands.value.campaigns,
        lifts={name: _lift(one, axes[one.unit]) for name, one in added.items()},
        lifts_as_of=None if lifted is None else lifted.as_of,
        spend_words={one.campaign_id: _spend_words(one.spend, stands.value.currency) for one in stands.value.campaigns},
        needs=waiting.value.found,
        needs_first=[(need, _one_click(need)) for need in first],
        needs_then=then,
        needs_open=any(viewer.words_for(click.wish, click.hidden) for _, click in then),  # what was refused is seen
    )


def _first(found: Sequence[Need]) -> list[Need]:
    """What is read before the campaigns: all that is urgent, and the oldest of the others while there is room."""
    if len(found) <= MOST_NEEDS + 1:  # nobody opens a list to find one line in it
        return list(found)
    room = max(0, MOST_NEEDS - sum(need.urgent for need in found))
    oldest = [need for need in found if not need.urgent][:room]
    return [need for need in found if need.urgent or need in oldest]


def _axes(found: Iterable[Lift]) -> dict[str, tuple[float, float]]:
    """One axis for all lifts of a unit: from the lowest end to the highest, zero included, with some air."""
    ends: dict[str, list[float]] = {}
    for lift in found:
        ends.setdefault(lift.unit, [0.0]).extend(end for end in (lift.low, lift.value, lift.high) if end is not None)
    return {unit: (min(some) - _air(some), max(some) + _air(some)) for unit, some in ends.items()}


def _air(ends: list[float]) -> float:
    return 0.05 * (max(ends) - min(ends)) or 0.01


def _lift(lift: Lift, axis: tuple[float, float]) -> dict[str, Any]:
    """A lift as its cell shows it."""
    low, high = lift.low, lift.high
    known = low is not None and high is not None
    return {
        "lift": lift,
        "axis": axis,
        "value": difference_text(lift.value, lift.unit),
        "ends": " to ".join(difference_number(end, lift.unit, lift.value) for end in (low, high)) if known else "",
        "clear": low is not None and high is not None and (low > 0.0 or high < 0.0),
    }


def _spend_words(spend: Spend | None, currency: str) -> str:
    """How spend stands to its limit and its plan."""
    if spend is None:
        return "no limit on money"
    of = f"{money_text(spend.used, currency)} of {money_text(spend.limit, currency)}"
    if spend.planned is None:
        return of
    ahead = spend.used - spend.planned
    on_plan = abs(ahead) <= 0.05 * spend.limit
    course = (
        "on plan" if on_plan else f"{money_text(abs(ahead), currency)} {'ahead of' if ahead > 0 else 'behind'} plan"
    )
    return f"{of}, {course}"


def _one_click(need: Need) -> OneClick:
    """What can be done about a need from here."""
    if need.kind is NeedKind.QUARANTINE:
        return OneClick(f"{HOME}/quarantine")
    if need.kind is NeedKind.PROPOSAL:
        return OneClick(f"{HOME}/proposals/{need.subject}")
    look = f"{HOME}/campaigns/{need.campaign_id}"
    if need.kind not in _VERBS:
        return OneClick(look)
    verb, wish, field = _VERBS[need.kind]
    return OneClick(look, verb, f"{look}/{wish}", {"seen": need.seen, **({field: need.subject} if field else {})})
