"""Placeholders in texts: ``{{first_name|there}}`` becomes the recipient's first name, or "there"."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from optimizer.strategy.texts.markup import Traced, without_hidden

_WELL_FORMED = r"\{\{\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,47})\s*(?:\|(?P<fallback>[^{}]*))?\}\}(?!\})"
_PLACEHOLDER = re.compile(_WELL_FORMED)
# Two braces that are no placeholder, with what its author may have meant to be one.
_BRACES = re.compile(rf"{_WELL_FORMED}|\{{{{2,}}[^{{}}]{{0,60}}\}}*|\{{?[\w.| -]{{0,60}}\}}{{2,}}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a text that is filled for each recipient.

    Attributes:
        name: what fills it; empty when the placeholder is malformed.
        fallback: what is shown when that is not known; None when nothing is said.
        start: 0-based offset of its first brace.
        end: offset after its last.
    """

    name: str
    fallback: str | None
    start: int
    end: int


def placeholders(text: str) -> Iterator[Placeholder]:
    """The placeholders of a text in order, malformed ones among them; braces in styles and comments are none."""
    visible = without_hidden(Traced.of(text))
    for match in _BRACES.finditer(visible.text):
        fallback = match["fallback"]
        start, end = visible.extent(*match.span())
        yield Placeholder(match["name"] or "", None if fallback is None else fallback.strip(), start, end)


def slots(text: str) -> Iterator[Placeholder]:
    """The well-formed placeholders of a text, in styles and comments, too: all that a sender fills."""
    for match in _PLACEHOLDER.finditer(text):
        yield Placeholder(match["name"], match["fallback"] and match["fallback"].strip(), *match.span())


def filled(text: Traced, value: Callable[[str, str], str | None]) -> Traced:
    """The text with its placeholders filled.

    Args:
        text: the text.
        value: what fills a placeholder, by its name and fallback (empty without one); None leaves it as it is.
    """
    return text.replaced(_PLACEHOLDER, lambda match: value(match["name"], (match["fallback"] or "").strip()))


def without_placeholders(text: Traced) -> Traced:
    """The text with a space for each placeholder: no letter of its name is ever read."""
    return text.replaced(_PLACEHOLDER, lambda _: " ")
