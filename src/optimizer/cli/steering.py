"""People at the wheel.

``optimizer pause | resume | stop | pin | unpin | advance | roll-back | release | acknowledge | review``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import (
    HERE,
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

if TYPE_CHECKING:
    from optimizer.services.oversight.overseeing import ReviewStanding, RolloutStanding, Standing

NoteOption = Annotated[str, typer.Option("--note", help="Why; kept in the audit trail.")]
CampaignArgument = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="A campaign in force.")]
VariantOption = Annotated[
    str | None, typer.Option("--variant", metavar="VARIANT", help="Only this variant; by default the whole campaign.")
]


def add_to(app: typer.Typer) -> None:
    for command, *lines in (
        (
            pause,
            'optimizer pause winback --note "the shop is down"',
            'optimizer pause winback --variant ten-percent --note "legal asked us to"',
        ),
        (
            resume,
            'optimizer resume winback --note "the shop is back"',
            'optimizer resume winback --variant ten-percent --note "legal is fine with it"',
        ),
        (stop, 'optimizer stop winback --note "the offer is over"'),
        (pin, 'optimizer pin winback/ten-percent --note "the brand week"'),
        (unpin, 'optimizer unpin winback --note "the brand week is over"'),
        (
            advance,
            'optimizer advance winback --note "the pilot looks fine"',
            'optimizer advance winback --stage 2 --note "the pilot looks fine"',
        ),
        (roll_back, 'optimizer roll-back winback --note "the second week was worse"'),
        (release, 'optimizer release winback --note "complaints came from one bad list"'),
        (acknowledge, 'optimizer acknowledge winback --note "we are looking into it"'),
        (review, 'optimizer review winback --note "read the report with the brand team"'),
    ):
        app.command(cls=Command, epilog=examples(*lines))(command)


def pause(
    campaign: CampaignArgument,
    note: NoteOption,
    variant: VariantOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Send nothing until somebody resumes; or, with --variant, no longer choose that one."""
    if variant is not None:
        _steer("pause_variant", campaign, variant, note=note, workspace=workspace, json=json)
    else:
        _steer("pause", campaign, note=note, workspace=workspace, json=json)


def resume(
    campaign: CampaignArgument,
    note: NoteOption,
    variant: VariantOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Undo a pause or a stop, whoever or whatever it came from; or, with --variant, that variant's pause."""
    if variant is not None:
        _steer("resume_variant", campaign, variant, note=note, workspace=workspace, json=json)
    else:
        _steer("resume", campaign, note=note, workspace=workspace, json=json)


def stop(
    campaign: CampaignArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Send nothing any more, from the next decision of any worker on."""
    _steer("stop", campaign, note=note, workspace=workspace, json=json)


def pin(
    what: Annotated[str, typer.Argument(metavar="CAMPAIGN/VARIANT", help="The variant everyone shall get.")],
    note: NoteOption,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Give everyone but the holdouts one variant; nothing is learned meanwhile."""
    campaign, _, variant = what.partition("/")
    if not campaign or not variant:
        fail(f"CAMPAIGN/VARIANT: found {what!r}; allowed winback/ten-percent", WRONG_USAGE)
    _steer("pin", campaign, variant, note=note, workspace=workspace, json=json)


def unpin(
    campaign: CampaignArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Let the policy choose again."""
    _steer("unpin", campaign, note=note, workspace=workspace, json=json)


def advance(
    campaign: CampaignArgument,
    note: NoteOption,
    stage: Annotated[
        int | None,
        typer.Option("--stage", min=2, help="The stage you mean; if it is not the next one, nothing changes."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Say yes to the rollout's next stage; it begins once nothing else keeps it."""
    _steer("advance", campaign, note=note, workspace=workspace, json=json, stage=stage)


def roll_back(
    campaign: CampaignArgument,
    note: NoteOption,
    stage: Annotated[
        int | None,
        typer.Option("--stage", min=1, help="The stage you mean; if it is not the one before, nothing changes."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Take the rollout back to the stage before, and hold it there until somebody releases it."""
    _steer("roll_back", campaign, note=note, workspace=workspace, json=json, stage=stage)


def release(
    campaign: CampaignArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Let a rollout go on that a guardrail metric has held; this answers its alarms as well."""
    _steer("release", campaign, note=note, workspace=workspace, json=json)


def acknowledge(
    campaign: CampaignArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Answer the alarms that guardrail metrics have raised."""
    _steer("acknowledge", campaign, note=note, workspace=workspace, json=json)


def review(
    campaign: CampaignArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Say that you have looked at what the campaign does; the next review is due one period from now."""
    _steer("review", campaign, note=note, workspace=workspace, json=json)


def _steer(use_case: str, *what: str, note: str, workspace: Path, json: bool, **more: Any) -> None:
    """Carry a use case of `optimizer.services.oversight.steering` out and show how the campaign stands after it."""
    from optimizer.deployment import now
    from optimizer.services.oversight import steering
    from optimizer.services.oversight.overseeing import standing, standing_json

    carry_out = getattr(steering, use_case)
    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        at = now()
        done = carry_out(ledger, deployment.live, *what, actor=deployment.actor, note=note, now=at, **more)
        found = standing(ledger, deployment.live, done.campaign_id, at)
    if json:
        emit({"changed": done.changed, "detail": done.sentence, "controls": standing_json(found)})
        return
    say(out(), f"{done.sentence}.", "green" if done.changed else "")
    _show(out(), found)


def _show(console: Console, found: Standing) -> None:
    """What is not as it would be without anybody's doing."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("status", Text(found.status.value, "green" if found.status.value == "running" else "bold yellow"))
    if found.pinned is not None:
        table.add_row("pinned", Text(found.pinned))
    for variant, why in found.paused.items():
        table.add_row("paused", Text(f"{variant}: {why}"))
    for sentence in found.alerts.values():
        table.add_row("alarm", Text(sentence, "red"))
    if found.silent_since is not None:
        from optimizer.domain.instants import moment

        table.add_row(
            "learning", Text(f"frozen: no outcomes since {moment(found.silent_since):%Y-%m-%d %H:%M} UTC", "red")
        )
    if found.rollout is not None:
        table.add_row("rollout", Text(_rollout(found.rollout)))
    if found.review is not None:
        table.add_row("review", Text(_review(found.review)))
    console.print(table)


def _rollout(rollout: RolloutStanding) -> str:
    waits = ", ".join(wait.value.replace("_", " ") for wait in rollout.waits_for)
    going_on = f"waits for: {waits}" if rollout.waits_for else "goes on at the next refresh"
    if rollout.stage == rollout.stages:
        going_on = "the last stage"
    return f"stage {rollout.stage} of {rollout.stages}, {100 * rollout.share:g} % of recipients; {going_on}"


def _review(review: ReviewStanding) -> str:
    from optimizer.domain.instants import moment

    if review.due_at is None:
        return "none yet"
    due = f"{moment(review.due_at):%Y-%m-%d %H:%M} UTC"
    return f"overdue since {due} ({review.when_overdue})" if review.overdue else f"due {due}"
