"""What changed documents would have done with the requests of the last weeks, in words: for ``plan``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from optimizer.cli.terminal import say

if TYPE_CHECKING:
    from optimizer.services.documents.hindsight import Hindsight

_STYLES = {"trust": "green", "weak": "yellow", "refuse": "red"}


def show_hindsight(console: Console, found: Sequence[Hindsight], currency: str) -> None:
    """A paragraph for each campaign that would work differently and has made decisions."""
    from optimizer.domain.instants import moment

    for one in found:
        say(console, "")
        since = f"{moment(one.since):%Y-%m-%d %H:%M} UTC"
        console.print(
            Text.assemble(
                (one.campaign_id, "bold"), f" with its {one.n_decisions:,} requests since {since}, as changed:"
            ),
            soft_wrap=True,
        )
        say(console, f"  sent    {one.sent_before:,} → {one.sent_after:,}{_moved(one)}")
        say(
            console, f"  spend   {one.spend_before:,.2f} → {one.spend_after:,.2f} {currency}, as far as can be expected"
        )
        _show_reward(console, one)


def _moved(one: Hindsight) -> str:
    rules = ", ".join(f"{rule.value} {n:,}" for rule, n in one.newly_blocked.items())
    moved = [f"no longer: {rules}"] if rules else []
    moved += [f"new: {one.newly_sent:,}"] if one.newly_sent else []
    return f"  ({'; '.join(moved)})" if moved else ""


def _show_reward(console: Console, one: Hindsight) -> None:
    if one.reward_before is None or one.reward_after is None or one.lift is None or one.verdict is None:
        say(console, f"  reward  cannot be judged yet: {one.n_judged:,} drawn and matured decisions", "dim")
        return
    low, high = one.lift.intervals["bootstrap"]
    say(
        console,
        f"  reward  {one.reward_before:.4g} → {one.reward_after.value:.4g} a decision "
        f"({one.lift.value:+.4g}, 95 % {low:+.4g} to {high:+.4g}; judged off-policy on {one.n_judged:,})",
    )
    style = _STYLES[one.verdict.word]
    console.print(Text.assemble(("  verdict ", ""), (one.verdict.sentence, style)), soft_wrap=True)
