"""``optimizer ledger export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from optimizer.cli.moving import write_whole
from optimizer.cli.opening import opened
from optimizer.cli.partitioning import write_days
from optimizer.cli.terminal import HERE, JsonOption, WorkspaceOption, emit, err, out, say
from optimizer.errors import InvalidRequest, RequestFinding

if TYPE_CHECKING:
    from optimizer.services.exports.exporting import Exported


class Format(StrEnum):
    """Formats of an export, and how the names of their files end: histories of one campaign, or the whole ledger."""

    LEDGER = "ledger"
    PARQUET = "parquet"
    DSJSON = "dsjson"
    OBP = "obp"


class Partition(StrEnum):
    """What the files of an export are divided by."""

    DAY = "day"


_ENDINGS = {
    Format.LEDGER: (".ledger",),
    Format.PARQUET: (".parquet",),
    Format.DSJSON: (".dsjson", ".dsjson.gz"),
    Format.OBP: (".npz",),
}


def export(
    file: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write, replaced when whole; with --partition, a folder.")
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="The whole ledger; or a campaign as Parquet, VW dsjson, or the Open Bandit Pipeline's dict; "
            "by default as OUT ends.",
        ),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="ID", help="Which campaign; may be left out if there is one.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also holdouts, decisions not exposed or too young, and variants that are no more."),
    ] = False,
    partition: Annotated[
        Partition | None,
        typer.Option(
            "--partition",
            help="Decisions and outcomes of all campaigns, or of --campaign, as Parquet: a file a day in the folder "
            "OUT. Written again, only the days that changed.",
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Write the whole ledger (OUT ends in .ledger), or a campaign's decisions and their rewards for evaluation.

    The whole ledger is a backup, and can be imported into another database; it holds no secret. Of a campaign, without
    --all: the learning group's decisions that were exposed and whose outcomes can no longer come. Recipients
    are the ledger's keyed hashes; sensitive attributes and free text stay in the ledger.
    """
    from optimizer.deployment import now
    from optimizer.services.exports.exporting import export_campaign

    if partition is not None:
        _check_alone(format_, everything=everything)
        write_days(file, workspace, campaign, json=json)
        return
    _check_ending(file, format_)
    if file.name.endswith(_ENDINGS[Format.LEDGER]):
        if campaign is not None or everything:
            raise InvalidRequest(RequestFinding("OUT", file.name, "neither --campaign nor --all with a whole ledger"))
        write_whole(file, workspace, json=json)
        return
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("decisions"), TimeRemainingColumn())
    console = err()
    with (
        opened(workspace) as deployment,
        deployment.store.reading() as ledger,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        campaign_id = campaign or _only(list(deployment.live.at(ledger).tactics))
        task = progress.add_task("reading", total=ledger.decisions.count(campaign_id))
        found = export_campaign(
            ledger,
            deployment.live,
            campaign_id,
            file,
            now(),
            everything=everything,
            progress=lambda done: progress.update(task, completed=done),
        )
    if json:
        document = {"decisions": found.decisions, "written": found.written, "left_out": dict(found.left_out)}
        emit({"ok": True, "campaign": campaign_id, "file": str(file), **document})
    else:
        _show(found, file)


def _check_alone(format_: Format | None, *, everything: bool) -> None:
    if format_ not in {None, Format.PARQUET}:
        raise InvalidRequest(RequestFinding("--format", str(format_), "parquet, or none, with --partition"))
    if everything:
        raise InvalidRequest(RequestFinding("--all", "it", "none with --partition, which writes everything"))


def _check_ending(file: Path, format_: Format | None) -> None:
    endings = [ending for kind, some in _ENDINGS.items() if format_ in {None, kind} for ending in some]
    if not file.name.endswith(tuple(endings)):
        raise InvalidRequest(RequestFinding("OUT", file.name, f"a name that ends in {', '.join(endings)}"))
    if file.is_dir():
        raise InvalidRequest(RequestFinding("OUT", f"a folder, {file}", "a file, or --partition day"))
    if not file.resolve().parent.is_dir():
        raise InvalidRequest(RequestFinding("OUT", str(file), "a file in a folder that is there"))


def _only(campaigns: list[str]) -> str:
    if len(campaigns) != 1:
        known = ", ".join(sorted(campaigns)) or "none yet; run `optimizer apply`"
        raise InvalidRequest(RequestFinding("--campaign", "none", known))
    return campaigns[0]


def _show(found: Exported, file: Path) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{found.decisions:,}", "decisions, of which")
    for reason, n in sorted(found.left_out.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(f"{n:,}", Text(f"left out: {reason}"))
    table.add_row(f"{found.written:,}", "written")
    out().print(table)
    say(out(), f"Wrote {file}", "bold green")
