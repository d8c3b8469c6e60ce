from typing import Any

import numpy as np
import pytest
from rich.console import Console

from optimizer.cli.demo_tables import result_table, verdict
from optimizer.demo.replay import Replay
from optimizer.demo.results import counted_alike, result_json, segment_results, wilson

VERIFIED = {"ok": True, "decisions": 6, "outcomes": 9, "cells": 4, "recomputed": 6}


def rate(trials: int, positives: int) -> dict[str, Any]:
    return {"trials": trials, "positives": positives, "rate": positives / trials, "low": 0.1, "high": 0.9}


def reported(segment: str, trials: int, positives: int) -> dict[str, Any]:
    shares = {"mens-mail": 0.7, "womens-mail": 0.2, "no-mail": 0.1}
    variants = [{"variant": name, "allocation": share} for name, share in shares.items()]
    return {"segment": segment, "variants": variants, "learning": rate(trials, positives)}


@pytest.fixture
def done() -> Replay:
    return Replay(
        segments=np.array(["few", "many", "many", "many", "many", "few"]),
        decided=np.array([0, 0, 1, 2, 0, 1]),
        logged=np.array([0, 1, 1, 2, 0, 1]),
        rewarded=np.array([1, 1, 0, 0, 1, 0], bool),
        propensities=np.full(6, 1 / 3),
        n_batches=2,
        deciding_seconds=1.0,
        seconds=2.0,
        report={"segments": [reported("few", 2, 1), reported("many", 3, 1), reported("nobody", 1, 0)]},
    )


def test_segments_come_largest_first_then_everyone(done: Replay) -> None:
    many, few, everyone = segment_results(done)
    assert (many.segment, few.segment, everyone.segment) == ("many", "few", "everyone")
    assert (many.customers, many.trials, many.rate) == (4, 3, pytest.approx(1 / 3))
    assert (many.uniform, many.best) == (0.5, ("mens-mail", 1.0))
    assert many.lift == pytest.approx(-1 / 3)
    assert everyone.customers == 6
    assert everyone.allocation == {}


def test_the_counts_of_the_service_are_compared_with_what_was_sent(done: Replay) -> None:
    assert not counted_alike(done)  # the report claims one trial in a segment nobody is in
    done.report["segments"].pop()
    assert counted_alike(done)


def test_everything_is_shown_to_people_and_machines(done: Replay) -> None:
    done.report["segments"].pop()
    console = Console(record=True, width=120, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(result_table(done, "visit"))
        console.print(verdict(done, VERIFIED, "visit"))
    text = captured.get()
    for said in ("many", "mens-mail", "equal", "lift", "6 decisions and 9 outcomes"):
        assert said in text
    assert result_json(done, VERIFIED, "tests")["segments"][0]["lift"] == pytest.approx(-1 / 3)


def test_a_ledger_that_is_not_clean_is_said_to_be_so(done: Replay) -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(verdict(done, {**VERIFIED, "ok": False}, "visit"))
    assert "NOT verified" in captured.get()


def test_wilson_interval_is_that_of_the_literature() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
