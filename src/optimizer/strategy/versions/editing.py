"""Editing: changes of documents as their authors wrote them; no line differs that the change is not about.

The text itself is edited, at the places the reader has noted. A YAML library's round trip keeps comments and order,
but writes a whole document in one manner of its own: indentation, blanks inside braces, aligned comments. After each
edit the text is read again, and has to say what was meant and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from difflib import unified_diff as difference_lines
from functools import lru_cache
from typing import Any, NoReturn

from optimizer.domain.proposals import Edit
from optimizer.errors import Conflict
from optimizer.strategy.workspace import STRATEGY_FILE
from optimizer.strategy.yaml.source import Path, Source, dotted, read_source
from optimizer.strategy.yaml.writing import block_lines, flow_text, item_lines, scalar_text

LONGEST_LINE = 118  # what is longer gets lines of its own
_read = lru_cache(maxsize=32)(read_source)  # the same texts are asked about several edits


def edited(files: Mapping[str, str], edits: Sequence[Edit]) -> dict[str, str]:
    """The documents after some edits, one after the other; texts that no edit is about stay the very same.

    Args:
        files: texts by path; they are documents that can be read.
        edits: what to change.

    Raises:
        Conflict: an edit leads nowhere any more, or what it wants to write cannot stand there.
    """
    after = dict(files)
    for wished in edits:
        edit = replace(wished, value=json.loads(json.dumps(wished.value)))  # lists, where tuples were given
        file = _file_of(after, edit)
        source = _read(file, after[file])
        text = _Cut(source, edit).text()
        meant = _applied(source, edit)
        written = read_source(file, text)
        if written.findings or written.data != meant:
            _refuse(source, edit, shown(edit.value), "a value that can be written there")
        after[file] = text
    return after


def unified_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What differs between documents, as `diff -u` shows it; empty when nothing does."""
    lines: list[str] = []
    for file in sorted({*before, *after}):
        old, new = before.get(file, ""), after.get(file, "")
        if old != new:
            names = (file if file in before else "/dev/null", file if file in after else "/dev/null")
            found = difference_lines(_lines(old), _lines(new), *names)
            lines += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found]
    return "".join(lines)


def held(files: Mapping[str, str], edit: Edit) -> Any:
    """What documents say at the place of an edit, in plain data; None when nothing stands there.

    Of an edit that adds to a list: the element with the id of what it adds, or the same as it.
    """
    file = next(iter(_files_of(files, edit)), None)
    if file is None:
        return None
    source = _read(file, files[file])
    path = _path(source, edit.path[:-1] if edit.op == "insert_before" else edit.path)
    found = None if path is None else source.value(path)
    if edit.op in {"set", "remove"}:
        return found
    id_ = edit.value.get("id") if isinstance(edit.value, Mapping) else None
    items = found if isinstance(found, list) else []
    return next((item for item in items if item == edit.value or (id_ is not None and _id_of(item) == id_)), None)


def shown(value: Any) -> str:
    """A value as it is said in a sentence."""
    text = flow_text(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:59] + "…"


# ---------------------------------------------------------------- where


def _files_of(files: Mapping[str, str], edit: Edit) -> list[str]:
    if not edit.document:
        return [STRATEGY_FILE] if STRATEGY_FILE in files else []
    campaigns = (file for file in sorted(files) if file != STRATEGY_FILE)
    return [file for file in campaigns if _read(file, files[file]).value(("campaign",)) == edit.document]


def _file_of(files: Mapping[str, str], edit: Edit) -> str:
    found = _files_of(files, edit)
    if not found:
        raise Conflict(f"document: found no campaign {edit.document!r}; allowed one of the documents in force")
    return found[0]


def _path(source: Source, keys: Sequence[str]) -> Path | None:
    """Where keys lead, with lists' elements by place; None when they lead nowhere."""
    path: Path = ()
    value = source.data
    for key in keys:
        step = _step(value, key)
        if step is None:
            return None
        path, value = (*path, step), value[step]  # type: ignore[index]
    return path


