"""Rules about rewards in amounts and about hygiene that span keys: what could never happen, or would undo itself."""

from collections.abc import Iterator

from optimizer.errors import Finding
from optimizer.strategy.pieces import currency_findings, items, twice
from optimizer.strategy.yaml.source import Path, Source

_HERE: Path = ("hygiene",)
_SENDERS_OWN = ("exposed", "delivered", "withdrawn", "bounced")  # what the sender says, and no recipient does
_ACT_AT_ONCE = ("unsubscribed", "complained")  # whoever wants out is out, even if a machine says so


def hygiene_findings(strategy: Source) -> Iterator[Finding]:
    """Findings about amounts that are rewarded, and about machines and values nobody should believe."""
    for path, _ in items(strategy, ("objectives",)):
        most = (*path, "reward", "at_most")
        if most in strategy.keys and strategy.value((*path, "reward", "value")) in ("first", "count"):
            yield strategy.finding(most, "this key only with value amount: others are not in money", on_key=True)
        else:
            yield from currency_findings(strategy, strategy, most)
    for path, _ in items(strategy, (*_HERE, "largest_value")):
        yield from currency_findings(strategy, strategy, path)
    yield from _machine_kind_findings(strategy)
    yield from _honeypot_findings(strategy)


def outcomes_of_hygiene(strategy: Source) -> list[tuple[Path, object, bool]]:
    """Every place of hygiene that names an outcome: where, the name, and whether it is a key."""
    named: list[tuple[Path, object, bool]] = [
        (path, kind, False) for path, kind in items(strategy, (*_HERE, "machine_kinds"))
    ]
    return named + [(path, path[-1], True) for path, _ in items(strategy, (*_HERE, "largest_value"))]


def _machine_kind_findings(strategy: Source) -> Iterator[Finding]:
    kinds = (*_HERE, "machine_kinds")
    if kinds not in strategy.keys:
        return
    if not any((*_HERE, key) in strategy.keys for key in ("fastest", "honeypot")):
        yield strategy.finding(kinds, "this key only with fastest or honeypot, which judge these outcomes", on_key=True)
    yield from twice(strategy, items(strategy, kinds))
    for path, kind in items(strategy, kinds):
        if kind in _SENDERS_OWN:
            yield strategy.finding(path, f"what recipients do, such as opened or clicked, and not {kind}")


def _honeypot_findings(strategy: Source) -> Iterator[Finding]:
    """Nothing good may come of an outcome that only machines cause."""
    place = (*_HERE, "honeypot")
    honeypot = strategy.value(place)
    if not isinstance(honeypot, str):
        return
    objectives = [path for path, _ in items(strategy, ("objectives",))]
    elsewhere = [strategy.value((*path, "reward", "outcome")) for path in objectives]
    elsewhere += [kind[-1] for path in objectives for kind, _ in items(strategy, (*path, "penalties"))]
    elsewhere += [strategy.value((*path, "outcome")) for path, _ in items(strategy, ("guardrail_metrics",))]
    elsewhere += [kind for _, kind in items(strategy, (*_HERE, "machine_kinds"))]
    if honeypot in elsewhere or honeypot in (*_SENDERS_OWN, *_ACT_AT_ONCE, "opened", "clicked"):
        allowed = "an outcome of its own, such as hidden_clicked, that people cannot cause and nothing else names"
        yield strategy.finding(place, allowed)
