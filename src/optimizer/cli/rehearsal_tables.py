"""What rehearsals and replays found, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import percent
from optimizer.cli.terminal import say

if TYPE_CHECKING:
    from optimizer.scenarios.result import Difference, Measured, Reached, Rehearsed, Result

_SHOWN_REASONS = 6


def show_heading(console: Console, result: Result) -> None:
    """Which question was asked of what."""
    what = Text.assemble((result.scenario, "bold"), f" · {result.kind} · seed {result.seed}")
    if result.campaign is not None:
        what.append(f" · campaign {result.campaign}, maximises {result.objective}")
    console.print(what, soft_wrap=True)
    if result.question:
        say(console, result.question, "dim")
    read = result.history
    if read is not None:
        say(
            console,
            f"history {read.file}: {read.usable:,} of {read.rows:,} rows used, propensities {read.propensity_source}",
        )
        for reason, n in read.unusable.items():
            say(console, f"  {n:,} not used: {reason}", "yellow")


def show_notes(console: Console, result: Result) -> None:
    """What the reader should know."""
    for note in result.notes:
        say(console, f"Note: {note}", "yellow")


def show_rehearsal(console: Console, result: Result) -> None:
    """What every policy came to under all guardrails."""
    show_heading(console, result)
    say(console, f"{result.replications} replications of {result.days:g} days; a mean, and ± its standard error")
    console.print(_cases_table(result))
    if result.differences:
        console.print(_differences_table(result))
    if result.rehearsed and result.rehearsed[0].learning:
        console.print(_learning_table(result.rehearsed[0]))
    for one in result.rehearsed:
        lines = [*_guardrail_lines(one)]
        if lines:
            say(console, f"{_name(one)}:", "bold")
            for line in lines:
                say(console, f"  {line}")
    show_notes(console, result)


def _cases_table(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("policy", overflow="fold", min_width=14)
    in_money = result.reward_currency or ""
    heads = (f"reward\n{in_money}", f"regret\n{in_money}", f"spend\n{result.currency}", "sends\n")
    for name in (*heads, f"lift over holdout\ntrue / measured{_comma(in_money)}", "answer after\n"):
        table.add_column(name, justify="right", no_wrap=True)
    guardrails = None
    for one in result.rehearsed:
        if one.guardrails != guardrails:
            if guardrails is not None:
                table.add_section()
            guardrails = one.guardrails
            table.add_row(Text(f"guardrails {guardrails.replace('_', ' ')}", "dim"))
        measures = one.measures
        table.add_row(
            Text(one.policy, "bold"),
            *(_number(measures[name]) for name in ("reward", "regret", "spend", "sends")),
            _lift(measures),
            _answer(one.days_to_answer),
        )
    return table


def _learning_table(first: Rehearsed) -> Table:
    """What the audience can learn, by the trials and successes of the first policy."""
    title = (
        "Audience: days until the best variant is so with probability 0.9, in 4 of 5 cases,\n"
        "with equal shares and a lead of 20 %, or what the campaign `expects` (lift)"
    )
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("segment", overflow="fold")
    for name in ("variants", "trials a day", "succeed", "days", "lift seen at the end"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for segment_id, one in first.learning.items():
        table.add_row(
            Text(segment_id),
            str(one.n_variants),
            f"{one.trials_per_day:,.0f}",
            "?" if one.rate is None else percent(one.rate, 2),
            "?" if one.days is None else f"{one.days:,.1f}",
            "?" if one.detectable_lift is None else f"+{percent(one.detectable_lift)}",
            Text(one.sentence, "yellow"),
        )
    return table


def _differences_table(result: Result) -> Table:
    table = Table(
        title="Differences, replication by replication: the same people, the same chance",
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("reward of", overflow="fold")
    table.add_column("over", overflow="fold")
    for name in (f"difference{_comma(result.reward_currency)}", "95 % interval", "relative"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.differences:
        if one.measure == "reward":
            table.add_row(_name(one), _than(one), *_difference_cells(one))
    return table


def _difference_cells(one: Difference) -> tuple[str, Text, str]:
    found = one.difference
    if found.low is None or found.high is None:
        return f"{found.mean:+,.4g}", Text("one replication", "dim"), _percent(one.relative)
    style = "green" if found.low > 0 else "red" if found.high < 0 else "dim"
    return f"{found.mean:+,.4g}", Text(f"{found.low:+,.4g} to {found.high:+,.4g}", style), _percent(one.relative)


def _guardrail_lines(one: Rehearsed) -> list[str]:
    parts = (("blocked by", one.blocks), ("done by guardrails and people", one.events))
    lines = []
    for what, counts in parts:
        most = sorted(counts.items(), key=lambda pair: (-pair[1].mean, pair[0]))[:_SHOWN_REASONS]
        said = ", ".join(f"{name.replace('_', ' ')} {_short(found.mean)}" for name, found in most if found.mean)
        if said:
            lines.append(f"{what}: {said}")
    lines += [f"{what}: {_when(found)}" for what, found in one.first_done.items()]
    over = one.measures.get("over_budget")
    if over is not None and over.mean:
        lines.append(f"OVER BUDGET in {_short(over.mean)} steps: this must never be; please report it")
    return lines


def _when(found: Reached) -> str:
    often = "always" if found.share == 1.0 else f"in {100 * found.share:.3g} %"
    return often if found.median is None else f"{often}, in half by day {found.median:.3g}"


def _name(one: Rehearsed | Difference) -> str:
    return one.policy if one.guardrails == "as_written" else f"{one.policy}, {one.guardrails}"


def _than(one: Difference) -> str:
    return one.than_policy if one.than_guardrails == "as_written" else f"{one.than_policy}, {one.than_guardrails}"


def _comma(unit: str | None) -> str:
    return f", {unit}" if unit else ""


def _number(found: Measured) -> str:
    error = "" if found.standard_error is None else f" ± {_short(found.standard_error)}"
    return f"{_short(found.mean)}{error}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"


def _lift(measures: Mapping[str, Measured]) -> str:
    if "lift_true" not in measures:
        return "no holdout"
    return f"{measures['lift_true'].mean:+.4f} / {measures['lift_measured'].mean:+.4f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f} %"


def _answer(days: Mapping[str, Reached]) -> str:
    """By when half of the replications knew the best variant, in the slowest segment."""
    if not days or any(one.median is None for one in days.values()):
        known = sum(one.median is not None for one in days.values())
        return f"{known} of {len(days)} segments" if days else "-"
    return f"{max(one.median or 0.0 for one in days.values()):.1f} days"


def show_replay(console: Console, result: Result) -> None:
    """What every learning policy would have earned."""
    show_heading(console, result)
    say(console, f"{result.replications} permutations of the history; a mean, and ± its standard error")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("policy", overflow="fold")
    for name in ("reward of a decision", "of one log", "equal split", "best alone", "rows agreed on"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.replayed:
        table.add_row(
            Text(one.policy, "bold"),
            _number(one.reward),
            f"± {_short(one.standard_error_of_one)}",
            "-" if one.equal_split is None else _short(one.equal_split),
            "-" if one.best_fixed is None else f"{_short(one.best_fixed)} {one.best_variant}",
            f"{100 * one.accepted.mean:.1f} %",
        )
    console.print(table)
    show_notes(console, result)