def _step(value: object, key: str) -> str | int | None:
    """One key further: of a mapping; of a list the element with that id, or that is that text, or with that number."""
    if isinstance(value, dict):
        return key if key in value else None
    if not isinstance(value, list):
        return None
    for place, item in enumerate(value):
        if (_id_of(item) if isinstance(item, dict) else item) == key:
            return place
    is_number = key.isascii() and key.isdigit() and not any(_id_of(item) is not None for item in value)
    return int(key) if is_number and int(key) < len(value) else None


def _id_of(item: object) -> object:
    return item.get("id") if isinstance(item, dict) else None


def _refuse(source: Source, edit: Edit, found: str, allowed: str) -> NoReturn:
    raise Conflict(f"{source.file}: {dotted(edit.path)}: found {found}; allowed {allowed}")


def _lines(text: str) -> list[str]:
    return [line for line in re.split(r"(?<=\n)", text) if line]


# ---------------------------------------------------------------- what is meant


def _applied(source: Source, edit: Edit) -> object:
    """The document's data after an edit."""
    data: Any = deepcopy(source.data)
    if edit.op == "set":
        at = data
        for key in edit.path[:-1]:
            step = _step(at, key)
            at = at.setdefault(key, {}) if step is None else at[step]
        last = _step(at, edit.path[-1])
        at[edit.path[-1] if last is None else last] = edit.value
        return data
    keys = edit.path if edit.op == "append" else edit.path[:-1]
    at = data
    for key in keys:
        step = _step(at, key)
        at = at.setdefault(key, []) if step is None else at[step]
    if edit.op == "append":
        at.append(edit.value)
        return data
    place: Any = _step(at, edit.path[-1])
    if edit.op == "remove":
        del at[place]
    else:
        at.insert(place, edit.value)
    return data


# ---------------------------------------------------------------- in the text


