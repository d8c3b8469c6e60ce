"""Rules about attributes that follow from behaviour: what cannot be declared so."""

from collections.abc import Iterator
from typing import Final

from optimizer.errors import Finding
from optimizer.strategy.derived import OF_VALUES, WITHOUT_VALUES
from optimizer.strategy.fields import Span
from optimizer.strategy.pieces import items, piece
from optimizer.strategy.wording import one_of
from optimizer.strategy.yaml.source import Path, Source

_NOT_DONE: Final = "withdrawn"  # says that something never happened
_SAID: Final = ("sources", "fresh_for")  # of values that somebody says


def derived_findings(strategy: Source) -> Iterator[Finding]:
    """Findings about derived attributes that span keys."""
    for path, declared in items(strategy, ("attributes",)):
        place = (*path, "from")
        if isinstance(declared, dict) and isinstance(declared.get("from"), dict):
            yield from _measure_findings(strategy, place, declared)
            if strategy.value((*place, "event")) == _NOT_DONE:
                yield strategy.finding((*place, "event"), "something that happened: what was withdrawn never did")
            for key in _SAID:
                if (*path, key) in strategy.keys:
                    allowed = "no such key beside from: the attribute follows from events, and nobody says it"
                    yield strategy.finding((*path, key), allowed, on_key=True)


def _measure_findings(strategy: Source, place: Path, declared: dict[str, object]) -> Iterator[Finding]:
    measure = strategy.value((*place, "measure"))
    has_property = (*place, "property") in strategy.keys
    if declared.get("type") == "category":
        if measure in ("days_since", "count", "sum"):
            yield strategy.finding((*place, "measure"), f"{one_of(OF_VALUES)}, as the attribute is a category")
        elif measure in OF_VALUES and not has_property:
            allowed = "this key, as the attribute is a category: the property that has its values, such as category"
            yield strategy.finding((*place, "property"), allowed)
    elif measure in WITHOUT_VALUES and has_property:
        allowed = f"no such key with {measure}, which looks at no value"
        yield strategy.finding((*place, "property"), allowed, on_key=True)


def windows(strategy: Source) -> Iterator[tuple[Path, int]]:
    """How far back each derived attribute looks that does not look back for ever, and where it says so."""
    for path, _ in items(strategy, ("attributes",)):
        place = (*path, "from", "within")
        within = piece(Span, strategy, place)
        if within is not None:
            yield place, within


def outcomes_of_attributes(strategy: Source) -> list[tuple[Path, object, bool]]:
    """Every place of the attributes that names an outcome: where, the name, and whether it is a key."""
    places = [(*path, "from", "event") for path, _ in items(strategy, ("attributes",))]
    return [(place, strategy.value(place), False) for place in places if place in strategy.values]
