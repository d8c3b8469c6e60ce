"""``optimizer segments discover``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.scenario_options import DataOption, PropensityOption, RewardColumnOption, VariantColumnOption
from optimizer.cli.terminal import (
    CANNOT,
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
    from optimizer.insights.discovering.discovered import Bounds, Discovered
    from optimizer.insights.discovering.found import Amount, FoundSegment

_ORDER = "Asked in this order, the first rule that matches wins:"


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        cls=Group,
        help="Find segments in what was logged.",
        no_args_is_help=True,
        epilog=examples("optimizer segments discover --campaign winback"),
    )
    group.command(
        name="discover",
        cls=Command,
        epilog=examples(
            "optimizer segments discover --campaign winback",
            "optimizer segments discover --campaign winback --segment lapsed --max-segments 3 --yaml segments.yaml",
            "optimizer segments discover mails.yaml --data histories --html segments.html",
            "optimizer segments discover log.csv --variant mail --reward bought --propensity 0.5 "
            "--attribute country --attribute visits --never gender",
        )
        + "\nExit codes\n  0 done, whether something was found or not, 2 wrong usage, 3 cannot read or write something",
    )(discover)
    app.add_typer(group, name="segments")


def discover(  # noqa: PLR0913, PLR0917 - one for each option
    what: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SCENARIO | HISTORY]", dir_okay=False, help="A scenario with a history, or a log alone."
        ),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="ID", help="Instead of a file: the ledger of this campaign.")
    ] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="ID", help="With --campaign: look within this segment alone.")
    ] = None,
    variant: VariantColumnOption = None,
    reward: RewardColumnOption = None,
    propensity: PropensityOption = None,
    recipient: Annotated[
        str | None, typer.Option("--recipient", metavar="COLUMN", help="Likewise: the recipient, if there is one.")
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="COLUMN", help="Likewise: known before the decision; may be repeated."),
    ] = None,
    never: Annotated[
        list[str] | None,
        typer.Option("--never", metavar="NAME", help="An attribute not to be looked at, such as a sensitive one."),
    ] = None,
    max_segments: Annotated[int, typer.Option("--max-segments", help="At most so many, everyone else counted.")] = 4,
    min_size: Annotated[int, typer.Option("--min-size", help="At least so many recipients in each.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of halves and folds; equal ones give equal results.")] = 0,
    yaml: Annotated[
        Path | None, typer.Option("--yaml", metavar="FILE", help="Write the segments as a campaign has them.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write everything as one page.")] = None,
    data: DataOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Find segments for which another variant is best: rules to paste, sizes, and what they would earn, judged twice.

    Half of the recipients teach the rules, the other half judge them; where no segment differs, nothing is proposed in
    97.5 of 100 logs. Sensitive attributes, and those that `reveals` one, are never looked at.
    """
    from optimizer.insights.discovering.discovered import Bounds

    columns = {"variant": variant, "reward": reward, "propensity": propensity, "recipient": recipient}
    given: dict[str, Any] = {name: column for name, column in columns.items() if column is not None}
    if attribute:
        given["attributes"] = list(attribute)
    bounds = Bounds(max_segments, min_size, seed)
    if (what is None) == (campaign is None):
        fail("what: found " + ("none" if what is None else "two") + "; allowed a file, or --campaign ID", WRONG_USAGE)
    if what is None:
        _refuse({**given, "never": never}, "with --campaign: the strategy says it")
        found = _of_campaign(str(campaign), segment, bounds, workspace)
    else:
        _refuse({"segment": segment}, "without --campaign")
        found = _of_file(what, given, never or [], bounds, data)
    for path, text in ((yaml, _yaml), (html, _html)):
        if path is not None:
            _write(path, text(found))
    if json:
        from optimizer.insights.discovering.wording import discovered_json

        emit(discovered_json(found))
    else:
        _show(found, {name: path for name, path in (("yaml", yaml), ("html", html)) if path is not None})


def _of_campaign(campaign_id: str, segment_id: str | None, bounds: Bounds, workspace: Path) -> Discovered:
    from optimizer.deployment import now
    from optimizer.services.proposing.discovering import discovered

    with opened(workspace) as deployment, deployment.store.reading() as ledger, _bar() as show:
        return discovered(
            ledger, deployment.live, campaign_id, now(), segment_id=segment_id, bounds=bounds, progress=show
        )


