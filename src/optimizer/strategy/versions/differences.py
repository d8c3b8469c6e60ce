"""Where two readings of a document differ, key by key, with both values as people write them.

The walk knows no document in particular: a key added to any of them is compared without a word here. Lists whose
items have an id are compared by id, mappings by key, other lists by position, lists of plain values as sets. Only
meaning counts: a default that is written out, another spelling of a duration or of a condition is no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from itertools import takewhile, zip_longest
from types import NoneType
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND, Duration
from optimizer.strategy.fields import Document, HalfLife, Span

SHOWN = 60  # characters of a text that are shown
_KEPT = 16  # of them, those before the first that differs
_BARE = re.compile(r"[A-Za-z0-9_][\w.:/+%-]*\Z")
_PROSE = frozenset({"subject", "body", "why", "notes", "journey_stage"})  # quoted even where it is a single word
_SPANS = tuple(get_args(annotation)[1] for annotation in (Span, HalfLife))  # what reads a duration

Kind = Literal["added", "removed", "changed", "reordered"]


class _Nothing(Enum):
    NOTHING = "left out"


NOTHING = _Nothing.NOTHING
"""The value of a key that is left out and has no default."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two documents differ.

    Attributes:
        trail: keys, and ids or numbers of items, from the document down: ``("messages", "hello", "subject")``.
        subject: the same in words: ``message hello: subject``.
        owner: document type that holds the key, ``Message``.
        key: the key as it is written, ``subject``.
        kind: an item or a key was added, removed or changed; the items of a list are in another order.
        before, after: values; `NOTHING` where the key or item is not there. Lists of plain values hold what was taken
            out and what was added.
        was, becomes: the values as people write them; empty where there is none.
    """

    trail: tuple[str, ...]
    subject: str
    owner: type[Document]
    key: str
    kind: Kind
    before: Any
    after: Any
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is; `words` end in a colon inside an item."""

    trail: tuple[str, ...]
    words: str
    owner: type[Document]
    key: str
    field: FieldInfo

    def item(self, name: str, value: Any) -> _Place:
        words = f"{self.words.removesuffix(self.key)}{_singular(self.key)} {name}"
        return replace(self, trail=(*self.trail, name), words=f"{words}:" if isinstance(value, Document) else words)

    def difference(self, kind: Kind, before: Any, after: Any) -> Difference:
        was, becomes = (_text(value, self.key, self.field) for value in (before, after))
        if isinstance(before, str) and isinstance(after, str):
            was, becomes = _contrasted(before, after) if max(len(before), len(after)) > SHOWN else (was, becomes)
        subject = self.words.removesuffix(":")
        return Difference(self.trail, subject, self.owner, self.key, kind, before, after, was, becomes)


def differences(before: Document, after: Document, *, apart_from: frozenset[str] = frozenset()) -> Iterator[Difference]:
    """Differences between two documents of one type, in the order of its keys.

    Args:
        before: one reading.
        after: another one.
        apart_from: keys of the documents that are not compared.
    """
    return _between_documents(before, after, (), "", apart_from)


def iso_duration(length: Duration) -> str:
    """A duration of whole seconds as ISO 8601 in days, hours, minutes and seconds: ``P7D``, ``PT1H30M``."""
    days, rest = divmod(length, DAY)
    parts = [f"P{days}D" if days else "P"]
    for unit, letter in ((HOUR, "H"), (MINUTE, "M"), (SECOND, "S")):
        n, rest = divmod(rest, unit)
        if n:
            parts.append(("" if "T" in "".join(parts) else "T") + f"{n}{letter}")
    text = "".join(parts)
    return "PT0S" if text == "P" else text


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names with commas, the first few of them."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def written(value: Any, key: str = "", *, is_span: bool = False) -> str:
    """A value as people write it in a document, on one line.

    Args:
        value: as a model holds it.
        key: key it belongs to; some texts are always quoted.
        is_span: integers are durations.
    """
    if isinstance(value, Document):
        # Not its id: whoever shows a document has named it.
        stated = ((n, f) for n, f in type(value).model_fields.items() if n in value.model_fields_set and n != "id")
        return _flow((f.alias or n, _text(getattr(value, n), n, f)) for n, f in stated)
    if isinstance(value, Mapping):
        return _flow((str(name), written(item, is_span=is_span)) for name, item in value.items())
    if isinstance(value, tuple):
        return f"[{', '.join(written(item, is_span=is_span) for item in value)}]"
    if isinstance(value, str):
        bare = _BARE.match(value) and key not in _PROSE
        return value if bare else json.dumps(_shortened(value), ensure_ascii=False)
    if is_span and isinstance(value, int):
        return iso_duration(value)
    return next((words(value) for kind, words in _PLAIN if isinstance(value, kind)), str(value))


