"""``optimizer explain``: why one decision came out as it did, step by step."""

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
    from optimizer.services.decisions.explaining import Explanation


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer explain 0dcc39c18738806226c74174b578928c",
            "optimizer explain 0dcc39c18738806226c74174b578928c --json",
        ),
    )(explain)


def explain(
    decision_id: Annotated[str, typer.Argument(metavar="DECISION_ID", help="decision_id of an answer.")],
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show why a decision came out as it did: each rule, the shares before and after it, and where the draw fell."""
    from optimizer.services.decisions import explaining
    from optimizer.services.decisions.deciding import answer

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = explaining.explain(ledger, deployment.live, decision_id)
        answered = answer(ledger, deployment.live, found.decision)
    if json:
        from optimizer.web.shapes.rendering import explanation_json

        emit(explanation_json(answered, found))
        return
    _show(found)


def _show(found: Explanation) -> None:
    from optimizer.domain.instants import moment

    decision = found.decision
    say(out(), f"{decision.campaign_id}: {decision.variant_id or 'nothing'} ({_words(decision.reason)})", "bold")
    where = f"segment {decision.segment_id}" if decision.segment_id else "outside the audience"
    say(out(), f"{where}, group {_words(decision.group)}, {moment(decision.decided_at):%Y-%m-%d %H:%M:%S} UTC")
    if found.steps:
        out().print(_steps_table(found))
    if decision.retry_at is not None:
        say(out(), f"asking again may help from {moment(decision.retry_at):%Y-%m-%d %H:%M:%S} UTC")
    if decision.propensity is not None and decision.snapshot_id is not None:
        at = "" if found.u is None else f" at {found.u:.6f} of [0, 1)"
        drawn = f"drawn with probability {percent(decision.propensity, 3)}{at}"
        say(out(), f"{drawn}, from snapshot {decision.snapshot_id}")
    if elsewhere := [f"{v.elsewhere:,.0f} of {v.variant_id}" for v in found.variants if v.elsewhere]:
        own = sum(variant.trials for variant in found.variants)
        say(
            out(), f"rests on {own:,.0f} trials in this segment, and on what counts as {', '.join(elsewhere)} elsewhere"
        )
    if found.commitment is not None:
        used = found.commitment
        state = "withdrawn" if used.withdrawn else f"{used.settled / 1e6:,.4g} due, {used.reserved / 1e6:,.4g} reserved"
        say(out(), f"uses one contact on {used.channel} and at most {used.most / 1e6:,.4g}: {state}")
    if found.same is None:
        say(out(), "its recipient is erased, so that nobody can compute it again")
    else:
        same = "comes out the same" if found.same else "comes out DIFFERENTLY"
        say(out(), f"computed again: {same}", "green" if found.same else "bold red")


def _steps_table(found: Explanation) -> Table:
    """A row for each step, a column for each variant."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("step", overflow="fold")
    names = list(found.steps[0].shares)
    for name in names:
        table.add_column(name, justify="right")
    priced = any(step.withheld for step in found.steps)
    if priced:
        table.add_column("withheld", justify="right")
    for step in found.steps:
        cells = [Text("removed", "red") if name in step.removed else percent(step.shares[name]) for name in names]
        table.add_row(_words(step.name), *cells, *([percent(step.withheld)] if priced else []))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")
