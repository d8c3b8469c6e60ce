"""YAML 1.2 text to plain data that remembers where everything stands.

The parser's events are folded here rather than handed to a YAML constructor: that keeps every position,
refuses what documents do not need (anchors, tags, merge keys) before it can grow, and needs no recursion.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from optimizer.errors import Finding
from optimizer.strategy.yaml.advice import advice
from optimizer.strategy.yaml.scalars import resolved

Path = tuple[str | int, ...]

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 30_000  # a second of reading
MAX_FINDINGS = 1_000  # nobody reads on
THE_FILE = "the file"  # stands for the key of a finding about a document as a whole

_SHOWN = 60
_NO_COMMENT = re.compile(r":[ \t]+(#[^\s#].*)")  # what was to be a value, and YAML drops
IN_QUOTES = "text in quotes: after a space, # begins a comment"
# YAML's printable characters; whatever else a text holds, no screen would show.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: 1-based line and column, and its extent in the text."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """One document as written.

    Attributes:
        file: path as its author knows it.
        text: the text.
        data: plain dicts, lists, str, int, float and bool; None when the text cannot be used at all.
        keys: place of each key, by path.
        values: place of each value, by path; the whole document has the path ``()``.
        broken: paths whose value had a finding of its own; there is no point in judging them twice.
        findings: what is wrong with the text as YAML.
        within: where the document stands in its file, when it is a part of another one.
    """

    file: str
    text: str
    data: object = None
    keys: Mapping[Path, Place] = field(default_factory=dict)
    values: Mapping[Path, Place] = field(default_factory=dict)
    broken: frozenset[Path] = frozenset()
    findings: tuple[Finding, ...] = ()
    within: Path = ()

    def finding(self, path: Path, allowed: str, *, on_key: bool = False, found: str | None = None) -> Finding:
        """A finding about a path, placed at its key or value, or at what should have contained it."""
        key = self.keys.get(path) if on_key else None
        at = path
        while at and not key and at not in self.values:
            at = at[:-1]
        place = key or self.values.get(at, Place(1, 1, 0, 0))
        # A short form (`country: US`) stands for whatever a path goes on to name inside it.
        absent = not key and at != path and isinstance(self.value(at), dict | list)
        shown = path if key or absent else at
        said = found or ("nothing" if absent else shortened(self.text[place.start : place.end]) or "nothing")
        return Finding(self.file, place.line, place.column, dotted((*self.within, *shown)), said, allowed)

    def value(self, path: Path) -> object:
        """What stands at a path; None when nothing does."""
        value = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def is_broken(self, path: Path) -> bool:
        """Whether the path, or something that contains it, already has a finding."""
        return any(path[:depth] in self.broken for depth in range(len(path) + 1))


def shortened(text: str) -> str:
    """Text on one line, at most 60 characters of it."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN and len(text) <= 4 * _SHOWN else line[: _SHOWN - 1].rstrip() + "…"