_PLAIN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (NoneType, lambda _: "never"),  # the one word that is read as None
    (bool, lambda value: "true" if value else "false"),
    (float, lambda value: repr(value).removesuffix(".0")),
    (datetime, lambda value: value.isoformat().replace("+00:00", "Z")),
)


def _singular(key: str) -> str:
    return f"{key.removesuffix('ies')}y" if key.endswith("ies") else key.removesuffix("s")


def _flow(pairs: Iterator[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {text}" for key, text in pairs) + "}"


def _text(value: Any, key: str, field: FieldInfo) -> str:
    return "" if value is NOTHING else written(value, key, is_span=_holds_spans(field))


def _holds_spans(field: FieldInfo) -> bool:
    return any(data in _SPANS for data in (*field.metadata, *_metadata(field.annotation)))


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _metadata(inner)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _contrasted(before: str, after: str) -> tuple[str, str]:
    """Two long texts, shown from shortly before where they part: their beginnings might look the same."""
    start = max(_n_equal(before, after) - _KEPT, 0)
    lead = "…" if start else ""
    was, becomes = (json.dumps(lead + _shortened(text[start:]), ensure_ascii=False) for text in (before, after))
    return was, becomes


def _between_documents(
    before: Document, after: Document, trail: tuple[str, ...], words: str, apart_from: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    for name, field in type(after).model_fields.items():
        key = field.alias or name
        if key not in apart_from:
            place = _Place((*trail, key), f"{words} {key}".lstrip(), type(after), key, field)
            yield from _between(_held(before, name), _held(after, name), place)


def _held(document: Document, name: str) -> Any:
    value = getattr(document, name)
    return NOTHING if value is None and name not in document.model_fields_set else value


def _between(before: Any, after: Any, place: _Place) -> Iterator[Difference]:
    known = after if before is NOTHING else before
    if isinstance(before, Document) and type(before) is type(after):
        yield from _between_documents(before, after, place.trail, place.words)
    elif isinstance(known, Mapping):
        yield from _between_items(_or({}, before), _or({}, after), place)
    elif isinstance(known, tuple) and any(isinstance(item, Document) for item in (*_or((), before), *_or((), after))):
        yield from _between_lists(_or((), before), _or((), after), place)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        gone, new = (tuple(v for v in one if v not in other) for one, other in ((before, after), (after, before)))
        if gone or new:
            yield place.difference("changed", gone, new)
    elif before != after:
        yield place.difference("changed", before, after)


def _or(empty: Any, value: Any) -> Any:
    return empty if value is NOTHING else value


def _between_lists(before: Sequence[Any], after: Sequence[Any], place: _Place) -> Iterator[Difference]:
    if all(hasattr(item, "id") for item in (*before, *after)):
        named_before, named_after = ({item.id: item for item in items} for items in (before, after))
        yield from _between_items(named_before, named_after, place)
        order = [[name for name in one if name in other] for one, other in _both_ways(named_before, named_after)]
        if order[0] != order[1]:
            yield place.difference("reordered", tuple(named_before), tuple(named_after))
        return
    # What both begin and end with stays where it is, so that one rule taken out of many is one difference.
    first = _n_equal(before, after)
    last = _n_equal(before[first:][::-1], after[first:][::-1])
    middles = (items[first : len(items) - last] for items in (before, after))
    for number, (old, new) in enumerate(zip_longest(*middles, fillvalue=NOTHING), first + 1):
        yield from _between_item(old, new, place, str(number))


def _n_equal(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _between_items(before: Mapping[str, Any], after: Mapping[str, Any], place: _Place) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        yield from _between_item(before.get(name, NOTHING), after.get(name, NOTHING), place, name)


def _between_item(before: Any, after: Any, place: _Place, name: str) -> Iterator[Difference]:
    inside = place.item(name, before if after is NOTHING else after)
    if before is NOTHING or after is NOTHING:
        yield inside.difference("added" if before is NOTHING else "removed", before, after)
    else:
        yield from _between(before, after, inside)


def _both_ways(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    return (one, other), (other, one)
