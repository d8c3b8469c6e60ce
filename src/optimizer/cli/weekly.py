"""The ``--weekly`` of ``optimizer report``: the weekly review as Markdown, HTML, JSON or a message to be mailed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.cli.opening import opened
from optimizer.cli.terminal import emit, err, say

if TYPE_CHECKING:
    from optimizer.services.reports.weekly import Shown

WeekOption = Annotated[
    str | None,
    typer.Option("--week", metavar="WEEK", help="Such as 2026-W47; by default the last one that is over."),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", dir_okay=False, help="Write it as one HTML file that can be mailed."),
]
MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", dir_okay=False, help="Write it as Markdown.")
]
MailOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--mail",
        metavar="FROM TO",
        help="Write weekly-review-WEEK.eml into this folder: HTML and text in one message. Nothing is sent.",
    ),
]


@dataclass(frozen=True, slots=True)
class Written:
    """Where the review is to be written; everything None: to stdout."""

    html: Path | None
    markdown: Path | None
    mail: tuple[str, str] | None


def show_weekly(workspace: Path, week: str | None, written: Written, *, json: bool) -> None:
    """Work the review out and write it where somebody wants it."""
    from optimizer.deployment import now
    from optimizer.insights.weekly.mail import mail_html
    from optimizer.insights.weekly.markdown import markdown
    from optimizer.services.reports.weekly import shown_review

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = shown_review(ledger, deployment.live, week, now())
    text, page = markdown(found.document), mail_html(found.document)
    if written.html is not None:
        _write(written.html, page.encode())
    if written.markdown is not None:
        _write(written.markdown, text.encode())
    if written.mail is not None:
        _write(Path(f"weekly-review-{found.review.week.label}.eml"), _message(found, *written.mail, text, page))
    if json:
        emit(_as_json(found))
    elif written == Written(None, None, None):
        typer.echo(text, nl=False)


def _message(found: Shown, sender: str, to: str, text: str, page: str) -> bytes:
    """A message with both parts, as files of mail are.

    Raises:
        InvalidRequest: an address is none.
    """
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import format_datetime

    from optimizer.domain.instants import moment

    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = _address("FROM", sender), _address("TO", to)
    message["Subject"] = f"{found.document.title}: {found.review.strategy}"
    message["Date"] = format_datetime(moment(found.review.as_of))
    message.set_content(text)
    message.add_alternative(page, subtype="html")
    return message.as_bytes()


def _address(place: str, text: str) -> str:
    from email.headerregistry import Address
    from email.utils import parseaddr

    from optimizer.errors import InvalidRequest, RequestFinding

    name, spec = parseaddr(text)
    wrong = InvalidRequest(RequestFinding(f"--mail {place}", repr(text[:80]), "an address such as team@shop.example"))
    if not text.isprintable() or "@" not in spec:
        raise wrong
    try:
        return str(Address(name, addr_spec=spec))
    except (ValueError, IndexError):  # what the standard library finds wrong with it
        raise wrong from None


def _write(file: Path, content: bytes) -> None:
    from optimizer.errors import ConfigurationError

    try:
        file.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{file}: found {error.strerror}; allowed a file that can be written") from error
    say(err(), f"wrote {file}")


def _as_json(found: Shown) -> dict[str, Any]:
    from dataclasses import asdict

    from optimizer.domain.instants import isoformat

    review = asdict(found.review)
    week = review.pop("week")
    for name in ("begins", "ends"):
        week[name] = isoformat(week[name])
    for name in ("people", "by_itself", "signatures"):
        review[name] = [{**one, "at": isoformat(one["at"])} for one in review[name]]
    return {"week": week, **review, "as_of": isoformat(found.review.as_of), "sha256": found.digest}
