"""Tables of rehearsals and evaluations name the currency of rewards that are amounts, and write large ones in full."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from tests.unit.scenarios.test_report import JUDGED, RESULT

from optimizer.cli.judgement_tables import show_judgement
from optimizer.cli.rehearsal_tables import show_rehearsal
from optimizer.scenarios.result import Estimated, Measured, Rehearsed, Result

MEASURES = {name: Measured(12_345.6, 78.9, 12_000.0, 12_700.0) for name in ("reward", "regret", "spend", "sends")}
LIFT = {"lift_true": Measured(0.25), "lift_measured": Measured(0.26)}


def shown(result: Result) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        show_rehearsal(console, result)
    return captured.get()


def test_rewards_that_are_amounts_stand_under_their_currency() -> None:
    case = Rehearsed("as_written", "as_written", measures={**MEASURES, **LIFT})
    counted = replace(RESULT, rehearsed=(case,), currency="SEK")
    text = shown(replace(counted, reward_currency="SEK"))
    heads = next(line for line in text.splitlines() if "true / measured" in line)
    assert heads.count("SEK") == 4, "reward, regret, spend and lift"
    assert "true / measured, SEK" in text
    assert "difference, SEK" in text
    assert shown(counted).count("SEK") == 1, "what was spent"


def test_estimates_of_large_amounts_are_written_in_full() -> None:
    estimates = {"ips": Estimated(1_234_567.0, 9.0, {"bootstrap": (-1_000_000.0, 2_000_000.4)})}
    lift = {"ips": Estimated(1_020.0, 9.0, {"bootstrap": (-632.4, 1_020.0)})}
    console = Console(width=160)
    with console.capture() as captured:
        show_judgement(console, replace(RESULT, judged=(replace(JUDGED, estimates=estimates, lift=lift),)))
    text = captured.get()
    for words in ("1,234,567", "-1,000,000 to 2,000,000", "-632 to +1,020"):
        assert words in text
    assert "e+0" not in text
