"""``optimizer key create | list | rotate | revoke``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import (
    HERE,
    WRONG_USAGE,
    Command,
    Group,
    JsonOption,
    WorkspaceOption,
    emit,
    err,
    examples,
    fail,
    out,
    say,
)

if TYPE_CHECKING:
    from optimizer.domain.instants import Duration, Instant
    from optimizer.services.keys.rates import Rate
    from optimizer.storage.access import StoredKey


class ScopeName(StrEnum):
    """`optimizer.services.keys.api_keys.Scope`, without the second it takes to import."""

    DECIDE = "decide"
    REPORT_OUTCOMES = "report_outcomes"
    MANAGE = "manage"
    ANALYSE = "analyse"
    EVALUATE_LOCALLY = "evaluate_locally"


ExpiresOption = Annotated[
    str | None,
    typer.Option("--expires", metavar="DATE", help="From when on it opens nothing: 2027-01-01, or a time with offset."),
]
ValidForOption = Annotated[
    str | None, typer.Option("--valid-for", metavar="DURATION", help="The same, from now on: P90D.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Whose key.", show_default=False)]

commands = typer.Typer(
    cls=Group,
    help="API keys of those who may call the service.",
    no_args_is_help=True,
    epilog=examples(
        "optimizer key create --name shop --scope decide --scope report_outcomes",
        "optimizer key list",
        "optimizer key rotate shop --overlap PT24H",
        "optimizer key revoke shop",
    ),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="key")


@commands.command(
    cls=Command,
    epilog=examples(
        "optimizer key create --name shop --scope decide --scope report_outcomes",
        "optimizer key create --name agency --scope decide --expires 2027-01-01 --rate 500/s --burst 2000",
        "optimizer key create --name analyst --scope analyse --valid-for P90D --json",
    ),
)
def create(
    name: Annotated[str, typer.Option("--name", help="Whose key it is, for the audit trail.")],
    scope: Annotated[list[ScopeName], typer.Option("--scope", help="What it may do; repeat for several.")],
    expires: ExpiresOption = None,
    valid_for: ValidForOption = None,
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate", metavar="N/s", help="Items a second it may ask of each worker; else OPTIMIZER_RATE_PER_SECOND."
        ),
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option("--burst", min=1, metavar="N", help="Items at once after a rest; by default two seconds' worth."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make an API key. It is shown this once; only its hash is kept.

    decide: ask for variants. report_outcomes: report what happened and store profiles. analyse: read campaigns and
    reports. manage: learn now, steer campaigns, keep recipients out.
    """
    from optimizer.services.keys.api_keys import Scope

    scopes = sorted({Scope(name.value) for name in scope})
    expires_at, allowed = _expiry(expires, valid_for), _rate(rate, burst)
    with opened(workspace) as deployment:
        key = deployment.create_key(name, scopes, expires_at=expires_at, rate=allowed)
    if json:
        emit({"key": key, "name": name, "scopes": scopes, "expires_at": _time(expires_at)})
        return
    _show_once(key, f"Key of {name}: {', '.join(scopes)}{_until(expires_at)}.")


@commands.command(
    "list", cls=Command, epilog=examples("optimizer key list", "optimizer key list --all", "optimizer key list --json")
)
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that have expired or were revoked.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show the keys: whose, what they may do, until when. A leaked key is found by its beginning and its end."""
    from optimizer.deployment import now
    from optimizer.services.keys.key_care import is_live

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        at = now()
        keys = [key for key in ledger.keys.all() if every or is_live(key, at)]
    if json:
        emit({"keys": [_described(key, at) for key in keys]})
    elif keys:
        out().print(_table(keys, at))
    else:
        say(out(), "There are no keys." if every else "There are no live keys; --all shows those that have ended.")


@commands.command(
    cls=Command,
    epilog=examples("optimizer key rotate shop", "optimizer key rotate shop --overlap PT1H --valid-for P90D --json"),
)
def rotate(
    name: NameArgument,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="DURATION", help="How long the old key still works; PT0S: not at all.")
    ] = "PT24H",
    expires: ExpiresOption = None,
    valid_for: ValidForOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make a key in the place of NAME's, with the same scopes and rate; the old one ends after the overlap."""
    expires_at, old_lasts = _expiry(expires, valid_for), _duration("--overlap", overlap)
    with opened(workspace) as deployment:
        key, stored = deployment.rotate_key(name, old_lasts, expires_at=expires_at)
    if json:
        ends = {"expires_at": _time(stored.expires_at), "overlap": overlap}
        emit({"key": key, "name": name, "scopes": stored.scopes.split(), **ends})
        return
    said = f"New key of {name}: {', '.join(stored.scopes.split())}{_until(stored.expires_at)}."
    _show_once(key, f"{said} The old one works for another {overlap}.")


