"""Whom to believe: what several sources say of a recipient, merged at an instant."""

from collections.abc import Mapping

from optimizer.domain.decision import AttributeValue
from optimizer.domain.instants import Instant
from optimizer.domain.sayings import Said, Saying
from optimizer.strategy.documents import Strategy


def merged(strategy: Strategy, said: Said, at: Instant) -> dict[str, AttributeValue]:
    """What is believed of a recipient at an instant, by attribute; unknown attributes are left out."""
    found: dict[str, AttributeValue] = {}
    for name, by_source in said.items():
        source = believed(strategy, name, by_source, at)
        if source is not None and (value := by_source[source].value) is not None:
            found[name] = value
    return found


def believed(strategy: Strategy, attribute: str, said: Mapping[str, Saying], at: Instant) -> str | None:
    """The source whose word counts about an attribute; None when none of them knows anything.

    It is the first in the order of precedence whose value is fresh, or the newest when none is. Where a strategy
    declares no sources, the newest value counts.

    Args:
        strategy: the strategy in force.
        attribute: its name.
        said: by source.
        at: the instant.
    """
    declared = strategy.attributes.get(attribute)
    only = None if declared is None else declared.sources
    known = [source for source in (said if only is None else only) if source in said and said[source].value is not None]
    if not known:
        return None
    if not strategy.sources:
        return max(known, key=lambda source: (said[source].at, source))
    if only is None:
        rank = {source.id: place for place, source in enumerate(strategy.sources)}
        # Whoever is declared no more, or spoke before anybody was, comes last.
        known.sort(key=lambda source: (rank.get(source, len(rank)), source))
    lasts = None if declared is None else declared.fresh_for
    fresh = (source for source in known if lasts is None or at - said[source].at <= lasts)
    first = next(fresh, None)
    return first if first is not None else max(known, key=lambda source: said[source].at)


def believes(strategy: Strategy, attribute: str, source: str) -> bool:
    """Whether a source is believed about a declared attribute."""
    only = strategy.attributes[attribute].sources
    return only is None or source in only
