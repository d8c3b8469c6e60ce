"""Notes: what to mind in measured figures, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.insights.difference_words import misleading
from optimizer.insights.measures.alikeness import alike_words
from optimizer.insights.measures.measurement import Lift, People

_UNEQUAL = 1.25  # times as many decisions for each recipient of one side


def lift_notes(lift: Lift, against: str) -> Iterator[str]:
    """What to mind in a lift."""
    if lift.trials == 0:
        yield "Nothing has been tried yet: there are no trials."
    elif lift.so_far is None:
        yield (
            f"There is nothing to compare: on no day did both the learning group and {against} have trials. "
            "Without a holdout nobody can say what a campaign adds; `holdout: {share: 0.1}` keeps one."
        )
    elif lift.matured is None:
        yield "No trials of both groups have matured yet: the figures so far will still change."
    if lift.matured is not None and lift.matured.found.misleads:
        yield misleading("The learning group", against, lift.matured.found, lift.matured.unit)
    if lift.matured is not None and (said := alike_words(lift.matured.design)):
        yield said


def people_notes(people: People | None) -> Iterator[str]:
    """What to mind where the groups were not asked for equally often."""
    if people is None or not people.decisions or not people.held_decisions:
        return
    times = people.held_decisions / people.decisions
    if not 1 / _UNEQUAL <= times <= _UNEQUAL:
        yield (
            f"Each recipient of {people.against} has {people.held_decisions:.1f} decisions, each of the others "
            f"{people.decisions:.1f}: what one trial earns is then not the same thing for both. Go by the figures "
            "per recipient."
        )
