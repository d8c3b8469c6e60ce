"""A document as Markdown in which nothing that people wrote is markup: neither of CommonMark nor of GitHub."""

from __future__ import annotations

import re

from optimizer.insights.weekly.document import Document, Section, Table

# Any of these may begin something, wherever it stands; a backslash before punctuation is always only that.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~@&$!])")
_LINK = re.compile(r"(?i)(://|www\.)")  # what GitHub makes a link of by itself
# A list, a heading or a rule, at the beginning of a line.
_BEGINS = re.compile(
    r"^(?:([-+=:])(?=[-=\s]|$)|(\d{1,9})([.)])(?=\s|$))"
)  # a list, a heading or a quotation, at the beginning of a line


def markdown(document: Document) -> str:
    """The document; ends with a line break."""
    parts = [f"# {escaped(document.title)}", *(escaped(line) for line in document.lead)]
    for section in document.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """A text as Markdown that shows it as it is."""
    safe = _MARKUP.sub(r"\\\1", text)
    safe = _LINK.sub(lambda found: "\\://" if found[0] == "://" else f"{found[0][:-1]}\\.", safe)
    return _BEGINS.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", safe)


def _section(section: Section) -> list[str]:
    parts = [f"## {escaped(section.title)}"]
    if section.lines:
        parts.append("\n".join(f"- {escaped(line)}" for line in section.lines))
    parts += [_table(table) for table in section.tables]
    if len(parts) == 1:
        parts.append(escaped(section.empty))
    return parts


def _table(table: Table) -> str:
    rule = ("---:" if place in table.numbers else "---" for place in range(len(table.head)))
    rows = (table.head, *table.rows)
    head, *body = (f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows)
    return "\n".join([f"{escaped(table.caption)}:", "", head, f"| {' | '.join(rule)} |", *body])
