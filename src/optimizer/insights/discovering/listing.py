"""From a tree to a list of rules: asked in order, the first match wins, whoever meets none is everyone else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from unicodedata import normalize

from optimizer.insights.discovering.growing import Node
from optimizer.insights.discovering.rules import Condition, Rule
from optimizer.strategy.fields import RESERVED

_LONGEST_ID = 40


@dataclass(frozen=True, slots=True)
class Listing:
    """Rules in order.

    Attributes:
        rules: each for whom no rule before it is.
        arms: what each gives, and last what everyone else gets.
    """

    rules: tuple[Rule, ...]
    arms: tuple[int, ...]


def listing_of(tree: Node, best_for_all: int) -> Listing:
    """The shortest list that says what a tree says, if possible with what is best for all for everyone else."""
    found = min(_listings(tree), key=lambda one: _length(one, best_for_all))
    return Listing(tuple(rule for rule, _ in found[:-1]), tuple(arm for _, arm in found))


def short_ids(rules: Sequence[Rule]) -> list[str]:
    """An id for each rule that says what it is about, such as ``country-us`` or ``visits-from-5``; all different."""
    found: list[str] = []
    for number, rule in enumerate(rules, start=1):
        words = "-".join(_short(condition) for condition in rule.conditions)
        name = words[:_LONGEST_ID].strip("-") or f"segment-{number}"
        found.append(f"{name[: _LONGEST_ID - 3]}-{number}" if name in {*found, *RESERVED} else name)
    return found


_Entries = list[tuple[Rule, int]]


def _listings(node: Node) -> Iterator[_Entries]:
    """Every list that says what a tree says."""
    if node.yes is None or node.no is None or node.condition is None:
        yield [(Rule(), node.arm)]
        return
    ways = [(node.condition, node.yes, node.no)]
    if node.opposite is not None:
        ways.append((node.opposite, node.no, node.yes))
    for condition, first, then in ways:
        for inner, rest in product(_listings(first), _listings(then)):
            yield _shortened([*((rule.joined_with(condition), arm) for rule, arm in inner), *rest])


def _shortened(entries: _Entries) -> _Entries:
    """Without the last rules that give what everyone else gets."""
    kept = list(entries)
    while len(kept) > 1 and kept[-2][1] == kept[-1][1]:
        kept.pop(-2)
    return kept


def _length(entries: _Entries, best_for_all: int) -> tuple[int, bool, int]:
    return len(entries), entries[-1][1] != best_for_all, sum(len(rule.conditions) for rule, _ in entries)


def _short(condition: Condition) -> str:
    if condition.key == "is" and isinstance(condition.value, bool):
        return _plain(condition.attribute) if condition.value else f"not-{_plain(condition.attribute)}"
    if isinstance(condition.value, tuple):
        return _plain(f"{condition.attribute}-{'-'.join(condition.value[:3])}")
    between = {"is": "-", "at_least": "-from-", "below": "-below-"}[condition.key]
    value = f"{condition.value:g}" if isinstance(condition.value, float) else str(condition.value)
    return _plain(f"{condition.attribute}{between}{value}")


def _plain(text: str) -> str:
    """What an id may hold of a text."""
    letters = normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")
