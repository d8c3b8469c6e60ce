"""What a text shows once it is read as HTML, and where each character of it stands in the text as written.

Banned words hide in tags, entities and comments, or a tag may stand in the middle of one. Messages that are plain
text are read as such, too: an unknown tag may be a word that its author put in angle brackets.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PARAGRAPH = "\n\n"

_HIDDEN = re.compile(
    r"<!--(?:-?>|(?!\[if).*?(?:-->|\Z))|<(style|script)\b.*?(?:</(?:style|script)\s*>|\Z)", re.I | re.S
)
_TAG = re.compile(r"<(?:!--|[!?/])?([a-z][a-z0-9:-]*|\[)(?:=\s*\"[^\"<]*\"|=\s*'[^'<]*'|[^<>])*+>", re.I)
_TAGS = """
    a abbr b big blockquote body br button caption center code dd del div dl doctype dt em figure footer font form
    h1 h2 h3 h4 h5 h6 head header hr html i img input ins label li link main map mark meta nav ol p pre q s section
    small span strike strong style sub sup svg table tbody td tfoot th thead title tr tt u ul [
"""
_BLOCKS = """
    blockquote body caption dd div dl dt figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section
    table tbody td tfoot th thead title tr ul
"""
_KNOWN, _ENDS_A_SENTENCE = frozenset(_TAGS.split()), frozenset(_BLOCKS.split())
_SPOKEN = re.compile(r"\b(?:alt|title|aria-label)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.I)
_ENTITY = re.compile(r"&(?:#[0-9]{1,40}|#x[0-9a-f]{1,40}|[a-z][a-z0-9]{1,31});?", re.I)


@dataclass(frozen=True, slots=True)
class Traced:
    """A text made from another.

    Attributes:
        text: the text.
        origin: for each of its characters, and for its end, the 0-based offset in the text as written; ascending.
    """

    text: str
    origin: Sequence[int]

    @classmethod
    def of(cls, written: str) -> "Traced":
        """A text as written."""
        return cls(written, range(len(written) + 1))

    def replaced(self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str | None]) -> "Traced":
        """The text with each match replaced, but for those where ``by`` gives None."""
        pieces: list[str] = []
        origin: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = by(match)
            if new is not None and new != match[0]:
                start, end = match.span()
                pieces += (self.text[done:start], new)
                origin += self.origin[done:start]
                origin += [self.origin[start]] * len(new)
                done = end
        return Traced("".join((*pieces, self.text[done:])), [*origin, *self.origin[done:]]) if pieces else self

    def extent(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` stands in the text as written; what was replaced counts as a whole."""
        while end < len(self.text) and self.origin[end] == self.origin[end - 1]:
            end += 1
        return self.origin[start], self.origin[end]


def without_hidden(written: Traced) -> Traced:
    """The text without comments, styles and scripts."""
    return written.replaced(_HIDDEN, lambda _: "")


def shown(written: Traced) -> tuple[Traced, ...]:
    """What a text shows as HTML; then, if that is not all, with alternative texts, and as plain text.

    Inline tags join what stands around them, as browsers do; block tags end a sentence.
    """
    visible = without_hidden(written)
    bare = visible.replaced(_TAG, _in_place_of_tag)
    told = visible.replaced(_TAG, _told_by_tag) if bare is not visible else bare
    return tuple(decoded(reading) for reading in ((bare,) if told.text == bare.text else (bare, told)))


def _in_place_of_tag(tag: re.Match[str]) -> str:
    name = tag[1].lower()
    return PARAGRAPH if name in _ENDS_A_SENTENCE else " " if name == "br" else ""


def _told_by_tag(tag: re.Match[str]) -> str | None:
    if ":" not in tag[1] and tag[1].lower() not in _KNOWN:
        return None
    told = [" ".join(filter(None, match)) for match in _SPOKEN.findall(tag[0])]
    return f" {' '.join(told)} " if told else _in_place_of_tag(tag)


def decoded(text: Traced) -> Traced:
    """The text with HTML entities read as what they stand for."""
    return text.replaced(_ENTITY, lambda entity: html.unescape(entity[0]))
