"""What is known of recipients, as typed columns: which of them segments may be made of, and what may be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute, NumberAttribute, TextAttribute

FEWEST_RECIPIENTS = 50  # of a cell that is shown or named: fewer might be somebody
UNKNOWN = -1  # code of a category that is missing, or not one of the known ones

_FEWEST_KNOWN = 0.05  # share of rows in which an attribute must be known to be looked at


class Kind(StrEnum):
    """How an attribute is to be read."""

    CATEGORY = "category"
    NUMBER = "number"
    RECENCY = "recency"  # a number of days since something
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One attribute of ``N`` decisions.

    Attributes:
        name: as the strategy or the history calls it.
        kind: how to read it.
        values: ``[N]`` floats: a number, NaN where it is missing; 0 or 1 of a boolean; a place in `categories`, or -1.
        categories: what a category may be.
        is_sensitive: declared so: it is never looked at, whatever it holds.
        reveals: the sensitive attribute it is declared to give away; then it is never looked at, either.
    """

    name: str
    kind: Kind
    values: NDArray[np.float64]
    categories: tuple[str, ...] = ()
    is_sensitive: bool = False
    reveals: str | None = None

    def taken(self, rows: NDArray[Any]) -> Column:
        """These rows of it."""
        return Column(self.name, self.kind, self.values[rows], self.categories, self.is_sensitive, self.reveals)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows in which it is known, ``[N]``."""
        return self.values >= 0.0 if self.kind is Kind.CATEGORY else ~np.isnan(self.values)


def declared_column(name: str, declared: Attribute, values: Sequence[object]) -> Column | None:
    """A declared attribute as a column; None of free text, which is about one person.

    What is not of the declared type is missing, as it is to segment rules.

    Args:
        name: of the attribute.
        declared: its declaration.
        values: one for each decision; None where it is missing.
    """
    if isinstance(declared, TextAttribute):
        return None
    sensitive, reveals = declared.sensitive, declared.reveals
    if isinstance(declared, CategoryAttribute):
        places = {value: place for place, value in enumerate(declared.values)}
        codes = [places.get(value, UNKNOWN) if isinstance(value, str) else UNKNOWN for value in values]
        return Column(name, Kind.CATEGORY, _floats(codes), declared.values, sensitive, reveals)
    if isinstance(declared, BooleanAttribute):
        truths = [np.nan if value is None else _truth(value) for value in values]
        return Column(name, Kind.BOOLEAN, _floats(truths), is_sensitive=sensitive, reveals=reveals)
    numbers = _floats([_number(value) for value in values])
    return Column(name, kind_of(name, declared), numbers, is_sensitive=sensitive, reveals=reveals)


def kind_of(name: str, declared: NumberAttribute | None = None) -> Kind:
    """Whether a number counts days since something, by its derivation or else its name."""
    if declared is not None and declared.from_ is not None:
        return Kind.RECENCY if declared.from_.measure == "days_since" else Kind.NUMBER
    return Kind.RECENCY if name.lower().startswith(("days_since", "days since")) else Kind.NUMBER


def usable(columns: Sequence[Column], fewest: int = FEWEST_RECIPIENTS) -> tuple[list[Column], dict[str, str]]:
    """Columns that segments may be made of, and why each of the others is left out, by name.

    Sensitive attributes and those declared to give one away are left out before anything in them is looked at.
    """
    kept: list[Column] = []
    left_out: dict[str, str] = {}
    for column in columns:
        if column.is_sensitive:
            left_out[column.name] = "sensitive"
        elif column.reveals is not None:
            left_out[column.name] = f"gives away {column.reveals}, which is sensitive"
        elif column.known.sum() < max(fewest, _FEWEST_KNOWN * len(column.values)):
            left_out[column.name] = "hardly ever known"
        elif len(np.unique(column.values[column.known])) < 2 and column.known.all():
            left_out[column.name] = "the same for all"
        else:
            kept.append(column)
    return kept, left_out


def _floats(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    return float(value) if np.isfinite(value) else np.nan


def _truth(value: object) -> float:
    return float(value) if isinstance(value, bool | float | int) and value in {0, 1} else np.nan
