"""``optimizer warm-start``: what a history teaches a campaign before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.axis import percent
from optimizer.cli.scenario_options import DataOption, RewardColumnOption, SegmentColumnOption, VariantColumnOption
from optimizer.cli.terminal import Command, JsonOption, emit, err, examples, say


def add_to(app: typer.Typer) -> None:
    app.command(
        name="warm-start",
        cls=Command,
        epilog=examples(
            "optimizer warm-start mails.yaml",
            "optimizer warm-start log.csv --variant mail --reward bought --weight 0.1",
            "optimizer warm-start log.csv --variant mail --reward bought --segment region --prior",
            "optimizer warm-start tests.csv --test test_id --trials impressions --successes clicks --prior",
        ),
    )(warm_start)


def warm_start(  # noqa: PLR0913, PLR0917 - one for each option
    what: Annotated[
        Path,
        typer.Argument(metavar="SCENARIO | HISTORY", exists=True, dir_okay=False, help="A scenario, or a log alone."),
    ],
    variant: VariantColumnOption = None,
    reward: RewardColumnOption = None,
    segment: SegmentColumnOption = None,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="COLUMN", help="Of a file with a row for each variant of each test: the test."),
    ] = None,
    trials: Annotated[str | None, typer.Option("--trials", metavar="COLUMN", help="Likewise: its trials.")] = None,
    successes: Annotated[
        str | None, typer.Option("--successes", metavar="COLUMN", help="Likewise: how many of them succeeded.")
    ] = None,
    prior: Annotated[
        bool, typer.Option("--prior", help="Learn the prior of all variants from how the rates of these differ.")
    ] = False,
    weight: Annotated[
        float,
        typer.Option("--weight", min=0.0001, max=1.0, help="What a trial of the history counts of one made here."),
    ] = 0.2,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print what a history knows about variants, as the part of a campaign's document that begins with it."""
    from optimizer.errors import InvalidRequest, RequestFinding
    from optimizer.history.counts import CountsMapping, read_counts
    from optimizer.scenarios import warm_starts

    counted = {"test": test, "trials": trials, "successes": successes}
    named = {"variant": variant, "reward": reward, "segment": segment}
    if any(counted.values()):
        missing = [name for name, column in counted.items() if column is None]
        if missing:
            raise InvalidRequest(RequestFinding(f"--{missing[0]}", "none", f"a column of {what}, as others are named"))
        if variant is None and not prior:
            allowed = "--prior, or --variant: without it the variants of different tests have nothing in common"
            raise InvalidRequest(RequestFinding("--test", "tests without names of variants", allowed))
        mapping = CountsMapping.model_validate(counted | {"variant": variant})
        tried = warm_starts.tried_in_counts(read_counts(what, mapping))
    else:
        columns = {name: column for name, column in named.items() if column is not None}
        tried = warm_starts.tried_in(warm_starts.named_history(what, data, columns))
    if prior:
        learned = tried.prior()
        if json:
            emit({"prior": {"successes": learned.successes, "failures": learned.failures}, "arms": learned.n_arms})
            return
        typer.echo(warm_starts.prior_block(learned))
        size = learned.successes + learned.failures
        said = f"expects {percent(learned.mean, 2)} of the trials to succeed, as if {size:,.0f} had been made"
        say(err(), f"learned from {learned.n_arms:,} arms: {said}", "dim")
        return
    if json:
        sums = zip(tried.variant_ids, tried.trials.sum(axis=1), tried.successes.sum(axis=1), strict=True)
        variants = {name: {"trials": int(n), "successes": int(k)} for name, n, k in sums}
        emit({"warm_start": {"weight": weight, "variants": variants}})
        return
    typer.echo(warm_starts.warm_start_block(tried, weight))
    say(err(), "counted as they were sent: where variants went to different people, `optimizer evaluate` first", "dim")
