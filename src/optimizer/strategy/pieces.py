"""Documents as written, piece by piece: what rules that span several keys read them with."""

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from optimizer.errors import Finding
from optimizer.strategy.fields import Currency
from optimizer.strategy.money import Cost, CostPerEvent, Money, MoneyAbove0
from optimizer.strategy.wording import one_of
from optimizer.strategy.yaml.source import Path, Source


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def piece(kind: Any, source: Source, path: Path) -> Any:
    """A part of a document, parsed; None when it is absent or cannot be."""
    written = source.value(path)
    if written is None:
        return None
    try:
        return _adapter(kind).validate_python(written)
    except ValidationError:
        return None


def items(source: Source, path: Path) -> Iterator[tuple[Path, Any]]:
    """What a list or mapping at a path holds, each with its own path."""
    value = source.value(path)
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        yield from (((*path, name), item) for name, item in value.items())


def ids(source: Source, key: str) -> dict[str, Path]:
    """Ids of the items of a list, with the path of the first of each."""
    found: dict[str, Path] = {}
    for path, item in items(source, (key,)):
        if isinstance(path[-1], int) and isinstance(item, dict) and isinstance(item.get("id"), str):
            found.setdefault(item["id"], (*path, "id"))
    return found


def twice(source: Source, texts: Iterator[tuple[Path, Any]]) -> Iterator[Finding]:
    """A finding at every text that stood there before."""
    seen: dict[str, Path] = {}
    for path, text in texts:
        if isinstance(text, str):
            if text in seen:
                yield source.finding(path, f"each one once (first on line {source.values[seen[text]].line})")
            seen.setdefault(text, path)


def unknown(source: Source, path: Path, known: Collection[str]) -> Iterator[Finding]:
    """A finding when a name is none of those there are."""
    name = source.value(path)
    if isinstance(name, str) and name not in known:
        yield source.finding(path, one_of(known, name))


def n_variants(campaign: Source) -> int:
    """How many variants a campaign has: messages x targetings."""
    return _product(campaign, lambda _: True)


def n_sent(campaign: Source) -> int:
    """How many of them may be sent: of messages and targetings that are not retired."""
    return _product(campaign, lambda item: not (isinstance(item, dict) and item.get("retired") is True))


def _product(campaign: Source, counts: Callable[[object], bool]) -> int:
    messages, targetings = (campaign.value((key,)) for key in ("messages", "targetings"))
    n_messages = sum(map(counts, messages)) if isinstance(messages, list) else 0
    return n_messages * (sum(map(counts, targetings)) if isinstance(targetings, list) and targetings else 1)


def currency_findings(strategy: Source, source: Source, path: Path) -> Iterator[Finding]:
    """A finding when an amount, or a cost, is in another currency than the strategy's."""
    found = piece(CostPerEvent, source, path)
    money = found.money if isinstance(found, Cost) else found
    money = money or piece(MoneyAbove0, source, path)
    currency = piece(Currency, strategy, ("currency",))
    if isinstance(money, Money) and currency and money.currency != currency:
        yield source.finding(path, f"an amount in {currency}, the currency of {strategy.file}")