@commands.command(
    cls=Command, epilog=examples("optimizer key revoke shop", "optimizer key revoke shop --ending f2a1 --json")
)
def revoke(
    name: NameArgument,
    ending: Annotated[
        str | None, typer.Option("--ending", metavar="LETTERS", help="Only the key that ends so, if there are several.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make the keys of NAME open nothing any more. Running workers know it within two seconds."""
    from optimizer.deployment import now
    from optimizer.services.keys.key_care import revoke_keys

    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        at = now()
        revoked = revoke_keys(ledger, name, ending=ending, actor=deployment.actor, now=at)
    if json:
        emit({"revoked": [_described(key, at) for key in revoked]})
        return
    for key in revoked:
        say(out(), f"Revoked {name}'s key {key.hint or 'of before hints were kept'}.", "green")


def _expiry(expires: str | None, valid_for: str | None) -> Instant | None:
    if expires is not None and valid_for is not None:
        fail("--expires: found --valid-for as well; allowed one of them", WRONG_USAGE)
    if valid_for is not None:
        from optimizer.deployment import now

        return now() + _duration("--valid-for", valid_for)
    if expires is None:
        return None
    from pydantic import TypeAdapter

    from optimizer.domain.instants import instant
    from optimizer.strategy.fields import DateOrMoment

    day_or_moment = _parsed("--expires", expires, TypeAdapter(DateOrMoment).validate_python)
    if isinstance(day_or_moment, datetime):
        return instant(day_or_moment)
    return instant(datetime.combine(day_or_moment, time(), UTC))


def _duration(option: str, text: str) -> Duration:
    from pydantic import TypeAdapter

    from optimizer.strategy.fields import Span

    return _parsed(option, text, TypeAdapter(Span).validate_python)


def _parsed(option: str, text: str, parse: Any) -> Any:
    from pydantic import ValidationError

    try:
        return parse(text)
    except ValidationError as error:
        fail(f"{option}: found {text!r}; allowed {error.errors()[0]['msg']}", WRONG_USAGE)


def _rate(rate: str | None, burst: int | None) -> Rate | None:
    from optimizer.services.keys.rates import FASTEST, Rate

    if rate is None:
        if burst is not None:
            fail("--burst: found no --rate beside it; allowed both", WRONG_USAGE)
        return None
    match = re.fullmatch(r"([0-9]{1,7})/s", rate)
    if match is None or not 1 <= int(match[1]) <= FASTEST:
        fail(f"--rate: found {rate!r}; allowed 1/s to {FASTEST}/s", WRONG_USAGE)
    return Rate(int(match[1]), min(burst or 2 * int(match[1]), FASTEST))


def _show_once(key: str, said: str) -> None:
    say(out(), key, "bold")
    say(err(), f"{said} It cannot be shown again. Send it as `Authorization: Bearer …`.")


def _described(key: StoredKey, at: Instant) -> dict[str, Any]:
    return {
        "name": key.name,
        "hint": key.hint or None,
        "scopes": key.scopes.split(),
        "standing": _standing(key, at),
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
        "rate_per_second": key.per_second,
        "burst": key.burst,
    }


def _standing(key: StoredKey, at: Instant) -> str:
    from optimizer.services.keys.key_care import is_live

    if key.revoked_at is not None:
        return "revoked"
    return "live" if is_live(key, at) else "expired"


def _table(keys: Sequence[StoredKey], at: Instant) -> Table:
    table = Table("name", "key", "may", "made (UTC)", "until (UTC)", "rate", "standing")
    for key in keys:
        rate = "as set for all" if key.per_second is None else f"{key.per_second:,}/s, {key.burst:,} at once"
        until = (_time(key.revoked_at or key.expires_at) or "—")[:16]
        cells = (key.name, key.hint or "…", key.scopes.replace(" ", ", "), (_time(key.created_at) or "")[:16])
        table.add_row(*map(Text, (*cells, until, rate, _standing(key, at))))
    return table


def _time(at: Instant | None) -> str | None:
    from optimizer.domain.instants import isoformat

    return None if at is None else isoformat(at)


def _until(at: Instant | None) -> str:
    return "" if at is None else f", until {_time(at)}"
