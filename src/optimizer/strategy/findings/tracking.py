"""Rules about sources and events that span keys: sources nobody declared, keys that do nothing on their own."""

from collections.abc import Iterator

from optimizer.errors import Finding
from optimizer.strategy.pieces import items, twice, unknown
from optimizer.strategy.yaml.source import Path, Source


def tracking_findings(strategy: Source) -> Iterator[Finding]:
    """Findings about who says what of recipients, and about what others' events are."""
    sources = [_id_of(strategy, path) for path, _ in items(strategy, ("sources",))]
    yield from twice(strategy, ((path, strategy.value(path)) for path in sources))
    keys = (key for path, _ in items(strategy, ("sources",)) for key in items(strategy, (*path, "api_keys")))
    yield from twice(strategy, keys)
    known = dict.fromkeys(name for path in sources if isinstance(name := strategy.value(path), str))
    for path, _ in items(strategy, ("attributes",)):
        for key in ("sources", "fresh_for"):
            if (*path, key) in strategy.keys and ("sources",) not in strategy.keys:
                allowed = "this key only in a strategy that declares its sources, such as sources: [crm, site]"
                yield strategy.finding((*path, key), allowed, on_key=True)
        believed = list(items(strategy, (*path, "sources")))
        yield from twice(strategy, iter(believed))
        for place, _ in believed if known else ():
            yield from unknown(strategy, place, known)
    for path, _ in items(strategy, ("events",)):
        if (*path, "currency") in strategy.keys and (*path, "value") not in strategy.keys:
            yield strategy.finding(
                (*path, "currency"), "this key only with value, which is of that currency", on_key=True
            )


def outcomes_of_events(strategy: Source) -> list[tuple[Path, object, bool]]:
    """Every place of `events` that names an outcome: where, the name, and that it is no key."""
    written = ((*path, "outcome") if isinstance(event, dict) else path for path, event in items(strategy, ("events",)))
    return [(path, strategy.value(path), False) for path in written]


def _id_of(strategy: Source, path: Path) -> Path:
    return (*path, "id") if isinstance(strategy.value(path), dict) else path
