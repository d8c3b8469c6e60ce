"""Standard frames at random, and what it means that two logs are the same."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback

LARGEST = 4 * 10**15  # microseconds; about the year 2096
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
propensities = st.floats(min_value=5e-324, max_value=1.0)


@st.composite
def standard_frames(draw: Callable[..., Any]) -> pl.DataFrame:
    """A few usable rows with some of the columns a history may lack."""
    n = draw(st.integers(1, 6))
    variants = draw(st.lists(names, min_size=1, max_size=4, unique=True))

    def column(values: st.SearchStrategy[Any], kind: Any) -> pl.Series:
        return pl.Series(draw(st.lists(values, min_size=n, max_size=n)), dtype=kind)

    chosen = draw(st.lists(st.sampled_from(variants), min_size=n, max_size=n))
    columns: dict[str, pl.Series] = {}
    if draw(st.booleans()):
        columns["decision_id"] = column(st.none() | names, pl.String)
    if draw(st.booleans()):
        columns["decided_at"] = column(st.integers(-LARGEST, LARGEST), pl.Int64)
    who = draw(st.sampled_from([None, "text", "hash"]))
    if who is not None:
        kind, values = (pl.String, names) if who == "text" else (pl.UInt64, st.integers(0, 2**64 - 1))
        columns["recipient"] = column(values, kind)
    if draw(st.booleans()):
        others = draw(st.lists(st.sets(st.sampled_from(variants)), min_size=n, max_size=n))
        lists = [sorted({arm, *rest}) for arm, rest in zip(chosen, others, strict=True)]
        columns["eligible"] = pl.Series(lists, dtype=pl.List(pl.String))
    if draw(st.booleans()):
        columns["cost"] = column(numbers, pl.Float64)
    columns["segment"] = column(names, pl.String)
    columns["variant"] = pl.Series(chosen, dtype=pl.String)
    columns["propensity"] = column(propensities, pl.Float64)
    columns["reward"] = column(numbers, pl.Float64)
    for name in draw(st.lists(names, max_size=2, unique=True)):
        columns[f"outcome:{name}"] = column(numbers, pl.Float64)
    for name in draw(st.lists(names, max_size=3, unique=True)):
        kind, values = draw(st.sampled_from([(pl.String, names), (pl.Float64, numbers)]))
        columns[f"attribute:{name}"] = column(st.none() | values, kind)
    return pl.DataFrame(columns)


def assert_same(one: LoggedFeedback, other: LoggedFeedback) -> None:
    """Every field of two logs is the same, each number to its last bit."""
    for name in LoggedFeedback.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), name
        elif name == "outcomes":
            assert {k: v.tobytes() for k, v in a.items()} == {k: v.tobytes() for k, v in b.items()}
        else:
            assert a == b, name


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows, in which 0.0 and -0.0 are different and eligible variants are a set."""

    def told(name: str, value: Any) -> Any:
        if name == "eligible":
            return frozenset(value)
        return (value, math.copysign(1.0, value)) if isinstance(value, float) else value

    return [{name: told(name, value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
