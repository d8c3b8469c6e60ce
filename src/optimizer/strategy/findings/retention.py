"""Rules about how long data is kept: not shorter than what still needs it."""

from collections.abc import Iterator

from optimizer.domain.instants import Duration
from optimizer.errors import Finding
from optimizer.strategy.fields import Span
from optimizer.strategy.findings.derived import windows
from optimizer.strategy.pieces import items, piece
from optimizer.strategy.yaml.source import Source


def retention_findings(strategy: Source) -> Iterator[Finding]:
    """A finding about decisions that would be about nobody while outcomes or contacts of theirs still count."""
    place = ("data", "retention", "decisions")
    kept = piece(Span, strategy, place)
    needs = [need for need in _needs(strategy) if kept is not None and need[0] > kept]
    if needs:
        _, written, what = max(needs)
        yield strategy.finding(place, f"{written} or longer, for {what}")


def _needs(strategy: Source) -> Iterator[tuple[Duration, str, str]]:
    """How long decisions are needed, as a duration and as written, and what for."""
    for key, name, what in (
        ("objectives", "attribution_window", "the attribution window"),
        ("contact_policy", "per", "the contact rule"),
    ):
        for path, _ in items(strategy, (key,)):
            place = (*path, name)
            needed = piece(Span, strategy, place)
            if needed is not None:
                line = strategy.values[place].line
                yield needed, str(strategy.value(place)), f"{what} on line {line}"
    for place, within in windows(strategy):
        yield within, str(strategy.value(place)), f"the attribute on line {strategy.values[place].line}"
