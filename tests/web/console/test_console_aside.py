"""Processes aside: what a reading leaves there for the next."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from optimizer.web.console import aside


def frozen(*_: Any) -> int:
    """A use case."""
    return gc.get_freeze_count()


def test_python_looks_for_garbage_only_among_what_readings_make(
    sqlite_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "_READERS", [sqlite_house.deployment])
    gc.unfreeze()
    try:
        first, _ = aside._worked_out(frozen, ())
        again, _ = aside._worked_out(frozen, ())
    finally:
        gc.unfreeze()
    assert first > 10_000, "modules and what they hold"
    assert 0 < again <= first, "it is done once"
