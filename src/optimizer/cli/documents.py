"""``optimizer init | check | apply | approve``: what marketers do with their documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.outlook import show_outlook
from optimizer.cli.terminal import (
    HERE,
    NOT_FINE,
    WRONG_USAGE,
    Command,
    JsonOption,
    WorkspaceOption,
    emit,
    examples,
    fail,
    out,
    say,
)
from optimizer.errors import DocumentError, Finding

if TYPE_CHECKING:
    from optimizer.services.forecasts.outlooks import SegmentOutlook
    from optimizer.strategy.documents import Campaign
    from optimizer.strategy.workspace import Workspace

REHEARSAL = "scenarios/first-rehearsal.yaml"
STARTER = {
    "strategy.yaml": "strategy.yaml",
    "campaigns/winback.yaml": "campaigns/winback.yaml",
    REHEARSAL: REHEARSAL,
    ".gitignore": "gitignore",
}
STATE = ".optimizer"  # `optimizer.deployment.STATE_FOLDER`, without the second it takes to import
SCHEMAS = {"strategy": "strategy", "campaign": "strategy", "scenario": "scenarios"}  # the room of each


def add_to(app: typer.Typer) -> None:
    app.command(cls=Command, epilog=examples("optimizer init shop", "cd shop", "optimizer check"))(init)
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer check",
            "optimizer check shop",
            "optimizer check campaigns/winback.yaml",
            "optimizer check --json",
        ),
    )(check)
    app.command(cls=Command, epilog=examples('optimizer apply --note "a third message for lapsed customers"'))(apply)
    app.command(
        cls=Command,
        epilog=examples("optimizer approve winback", 'optimizer approve winback/ten-percent --note "legal ok"'),
    )(approve)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder to make, or an empty one.")],
    json: JsonOption = False,
) -> None:
    """Make a workspace that works: a strategy and a campaign, with comments that explain every part."""
    source = files("optimizer.cli") / "starter"
    write_new(folder, {name: (source / packaged).read_text("utf-8") for name, packaged in STARTER.items()})
    if json:
        emit({"workspace": str(folder.resolve()), "files": list(STARTER)})
        return
    console = out()
    say(console, f"Made a workspace in {folder}: {', '.join(STARTER)}", "green")
    say(console, "Next:")
    for command in (
        f"cd {quote(str(folder))}",
        "optimizer check",
        f"optimizer simulate {REHEARSAL}",
        'optimizer apply --note "first version"',
    ):
        say(console, f"  {command}", "cyan")


def write_new(folder: Path, written: Mapping[str, str]) -> None:
    """Make a workspace of these files, by path, where none of them is; otherwise say so and exit."""
    existing = [name for name in written if (folder / name).exists()]
    if existing:
        fail(f"{folder}: found {', '.join(existing)} there; allowed a folder without them: nothing was changed", 2)
    try:
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        (folder / STATE).mkdir(mode=0o700, exist_ok=True)
        _write_schemas(folder / STATE / "schemas")
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", 3)


def _write_schemas(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, room in SCHEMAS.items():
        file = f"{name}.schema.json"
        packaged = files("optimizer") / room / "schemas" / file
        (folder / file).write_text(packaged.read_text("utf-8"), "utf-8")


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[WORKSPACE | FILE…]", exists=True, help="A workspace, or documents of one."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Find every mistake in a workspace's documents. Exits with 1 when there are any; nothing is changed."""
    from optimizer.deployment import load_workspace
    from optimizer.services.forecasts.outlooks import expected_outlook, hopeless_findings

    findings: list[Finding] = []
    texts: dict[str, list[str]] = {}
    sound: list[Workspace] = []
    expected: list[SegmentOutlook] = []
    for folder, chosen in _workspaces(paths or [workspace]):
        try:
            sound.append(load_workspace(folder))
            expected += (outlook := expected_outlook(sound[-1]))
            mistakes = list(hopeless_findings(sound[-1], outlook))
        except DocumentError as error:
            mistakes = list(error.findings)
        # A mistake in the strategy can make a campaign wrong, so it is always shown.
        for finding in [f for f in mistakes if not chosen or f.file in {*chosen, "strategy.yaml"}] or mistakes:
            path = folder / finding.file
            findings.append(replace(finding, file=str(path)))
            if str(path) not in texts:
                texts[str(path)] = _lines(path)
    if json:
        campaigns = [campaign for one in sound for campaign in _summaries(one)]
        learning = [asdict(row) for row in expected]
        emit(
            {"ok": not findings, "findings": [asdict(f) for f in findings], "campaigns": campaigns, "outlook": learning}
        )
    elif findings:
        _show_findings(out(), findings, texts)
    else:
        for one in sound:
            _show_campaigns(out(), one)
        show_outlook(out(), expected)
        say(out(), "no mistakes", "bold green")
    if findings:
        raise typer.Exit(NOT_FINE)


