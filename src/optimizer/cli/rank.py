"""``optimizer rank``: what may be offered to one recipient, the likeliest best first, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import percent
from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say

if TYPE_CHECKING:
    from optimizer.domain.decision import AttributeValue
    from optimizer.services.decisions.ranking import Ranked


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer rank winback --recipient customer-4711",
            "optimizer rank winback --recipient customer-4711 --attribute days_since_purchase=120 --json",
        ),
    )(rank)


def rank(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Id of the campaign.")],
    recipient: Annotated[str, typer.Option("--recipient", metavar="ID", help="Your id of the person.")],
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="NAME=VALUE", help="A declared attribute; may be given more than once."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="VARIANT", help="A variant not wanted this time.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what may be offered to a recipient now, the likeliest best first. Draws nothing and writes nothing."""
    from optimizer.deployment import now, random_id
    from optimizer.services.decisions import ranking
    from optimizer.services.decisions.deciding import DecisionRequest

    attributes = dict(_attribute(written) for written in attribute or ())
    request = DecisionRequest(campaign, recipient, random_id(), attributes, tuple(exclude or ()))
    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = ranking.rank(ledger, deployment.live, request, now())
    if json:
        from optimizer.web.shapes.rendering import ranking_json

        emit(ranking_json(found))
        return
    _show(found)


def _attribute(written: str) -> tuple[str, AttributeValue]:
    name, equals, value = written.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"found {written!r}; allowed NAME=VALUE", param_hint="--attribute")
    if value in {"true", "false"}:
        return name, value == "true"
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _show(found: Ranked) -> None:
    ranking = found.ranking
    where = f"segment {ranking.segment_id}" if ranking.segment_id else "outside the audience"
    say(out(), f"{found.campaign_id}: {where}, snapshot {found.snapshot_id}", "bold")
    say(out(), found.offer)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold")
    for name in ("P(best)", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for one, why in zip(ranking.variants, found.why, strict=True):
        table.add_row(one.variant_id, percent(one.p_best), percent(one.allocation), why)
    for variant_id, why in found.removed_because.items():
        table.add_row(Text(variant_id, "dim"), "-", "-", Text(why, "dim"))
    if table.row_count:
        out().print(table)
