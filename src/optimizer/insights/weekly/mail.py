"""A document as one HTML file that mail programs show as it is meant: inline styles, no script, nothing loaded."""

from __future__ import annotations

from html import escape

from optimizer.insights.weekly.document import Document, Section, Table

_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;color:#1c2024;"
_BODY = f"margin:0;padding:0;background-color:#f4f5f7;{_FONT}"
_CARD = "width:100%;max-width:680px;background-color:#ffffff;border:1px solid #d5d9de;"
_INSIDE = f"padding:24px;{_FONT}font-size:16px;line-height:1.5;"
_H1 = "margin:0 0 8px 0;font-size:26px;line-height:1.25;"
_H2 = "margin:28px 0 8px 0;font-size:19px;line-height:1.3;"
_P = "margin:0 0 10px 0;"
_QUIET = "margin:0 0 10px 0;color:#555c64;"
_LIST = "margin:0 0 10px 0;padding:0 0 0 22px;"
_ITEM = "margin:0 0 6px 0;"
_TABLE = "width:100%;border-collapse:collapse;margin:8px 0 14px 0;font-size:14px;line-height:1.4;"
_CAPTION = "text-align:left;padding:0 0 6px 0;color:#555c64;"
_CELL = "padding:6px 8px;border-bottom:1px solid #d5d9de;vertical-align:top;font-weight:normal;"
_HEAD = "padding:6px 8px;border-bottom:2px solid #8a929b;vertical-align:bottom;"


def mail_html(document: Document) -> str:
    """The document as a whole HTML page; whatever people wrote is text in it."""
    inside = [f'<h1 style="{_H1}">{_said(document.title)}</h1>']
    inside += [f'<p style="{_QUIET}">{_said(line)}</p>' for line in document.lead]
    for section in document.sections:
        inside += _section(section)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document.title)}</title>",
            "</head>",
            f'<body style="{_BODY}">',
            # A table keeps its width where a mail program knows no other layout.
            '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
            '<td align="center" style="padding:16px;">',
            f'<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="{_CARD}"><tr>'
            f'<td style="{_INSIDE}">',
            *inside,
            "</td></tr></table>",
            "</td></tr></table>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _section(section: Section) -> list[str]:
    parts = [f'<h2 style="{_H2}">{_said(section.title)}</h2>']
    if section.lines:
        items = (f'<li style="{_ITEM}">{_said(line)}</li>' for line in section.lines)
        parts.append(f'<ul style="{_LIST}">{"".join(items)}</ul>')
    parts += [_table(table) for table in section.tables]
    if len(parts) == 1:
        parts.append(f'<p style="{_P}">{_said(section.empty)}</p>')
    return parts


def _table(table: Table) -> str:
    def align(place: int) -> str:
        return "right" if place in table.numbers else "left"

    head = "".join(
        f'<th scope="col" align="{align(n)}" style="{_HEAD}text-align:{align(n)};">{_said(cell)}</th>'
        for n, cell in enumerate(table.head)
    )
    rows = []
    for row in table.rows:
        first = f'<th scope="row" align="left" style="{_CELL}text-align:left;">{_said(row[0])}</th>'
        rest = (
            f'<td align="{align(n)}" style="{_CELL}text-align:{align(n)};">{_said(cell)}</td>'
            for n, cell in enumerate(row[1:], start=1)
        )
        rows.append(f"<tr>{first}{''.join(rest)}</tr>")
    caption = f'<caption style="{_CAPTION}">{_said(table.caption)}</caption>'
    body = "".join(rows)
    return (
        f'<table cellpadding="0" cellspacing="0" border="0" style="{_TABLE}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _said(text: str) -> str:
    """A text whose direction is its own, and in which no mail program finds a link: what looks like one is cut."""
    safe = escape(text).replace("://", ":&#8203;//").replace("www.", "www&#8203;.")
    return f'<bdi style="unicode-bidi:isolate;">{safe}</bdi>' if not text.isascii() else safe