def dotted(path: Path) -> str:
    """A path as people write it: ``objectives[0].attribution_window``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in path)
    return text.removeprefix(".") or THE_FILE


def read_source(file: str, text: str) -> Source:
    """Read one YAML text; every mistake becomes a finding of the source, none an exception."""
    if len(text) > MAX_CHARACTERS:
        size = f"{len(text):,} characters"
        return _unusable(file, text, 0, size, f"at most {MAX_CHARACTERS:,} characters in a file")
    if unprintable := _UNPRINTABLE.search(text):
        at = unprintable.start()
        said = f"the invisible character U+{ord(text[at]):04X}"
        return _unusable(file, text, at, said, "letters, digits, punctuation, spaces and line breaks")
    return _Reading(file, text).source()


def _unusable(file: str, text: str, at: int, found: str, allowed: str) -> Source:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return Source(file, text, findings=(Finding(file, line, column, THE_FILE, found, allowed),))


class _Stopped(Exception):
    """Reading on would cost more than it tells: the text is too large, or a second document begins."""


@dataclass(slots=True)
class _Frame:
    """A collection being filled; its path is None inside something refused, whose places are forgotten."""

    path: Path | None
    filled: dict[str, object] | list[object]
    is_key: bool = False  # a collection that stands where a key belongs
    has_key: bool = False
    key: str | None = None  # None, too, when the key was refused: its value is read and dropped


_Node = ScalarEvent | CollectionStartEvent | AliasEvent


class _Reading:
    """The fold of one text's parser events."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.broken: set[Path] = set()
        self.findings: list[Finding] = []
        self.stack: list[_Frame] = []
        self.data: object = None
        self.n_nodes = self.n_documents = self.last_end = 0
        self.position = Place(1, 1, 0, 0)

    def source(self) -> Source:
        usable = self._read()
        if usable and not self.findings and not isinstance(self.data, dict):
            self._find(self.values.get((), self.position), "keys and values")
        data = self.data if usable and isinstance(self.data, dict) else None
        broken, findings = frozenset(self.broken), tuple(self.findings)
        return Source(self.file, self.text, data, self.keys, self.values, broken, findings)

    def _read(self) -> bool:
        """Whether the text could be read to its end."""
        try:
            for event in YAML(typ="safe", pure=True).parse(self.text):
                self._take(event)
        except _Stopped:
            return False
        except MarkedYAMLError as error:
            place = self._place_of(error)
            if not any(finding.line == place.line for finding in self.findings):  # of which this is the echo
                start = self.text.rfind("\n", 0, place.start) + 1
                line, rest = self.text[start : place.start + 1], self.text[place.start + 1 :].partition("\n")[0]
                self._find(place, advice(str(error), line, rest), found=self._rest_of_line(place))
            return False
        except Exception:  # the scanner lets through what Python says of, for one, the escape "\UFFFFFFFF"
            self._find(self.position, "well-formed YAML", found=self._rest_of_line(self.position))
            return False
        return True

    def _place_of(self, error: MarkedYAMLError) -> Place:
        last = self.text[self.position.start : self.position.end]
        if last[:1] in ("'", '"') and "\n" in last and "found '<scalar>'" in str(error):
            return self.position  # the quote that was not closed, rather than the next one, which closed it
        # What was never ended is shown where it begins, not where the parser gave up looking for its end.
        is_open = "quoted scalar" in str(error.context) or "could not find expected ':'" in str(error.problem)
        mark = error.context_mark if is_open else error.problem_mark or error.context_mark
        return Place(mark.line + 1, mark.column + 1, mark.index, mark.index) if mark else self.position

    def _rest_of_line(self, place: Place) -> str:
        rest = self.text[place.start : place.start + 4 * _SHOWN].splitlines()
        return (shortened(rest[0]) if rest else "") or "the end of the line"

    def _find(self, place: Place, allowed: str, path: Path | None = None, found: str = "") -> None:
        found = found or shortened(self.text[place.start : place.end]) or "nothing"
        self.findings.append(Finding(self.file, place.line, place.column, dotted(path or ()), found, allowed))

    def _take(self, event: Event) -> None:
        start, end = event.start_mark, event.end_mark
        place = self.position = Place(start.line + 1, start.column + 1, start.index, end.index)
        if len(self.findings) >= MAX_FINDINGS:
            raise _Stopped
        if isinstance(event, DocumentStartEvent):
            self._begin(event, place)
        elif isinstance(event, CollectionEndEvent):
            self._close(end.index)
        elif isinstance(event, _Node):
            self.n_nodes += 1
            if self.n_nodes > MAX_NODES:
                self._find(place, f"at most {MAX_NODES:,} keys and values in a file", found="more of them")
                raise _Stopped
            frame = self.stack[-1] if self.stack else None
            if frame and isinstance(frame.filled, dict) and not frame.has_key:
                self._key(frame, frame.filled, event, place)
            else:
                self._value(frame, event, place)

    def _begin(self, event: DocumentStartEvent, place: Place) -> None:
        self.n_documents += 1
        if self.n_documents > 1:
            self._find(place, "one document in a file: no line ---", found="a second document")
            raise _Stopped
        if event.version or event.tags:
            self._find(place, "no directive: a line that begins with %", found="a directive")

    def _key(self, frame: _Frame, filled: dict[str, object], event: _Node, place: Place) -> None:
        frame.has_key, frame.key = True, None
        refusal = _refusal(event)
        if refusal:
            self._find(place, refusal[0], frame.path, refusal[1])
        if isinstance(event, CollectionStartEvent):
            braces = self.text[place.start - 1 : place.end] == "{{"
            mend = "text in quotes, as it begins with {{" if braces else "text as a key"
            self._find(place, mend, frame.path, "a list or mapping as a key")
            self._open(event, place, None, is_key=True)
        elif isinstance(event, ScalarEvent):
            self.last_end = place.end
            allowed = self._allowed_key(frame.path, filled, event)
            if allowed and (decimal := re.search(r"\d+,\Z", self.text[: place.start][-9:])) and event.value.isdigit():
                whole = decimal[0][:-1]
                thousands = f"{whole}{event.value}, or " if len(event.value) == 3 and whole != "0" else ""
                allowed = f"{thousands}a decimal point: {whole}.{event.value}"
                self.broken.update((*(frame.path or ()), key) for key in [*filled][-1:])  # half a number says nothing
            if allowed:
                shown = frame.path is not None and not _UNPRINTABLE.search(event.value)
                self._find(place, allowed, (*(frame.path or ()), event.value) if shown else None)
                return
            frame.key = event.value
            if frame.path is not None:
                self.keys[*frame.path, event.value] = place

    def _allowed_key(self, path: Path | None, filled: dict[str, object], event: ScalarEvent) -> str | None:
        """What is allowed instead of a key; None when the key itself is."""
        key = resolved(event.value) if event.implicit[0] else event.value
        if key == "<<" and event.implicit[0]:
            return "each key written out: merge keys are not allowed"
        if not isinstance(key, str) or not key.strip():
            return 'text as a key, in quotes if need be: "1"'
        if _UNPRINTABLE.search(key):
            return "a key of visible characters"
        first = None if path is None else self.keys.get((*path, key))
        if first or key in filled:
            return "each key once" + (f" (first on line {first.line})" if first else "")
        return None

    def _value(self, frame: _Frame | None, event: _Node, place: Place) -> None:
        path = self._path(frame)
        if place.start == place.end and path in self.keys:
            # The parser places an empty value at the token that follows; its reader looks at the key.
            place = replace(self.keys[path], start=place.start, end=place.end)
        refusal = _refusal(event)
        if refusal:
            self._refuse(place, path, *refusal)
        if isinstance(event, CollectionStartEvent):
            self._open(event, place, path)
            return
        self.last_end = place.end
        if path is not None:
            self.values[path] = place
        self._attach(self._scalar(event, place, path) if isinstance(event, ScalarEvent) else None)

    def _path(self, frame: _Frame | None) -> Path | None:
        if frame is None or frame.path is None:
            return None if frame else ()
        if isinstance(frame.filled, list):
            return (*frame.path, len(frame.filled))
        return None if frame.key is None else (*frame.path, frame.key)

    def _refuse(self, place: Place, path: Path | None, allowed: str, found: str = "") -> None:
        self._find(place, allowed, path, found)
        if path is not None:
            self.broken.add(path)

    def _scalar(self, event: ScalarEvent, place: Place, path: Path | None) -> object:
        value = resolved(event.value) if event.implicit[0] else event.value
        if isinstance(value, str) and _UNPRINTABLE.search(value):
            self._refuse(place, path, "text of visible characters")
        if value is None and path is not None:
            cut = _NO_COMMENT.match(self.text, self.keys[path].end) if path in self.keys else None
            allowed = "a value after it, or no such key" if path else "keys and values"
            self._refuse(place, path, IN_QUOTES if cut else allowed, shortened(cut[1]) if cut else "")
        return value

    def _open(self, event: CollectionStartEvent, place: Place, path: Path | None, *, is_key: bool = False) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self._find(place, f"at most {MAX_DEPTH} levels", path, "a value nested deeper")
            raise _Stopped
        self.stack.append(_Frame(path, {} if isinstance(event, MappingStartEvent) else [], is_key))
        if path is not None:
            self.values[path] = place
        self.last_end = place.end

    def _close(self, end: int) -> None:
        closed = self.stack.pop()
        # A block collection ends where its last value does, not at the token after the comments that follow.
        if end > self.last_end and self.text[end - 1] in "]}":
            self.last_end = end
        if closed.path is not None:
            place = self.values[closed.path]
            self.values[closed.path] = Place(place.line, place.column, place.start, self.last_end)
        if not closed.is_key:
            self._attach(closed.filled)

    def _attach(self, value: object) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame is None:
            self.data = value
        elif isinstance(frame.filled, list):
            frame.filled.append(value)
        else:
            # What is empty was refused already; without it the key counts as absent and is judged no further.
            if frame.key is not None and value is not None:
                frame.filled[frame.key] = value
            frame.has_key = False


def _refusal(event: _Node) -> tuple[str, str] | None:
    """What is allowed instead of a feature of YAML that documents may not use, and what it is."""
    if isinstance(event, AliasEvent):
        return "the value written out: aliases are not allowed", f"*{shortened(event.anchor)}"
    if event.anchor:
        return "the value alone: anchors are not allowed", f"&{shortened(event.anchor)}"
    if event.tag:
        return "the value alone: tags are not allowed", shortened(str(event.tag))
    return None
