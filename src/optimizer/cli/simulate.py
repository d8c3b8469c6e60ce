"""``optimizer simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.scenario_options import (
    BackendOption,
    DataOption,
    JobsOption,
    OutOption,
    SchedulerOption,
    SeedOption,
    finish,
    workers,
)
from optimizer.cli.terminal import Command, JsonOption, examples


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer simulate scenarios/first-rehearsal.yaml",
            "optimizer simulate scenarios/first-rehearsal.yaml --replications 100 --jobs 4",
            "optimizer simulate mails.yaml --replay --data histories --json",
        )
        + "\nExit codes\n  0 done, 1 a mistake in the scenario, 2 wrong usage, 3 cannot read, write or reach something",
    )(simulate)


def simulate(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", dir_okay=False, help="A scenario: YAML.")],
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay learning policies on the history, instead of a rehearsal.")
    ] = False,
    replications: Annotated[
        int | None,
        typer.Option("--replications", min=1, max=10_000, metavar="N", help="Instead of the scenario's number."),
    ] = None,
    seed: SeedOption = None,
    jobs: JobsOption = 1,
    backend: BackendOption = "loky",
    scheduler: SchedulerOption = None,
    out_folder: OutOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Rehearse a campaign before it is live: what would each policy earn, spend and learn, within its guardrails?

    Nothing is sent. The engine is the service's own; the world is the scenario's: synthetic, or fitted to a history.
    """
    from optimizer.scenarios.reading import read_scenario
    from optimizer.scenarios.running import rehearse_scenario, replay_scenario
    from optimizer.scenarios.writing import result_folder

    read = read_scenario(scenario).changed(seed=seed, replications=replications)
    with workers(jobs, backend, scheduler) as crew:
        result = (replay_scenario if replay else rehearse_scenario)(read, crew, data)
    finish(result, out_folder or result_folder(scenario), json=json)
