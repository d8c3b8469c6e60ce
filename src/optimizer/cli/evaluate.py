"""``optimizer evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.scenario_options import (
    BackendOption,
    DataOption,
    JobsOption,
    OutOption,
    PropensityOption,
    RewardColumnOption,
    SchedulerOption,
    SeedOption,
    SegmentColumnOption,
    VariantColumnOption,
    finish,
    workers,
)
from optimizer.cli.terminal import NOT_FINE, WRONG_USAGE, Command, JsonOption, examples, fail

if TYPE_CHECKING:
    from optimizer.scenarios.reading import ScenarioRead


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer evaluate mails.yaml",
            "optimizer evaluate mails.yaml --data histories --jobs 4 --json",
            "optimizer evaluate log.csv --variant mail --reward bought --propensity 0.5",
            "optimizer evaluate log.csv --variant mail --reward bought --propensity p --policy offer=0.7,news=0.3",
        )
        + "\nExit codes\n  0 no policy is refused, 1 one is refused or the scenario has a mistake, 2 wrong usage, "
        "3 cannot read, write or reach something",
    )(evaluate)


def evaluate(  # noqa: PLR0913, PLR0917 - one for each option
    what: Annotated[
        Path, typer.Argument(metavar="SCENARIO | HISTORY", dir_okay=False, help="A scenario, or a log alone.")
    ],
    variant: VariantColumnOption = None,
    reward: RewardColumnOption = None,
    propensity: PropensityOption = None,
    segment: SegmentColumnOption = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="WHAT", help="A variant, or shares a=0.7,b=0.3; default each variant alone."),
    ] = None,
    seed: SeedOption = None,
    jobs: JobsOption = 1,
    backend: BackendOption = "loky",
    scheduler: SchedulerOption = None,
    out_folder: OutOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Judge fixed policies on a log of what another one chose: what would each have earned, and can that be trusted?"""
    from optimizer.scenarios.quick import quick_scenario
    from optimizer.scenarios.reading import SCENARIOS, read_scenario
    from optimizer.scenarios.running import evaluate_scenario
    from optimizer.scenarios.writing import result_folder

    columns = {"variant": variant, "reward": reward, "propensity": propensity, "segment": segment}
    given = {name: column for name, column in columns.items() if column is not None}
    read: ScenarioRead
    if what.suffix in SCENARIOS:
        if given or policy:
            name = next(iter(given), "policy")
            fail(f"--{name}: found one beside a scenario; allowed in the scenario: {what} says it itself", WRONG_USAGE)
        read = read_scenario(what)
    else:
        read = quick_scenario(what, given, policy or [])
    with workers(jobs, backend, scheduler) as crew:
        result = evaluate_scenario(read.changed(seed=seed), crew, data)
    finish(result, out_folder or result_folder(what), json=json)
    if any(one.word == "refuse" for one in result.judged):
        raise typer.Exit(NOT_FINE)