def _of_file(what: Path, given: Mapping[str, Any], never: list[str], bounds: Bounds, data: Path | None) -> Discovered:
    from optimizer.scenarios.quick import quick_history
    from optimizer.scenarios.reading import SCENARIOS, read_scenario
    from optimizer.scenarios.segment_search import of_scenario, searched

    with _bar() as show:
        if what.suffix in SCENARIOS:
            _refuse(given, f"in the scenario: {what} says it itself")
            return of_scenario(read_scenario(what), data, never=never, bounds=bounds, progress=show)
        history = quick_history(what, given)
        return searched(history, what.name, "reward", never=never, bounds=bounds, progress=show)


def _refuse(given: Mapping[str, Any], allowed: str) -> None:
    for name, value in given.items():
        if value:
            option = "attribute" if name == "attributes" else name
            fail(f"--{option}: found one; allowed {allowed}", WRONG_USAGE)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr while it is a terminal."""
    columns = (TextColumn("looking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = err()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _yaml(found: Discovered) -> str:
    from optimizer.insights.discovering.wording import headline, segments_yaml

    return segments_yaml(found) or f"# {headline(found)}\n"


def _html(found: Discovered) -> str:
    from optimizer.scenarios.segment_page import segment_page

    return segment_page(found)


def _write(path: Path, text: str) -> None:
    from optimizer.scenarios.whole_files import write_whole

    try:
        write_whole(path, text.encode())
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}", CANNOT)


def _show(found: Discovered, written: Mapping[str, Path]) -> None:
    from optimizer.insights.discovering.wording import basis, headline, left_out_words, segments_yaml, share_words

    console = out()
    say(console, headline(found), "bold")
    say(console, basis(found))
    for line in left_out_words(found):
        say(console, f"not looked at: {line}", "dim")
    if found.found.segments and found.found.everyone_else is not None:
        say(console, "")
        say(console, _ORDER)
        console.print(_segments(found, [*found.found.segments, found.found.everyone_else]))
        say(console, "To paste into the campaign:")
        for line in segments_yaml(found).splitlines():
            say(console, f"  {line}", "cyan")
    if found.clusters.clusters:
        say(console, "")
        fidelity = share_words(found.clusters.fidelity) if found.clusters.fidelity is not None else "-"
        say(console, f"Recipients who are alike; these rules say of {fidelity} of them where they belong:")
        console.print(_clusters(found))
    for name, path in written.items():
        say(console, f"{name}: {path}")


def _segments(found: Discovered, segments: list[FoundSegment]) -> Table:
    from optimizer.insights.discovering.wording import rule_words, share_words

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("segment", overflow="fold")
    table.add_column("whom", overflow="fold")
    table.add_column("recipients", justify="right", no_wrap=True)
    table.add_column("best", overflow="fold")
    table.add_column(f"more than {found.found.best_for_all}", overflow="fold")
    for one in segments:
        size = f"{one.recipients:,} ({share_words(one.share)})"
        table.add_row(*map(Text, (one.id, rule_words(one.rule), size, one.best, _amount(one.more, found.unit))))
    return table


def _clusters(found: Discovered) -> Table:
    from optimizer.insights.discovering.wording import level_words, rule_words, share_words, trait_words

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("whom", overflow="fold")
    table.add_column("recipients", justify="right", no_wrap=True)
    table.add_column("what distinguishes them", overflow="fold")
    table.add_column(f"reward, if all had {found.found.best_for_all}", overflow="fold")
    for one in found.clusters.clusters:
        traits = "\n".join(map(trait_words, one.traits))
        size = f"{one.recipients:,} ({share_words(one.share)})"
        table.add_row(*map(Text, (rule_words(one.rule), size, traits, level_words(one.reward, found.unit))))
    return table


def _amount(amount: Amount | None, unit: str) -> str:
    from optimizer.insights.discovering.wording import amount_words

    return "-" if amount is None else amount_words(amount, unit)