def _workspaces(paths: list[Path]) -> Iterator[tuple[Path, set[str]]]:
    """Each workspace once, with the names of the documents chosen in it; none chosen means all."""
    chosen: dict[Path, set[str]] = {}
    for path in paths:
        if path.is_dir():
            chosen.setdefault(path, set())
        else:
            folder = path.parent.parent if path.resolve().parent.name == "campaigns" else path.parent
            chosen.setdefault(folder, set()).add(path.resolve().relative_to(folder.resolve()).as_posix())
    yield from chosen.items()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return []


def _show_findings(console: Console, findings: list[Finding], texts: dict[str, list[str]]) -> None:
    for finding in findings:
        place = f"{finding.file}:{finding.line}:{finding.column}: "
        console.print(
            Text.assemble(
                (place, "bold"),
                (f"{finding.key}: ", "bold cyan"),
                ("found ", "dim"),
                (finding.found, "red"),
                ("; allowed ", "dim"),
                (finding.allowed, "green"),
            ),
            soft_wrap=True,
        )
        _show_line(console, finding, texts[finding.file])
    files_with = len({finding.file for finding in findings})
    say(
        console,
        f"{len(findings)} {'mistake' if len(findings) == 1 else 'mistakes'} "
        f"in {files_with} {'file' if files_with == 1 else 'files'}",
        "bold red",
    )


def _show_line(console: Console, finding: Finding, lines: list[str]) -> None:
    if finding.line > len(lines):
        say(console, "")
        return
    line = lines[finding.line - 1]
    before = line[: finding.column - 1]
    rest = line[finding.column - 1 :]
    width = max(len(finding.found) if rest.startswith(finding.found) else 1, 1)
    number = f"{finding.line:>5} │ "
    say(console, number + line, "dim")
    # Tabs are kept, so that the caret stands under its place however wide they are.
    padding = "".join("\t" if character == "\t" else " " for character in before)
    say(console, " " * (len(number) - 2) + "│ " + padding + "^" * width, "red")
    say(console, "")


def _summaries(workspace: Workspace) -> list[dict[str, Any]]:
    from optimizer.domain.micros import MICRO
    from optimizer.strategy.documents import effective_policy
    from optimizer.strategy.variants import variants

    summaries = []
    for campaign in workspace.campaigns.values():
        policy = effective_policy(workspace.strategy, campaign)
        summaries.append(
            {
                "campaign": campaign.campaign,
                "serves": campaign.serves,
                "variants": [variant.variant_id for variant in variants(campaign)],
                "segments": _segments(campaign),
                "holdout": {"strategy": workspace.strategy.holdout.share, "campaign": campaign.holdout.share},
                "policy": {
                    "model": policy.model,
                    "floor": policy.floor,
                    "cap": policy.cap,
                    "refresh_seconds": policy.refresh / MICRO,
                    "half_life_seconds": None if policy.half_life is None else policy.half_life / MICRO,
                },
            }
        )
    return summaries


def _segments(campaign: Campaign) -> list[str]:
    from optimizer.strategy.fields import EVERYONE_ELSE

    names = [segment.id for segment in campaign.segments or ()]
    return names if campaign.everyone_else == "exclude" else [*names, EVERYONE_ELSE]


