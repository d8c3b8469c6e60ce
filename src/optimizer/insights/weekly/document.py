"""A document without a form: title, sections, sentences and tables, for Markdown, mail and pages alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 400  # characters of somebody's words
# What turns the direction of a text around, or is no text at all.
_UNSEEN = re.compile("[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first cell of each is its name.

    Attributes:
        numbers: places of the columns that hold numbers.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a heading.

    Attributes:
        lines: sentences, one for each thing.
        empty: what to say where there is neither a line nor a table.
    """

    title: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """Sections under a title; `lead` says what it is about."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]


def words(text: str) -> str:
    """Somebody's words on one line, in the direction in which they are read, and no longer than one reads."""
    said = " ".join(_UNSEEN.sub(" ", text).split())
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