class _Cut:
    """One edit of one text."""

    def __init__(self, source: Source, edit: Edit) -> None:
        self.source, self.edit, self.whole = source, edit, source.text
        self.newline = "\r\n" if "\r\n" in source.text else "\n"
        if source.data is None or not edit.path:
            _refuse(source, edit, "nothing that could be changed", "keys of a document")

    def text(self) -> str:
        """The text after the edit."""
        edit = self.edit
        path = _path(self.source, edit.path)
        if edit.op == "set":
            return self._added(edit.path, edit.value) if path is None else self._replaced(path, edit.value)
        if edit.op == "append" and path is None:
            return self._added(edit.path, [edit.value])
        if path is None:
            _refuse(self.source, edit, "nothing there", "a place that is still in the documents")
        if edit.op == "remove":
            return self._removed(path)
        at = path if edit.op == "append" else path[:-1]
        items = self.source.value(at)
        if not isinstance(items, list):
            _refuse(self.source, edit, shown(items), "a list")
        if not items:
            return self._replaced(at, [edit.value])
        return self._inserted(at, len(items) if edit.op == "append" else int(path[-1]), edit.value, len(items))

    # -- places

    def _extent(self, path: Path) -> tuple[int, int]:
        """First character of a value and the one after it; a block text ends before the blank lines after it."""
        place = self.source.values[path]
        return place.start, place.start + len(self.whole[place.start : place.end].rstrip())

    def _is_flow(self, path: Path) -> bool:
        return self.whole[self.source.values[path].start] in "{["

    def _in_flow(self, path: Path) -> bool:
        """Whether a value stands between braces or brackets."""
        return any(self._is_flow(path[:depth]) for depth in range(len(path)))

    def _column(self, position: int) -> int:
        return position - (self.whole.rfind("\n", 0, position) + 1)

    def _line_end(self, position: int) -> int:
        """Where the line ends in which something stands, before its line break."""
        end = self.whole.find("\n", position)
        end = len(self.whole) if end < 0 else end
        return end - 1 if self.whole[end - 1 : end] == "\r" else end

    def _line_start(self, position: int) -> int:
        return self.whole.rfind("\n", 0, position) + 1

    # -- changes

    def _replaced(self, path: Path, value: Any) -> str:
        """Another value where one stands."""
        start, end = self._extent(path)
        before = self.whole[start:end]
        if not isinstance(value, dict | list):
            quote = before[0] if before[0] in "\"'" else ""
            text = scalar_text(value, in_flow=self._in_flow(path), quote=quote)
        else:
            text = flow_text(value)
        key = self.source.keys.get(path)
        if key is not None and "\n" in self.whole[key.end : start]:  # what stood below its key stands beside it now
            colon = self.whole.index(":", key.end) + 1
            return self.whole[:colon] + " " + text + self.whole[end:]
        return self.whole[:start] + text + self.whole[end:]

    def _added(self, keys: Sequence[str], value: Any) -> str:
        """A key that is not there yet, in the deepest mapping that is."""
        depth = len(keys) - 1
        while depth and _path(self.source, keys[:depth]) is None:
            depth -= 1
        at = _path(self.source, keys[:depth])
        mapping = None if at is None else self.source.value(at)
        if at is None or not isinstance(mapping, dict):
            _refuse(self.source, self.edit, "nothing there", "a place that is still in the documents")
        for key in reversed(keys[depth + 1 :]):
            value = {key: value}
        entry = {keys[depth]: value}
        if not mapping:
            return self._replaced(at, entry)
        last = (*at, next(reversed(mapping)))
        _, end = self._extent(last)
        if self._is_flow(at) or self._in_flow(at):
            return f"{self.whole[:end]}, {flow_text(entry)[1:-1]}{self.whole[end:]}"
        column = self._column(self.source.keys[(*at, next(iter(mapping)))].start)
        return self._with_lines_after(end, block_lines(entry, LONGEST_LINE - column), column)

    def _inserted(self, at: Path, place: int, value: Any, n: int) -> str:
        """An element more in a list that has some."""
        if self._is_flow(at) or self._in_flow(at):
            if place == n:
                _, end = self._extent((*at, n - 1))
                return f"{self.whole[:end]}, {flow_text(value)}{self.whole[end:]}"
            start, _ = self._extent((*at, place))
            return f"{self.whole[:start]}{flow_text(value)}, {self.whole[start:]}"
        column = self._column(self.source.values[at].start)
        in_flow = isinstance(value, dict) and self._is_flow((*at, min(place, n - 1)))
        lines = item_lines(value, LONGEST_LINE - column, in_flow=in_flow)
        if place == n:
            return self._with_lines_after(self._extent((*at, n - 1))[1], lines, column)
        start = self._line_start(self._extent((*at, place))[0])
        while start and self.whole[self._line_start(start - 1) : start].lstrip().startswith("#"):
            start = self._line_start(start - 1)  # a comment above an element belongs to it
        new = "".join(" " * column + line + self.newline for line in lines)
        return self.whole[:start] + new + self.whole[start:]

    def _with_lines_after(self, position: int, lines: Sequence[str], column: int) -> str:
        end = self._line_end(position)
        new = "".join(self.newline + " " * column + line for line in lines)
        return self.whole[:end] + new + self.whole[end:]

    def _removed(self, path: Path) -> str:
        """Nothing where something stands; the last of its kind leaves an empty list or mapping."""
        at, whole = path[:-1], self.whole
        siblings = self.source.value(at)
        names: list[Any] = list(siblings) if isinstance(siblings, dict) else list(range(len(siblings)))  # type: ignore[arg-type]
        if len(names) == 1:
            if not at:
                _refuse(self.source, self.edit, "the only key of the document", "one of several")
            return self._replaced(at, {} if isinstance(siblings, dict) else [])
        place = names.index(path[-1])
        start, end = self._begin(path), self._extent(path)[1]
        following = None if place + 1 == len(names) else self._begin((*at, names[place + 1]))
        if self._is_flow(at) or self._in_flow(at):
            if following is not None:
                return whole[:start] + whole[following:]
            return whole[: self._extent((*at, names[place - 1]))[1]] + whole[end:]
        line = self._line_start(start)
        if whole[line:start].strip() and following is not None:  # the first key beside its dash
            return whole[:start] + whole[following:]
        if whole[line:start].strip(" -"):
            _refuse(self.source, self.edit, "something else in its line", "a line of its own")
        end = whole.find("\n", end)
        return whole[:line] if end < 0 else whole[:line] + whole[end + 1 :]

    def _begin(self, path: Path) -> int:
        """First character of an element with its key or dash."""
        key = self.source.keys.get(path)
        if key is not None:
            return key.start
        start = self._extent(path)[0]
        at = path[:-1]
        if self._is_flow(at) or self._in_flow(at):
            return start
        return self.whole.rfind("-", 0, start)
