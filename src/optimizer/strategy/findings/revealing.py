"""Attributes that give a sensitive one away: what they name must be there, and be sensitive."""

from collections.abc import Iterator

from optimizer.errors import Finding
from optimizer.strategy.pieces import items
from optimizer.strategy.wording import one_of
from optimizer.strategy.yaml.source import Source


def revealing_findings(strategy: Source) -> Iterator[Finding]:
    """A finding for each `reveals` that names no other attribute, or one that is not sensitive."""
    names = {str(path[-1]): path for path, _ in items(strategy, ("attributes",))}
    sensitive = [name for name, path in names.items() if strategy.value((*path, "sensitive")) is True]
    for name, path in names.items():
        revealed = strategy.value((*path, "reveals"))
        if not isinstance(revealed, str):
            continue
        others = [other for other in sensitive if other != name]
        if revealed not in others:
            what = one_of(others, revealed) if others else "none, as no other attribute is sensitive"
            yield strategy.finding((*path, "reveals"), f"another attribute that is sensitive: {what}")