def _show_campaigns(console: Console, workspace: Workspace) -> None:
    table = Table("campaign", "serves", "variants", "segments", "holdout", "policy", show_lines=True)
    for one in _summaries(workspace):
        policy, holdout = one["policy"], one["holdout"]
        half_life = policy["half_life_seconds"]
        table.add_row(
            Text(one["campaign"], "bold"),
            one["serves"],
            _stacked(one["variants"]),
            _stacked(one["segments"]),
            f"{holdout['strategy']:.3g} of all\n{holdout['campaign']:.3g} of this",
            f"{policy['model']}\nfloor {policy['floor']:.3g}, cap {policy['cap']:.3g}\n"
            f"half-life {'never' if half_life is None else f'{half_life / 86_400:.3g} days'}",
        )
    if workspace.campaigns:
        console.print(table)
    else:
        say(console, "There is no campaign yet: they go into campaigns/NAME.yaml.", "yellow")


def _stacked(names: list[str], most: int = 8) -> str:
    more = [f"… {len(names) - most} more"] if len(names) > most else []
    return "\n".join([*names[:most], *more])


def apply(
    note: Annotated[str, typer.Option("--note", help="Why; kept in the audit trail.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even if that undoes a proposal somebody has accepted meanwhile.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Put the workspace's documents in force as a new version. A running service follows without a restart."""
    from optimizer.deployment import load_workspace, now
    from optimizer.services.documents.applying import apply_workspace
    from optimizer.services.documents.undoing import refuse_undoing

    documents = load_workspace(workspace)
    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        if not force:
            refuse_undoing(ledger, documents)
        done = apply_workspace(ledger, documents, actor=deployment.actor, note=note, now=now())
    if json:
        awaiting = [{"campaign": campaign, "variant": variant} for campaign, variant in done.awaiting]
        summary = {"version": done.version, "changed": done.changed}
        emit(summary | {"awaiting_approval": awaiting, "warnings": list(done.warnings)})
        return
    if done.changed:
        say(out(), f"Version {done.version} is in force: {', '.join(documents.campaigns) or 'no campaign'}.", "green")
    else:
        say(out(), f"Nothing changed: version {done.version} says the same and stays in force.")
    say_what_follows(done.awaiting, done.warnings)


def say_what_follows(awaiting: Iterable[tuple[str, str]], warnings: Iterable[str]) -> None:
    """What documents in force still wait for, as commands to paste, and what to think about."""
    places = dict.fromkeys(f"{campaign}/{variant.partition(':')[0]}" for campaign, variant in awaiting)
    if places:
        say(out(), "Not served until someone approves:", "yellow")
    for place in places:
        say(out(), f"  optimizer approve {place}", "cyan")
    for warning in warnings:
        say(out(), f"Warning: {warning}", "yellow")


def approve(
    what: Annotated[str, typer.Argument(metavar="CAMPAIGN[/MESSAGE]", help="A message, or all of a campaign.")],
    note: Annotated[str, typer.Option("--note", help="Why, or on whose word; kept in the audit trail.")] = "",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Approve words as they stand in the version in force. Changed words lose their approval."""
    from optimizer.deployment import now
    from optimizer.services.documents import applying

    campaign_id, slash, message_id = what.partition("/")
    if not campaign_id or (slash and not message_id):
        fail(f"CAMPAIGN[/MESSAGE]: found {what!r}; allowed winback, or winback/ten-percent", WRONG_USAGE)
    approved: dict[str, tuple[str, ...]] = {}
    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        campaign = deployment.live.at(ledger).tactic(campaign_id).campaign
        words = {message.id: message for message in campaign.messages}
        for name in [message_id] if message_id else words:
            approved[name] = applying.approve(
                ledger, deployment.live, campaign_id, name, actor=deployment.actor, note=note, now=now()
            )
    if json:
        emit({"campaign": campaign_id, "approved": [v for variants in approved.values() for v in variants]})
        return
    table = Table("approved", "subject", "variants", title=f"Campaign {campaign_id}", title_justify="left")
    for name, variants in approved.items():
        table.add_row(Text(name, "bold"), Text(words[name].subject or "-"), "\n".join(variants))
    out().print(table)
