"""Frames of pandas, column by column: polars would ask for pyarrow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import polars as pl

from optimizer.errors import ConfigurationError


def pandas_frame(frame: pl.DataFrame) -> Any:
    """The same rows and columns for pandas.

    Times become ``datetime64[us, UTC]``; numbers and truth values keep their types, in the nullable ones of pandas
    where some are missing; texts become pandas' own; lists stay lists.

    Raises:
        ConfigurationError: pandas is not installed.
    """
    try:
        pd = import_module("pandas")  # whoever stays with polars needs none
    except ImportError:
        raise ConfigurationError("pandas: found none; allowed after `pip install pandas`") from None
    return pd.DataFrame({column.name: _column(pd, column) for column in frame})


def _column(pd: Any, column: pl.Series) -> Any:
    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        naive = pd.Series(column.dt.replace_time_zone(None).to_numpy(), dtype="datetime64[us]")
        return naive.dt.tz_localize("UTC")
    if kind == pl.Boolean:
        return pd.array(column.to_list(), dtype="boolean") if column.null_count() else column.to_numpy()
    if kind.is_integer():
        return pd.array(column.to_list(), dtype="Int64") if column.null_count() else column.to_numpy()
    if kind.is_float():
        return column.to_numpy()  # missing ones are nan
    if kind == pl.String:
        return pd.array(column.to_list(), dtype=pd.StringDtype(storage="python"))
    return pd.Series(column.to_list(), dtype=object)
