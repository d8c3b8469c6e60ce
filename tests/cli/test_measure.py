"""What `optimizer measure` writes: differences as fine as they are small, in their unit, whole or as a trend."""

from __future__ import annotations

import pytest
from rich.console import Console

from optimizer.cli.measure import _course, _difference, _show_money
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.measures.comparison import Comparison
from optimizer.insights.measures.money import Money, Range
from optimizer.insights.measures.trend import Course, Step, Trend

SHARE = "share of trials"


def compared(value: float, error: float, unit: str) -> Comparison:
    found = StratifiedDifference(value, value, error, 0.0, 500.0, 50.0)
    return Comparison("the holdout", unit, 1_000.0, 0.1, 1_000.0, 0.1 - value, found)


def test_small_amounts_keep_the_digits_that_tell_them_from_nothing() -> None:
    assert _difference(compared(0.0234, 0.0084, "rewards")) == "+0.0234 rewards (-0.0021 to +0.0489)"
    assert _difference(compared(1.31, 0.2, "USD")) == "+1.31 USD (+0.70 to +1.92)"
    assert _difference(compared(0.0234, 0.0084, SHARE)) == "+2.34 points (-0.21 to +4.89)"


def test_a_trend_is_counted_in_what_the_effect_is_counted_in() -> None:
    step = Step(0, 0, compared(0.02, 0.01, SHARE))
    said = _course(Trend((step,), 0.0099, -0.0489, 0.0687, Course.STEADY))
    assert said == "no trend seen (+0.99 points per doubling, -4.89 to +6.87)"


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (0.01, "0.0100 more per trial than control"),
        (-0.01, "0.0100 less per trial than control"),
        (-1e-18, "no more per trial than control"),
    ],
)
def test_what_a_trial_costs_more_is_never_less_than_nothing(cost: float, words: str) -> None:
    worth, range_ = compared(1.0, 0.1, "USD"), Range(1.0, 0.5, 1.5)
    console = Console(width=200)
    with console.capture() as captured:
        _show_money(console, Money("USD", "rewards", worth, worth, cost, 10.0, range_, range_, None), "")
    assert f"10.00 USD spent, {words}; net gain" in captured.get()
