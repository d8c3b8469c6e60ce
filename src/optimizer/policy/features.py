"""Features: what is known of a recipient as one row of numbers, the same in a fit and in a decision."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from math import isnan, nan
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes

Floats = NDArray[np.float64]
Kind = Literal["category", "number", "boolean"]

FARTHEST: Final = 4.0  # a number further than this many scales from its location counts as this far
INTERCEPT, MAIN, PAIR = range(3)  # what a column is of

_LARGEST = 1e150  # the square of a number, and the sum of many, is one, too
_IQR_OF_NORMAL = 1.3489795003921634  # between the quartiles of a standard normal


@dataclass(frozen=True, slots=True)
class Described:
    """An attribute that features are made of.

    Attributes:
        name: its name.
        kind: what its values are.
        values: of a category, every declared value.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns it has: one for each value of a category, else one."""
        return len(self.values) if self.kind == "category" else 1


@dataclass(frozen=True, slots=True)
class Features:
    """How a recipient's attributes become a row of ``D`` numbers: 1, those of each attribute, and their products.

    A category has a column for each of its values, 1 where it is that one; a boolean is 1 for true; a number is its
    distance from a location in scales, cut off at `FARTHEST`. What is not known, or not of the declared type, is 0.
    The columns of an interaction are all products of a column of the one attribute and a column of the other.

    Attributes:
        described: ``M`` attributes.
        interactions: pairs of their names.

    Raises:
        ValueError: an interaction names what is not described, or one attribute twice.
    """

    described: tuple[Described, ...]
    interactions: tuple[tuple[str, str], ...] = ()
    _readers: tuple[tuple[str, Callable[[object], float]], ...] = field(init=False, repr=False, compare=False)
    of_columns: NDArray[np.int64] = field(init=False, repr=False, compare=False)  # [D], INTERCEPT, MAIN or PAIR
    _sources: NDArray[np.int64] = field(init=False, repr=False, compare=False)  # attribute of each main column
    _codes: Floats = field(init=False, repr=False, compare=False)  # value it stands for; nan where it is a measure
    _lefts: NDArray[np.int64] = field(init=False, repr=False, compare=False)  # main columns that a pair multiplies
    _rights: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sources = [m for m, each in enumerate(self.described) for _ in range(each.width)]
        codes = [
            float(code) if each.kind == "category" else np.nan for each in self.described for code in range(each.width)
        ]
        columns: dict[str, list[int]] = {each.name: [] for each in self.described}
        for column, source in enumerate(sources):
            columns[self.described[source].name].append(column)
        pairs = [pair for names in self.interactions for pair in self._products(names, columns)]
        readers = tuple((each.name, _reader(each)) for each in self.described)
        kinds = [INTERCEPT] + [MAIN] * len(sources) + [PAIR] * len(pairs)
        object.__setattr__(self, "_readers", readers)
        object.__setattr__(self, "of_columns", np.array(kinds, np.int64))
        object.__setattr__(self, "_sources", np.array(sources, np.int64))
        object.__setattr__(self, "_codes", np.array(codes, np.float64))
        object.__setattr__(self, "_lefts", np.array([left for left, _ in pairs], np.int64))
        object.__setattr__(self, "_rights", np.array([right for _, right in pairs], np.int64))

    @staticmethod
    def _products(names: tuple[str, str], columns: dict[str, list[int]]) -> list[tuple[int, int]]:
        one, other = names
        if one == other or one not in columns or other not in columns:
            raise ValueError(f"interactions: found {one} and {other}; allowed two of {', '.join(columns)}")
        return list(product(columns[one], columns[other]))

    @property
    def n_columns(self) -> int:
        """``D``."""
        return len(self.of_columns)

    def numbers(self, rows: Sequence[Attributes]) -> Floats:
        """Attributes of ``N`` recipients as numbers, ``[N, M]``; nan where unknown, or not of the declared type.

        A number is itself, a boolean 0 or 1, a category the place of its value among the declared ones.
        """
        found = [[read(row.get(name)) for name, read in self._readers] for row in rows]
        return np.array(found, np.float64).reshape(len(rows), len(self.described))

    def rows(self, numbers: Floats, location: Floats, scale: Floats) -> Floats:
        """Rows of features of ``N`` recipients, ``[N, D]``.

        Args:
            numbers: their attributes, see `numbers`.
            location: of each attribute, ``[M]``, see `scaling`.
            scale: the same.
        """
        values = numbers[:, self._sources]
        measured = (values - location[self._sources]) / scale[self._sources]
        measured = np.minimum(np.maximum(measured, -FARTHEST), FARTHEST)
        measured[np.isnan(measured)] = 0.0
        main = np.where(np.isnan(self._codes), measured, values == self._codes)
        products = main[:, self._lefts] * main[:, self._rights]
        return np.concatenate([np.ones((len(numbers), 1)), main, products], axis=1)

    def scaling(self, numbers: Floats) -> tuple[Floats, Floats]:
        """Location and scale of each attribute, ``[M]`` each: those of numbers as seen, 0 and 1 for the others.

        Median and distance of the quartiles: one giant among them moves neither. Where half of them are the same, mean
        and standard deviation; where all are, scale 1.
        """
        location, scale = np.zeros(len(self.described)), np.ones(len(self.described))
        for m, each in enumerate(self.described):
            known = numbers[np.isfinite(numbers[:, m]), m]
            if each.kind != "number" or len(known) == 0:
                continue
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            location[m], scale[m] = middle, (high - low) / _IQR_OF_NORMAL
            if not scale[m] > 0.0:
                location[m], scale[m] = known.mean(), known.std()
            if not (scale[m] > 0.0 and np.isfinite(scale[m])):
                scale[m] = 1.0
        return location, scale

    def as_numbers(self) -> Floats:
        """These features as numbers, which is what a belief keeps: the characters of their description."""
        described = {"described": [asdict(each) for each in self.described], "interactions": self.interactions}
        return np.frombuffer(json.dumps(described).encode(), np.uint8).astype(np.float64)

    @classmethod
    def of_numbers(cls, numbers: Floats) -> Features:
        """The features that `as_numbers` wrote down."""
        found = json.loads(bytes(numbers.astype(np.uint8)).decode())
        described = tuple(Described(e["name"], e["kind"], tuple(e["values"])) for e in found["described"])
        return cls(described, tuple((one, other) for one, other in found["interactions"]))


def _reader(described: Described) -> Callable[[object], float]:
    """What makes a number of one attribute's value."""
    if described.kind == "number":
        return _number
    if described.kind == "boolean":
        return lambda value: float(value) if isinstance(value, bool) else nan
    places = {value: float(place) for place, value in enumerate(described.values)}
    return lambda value: places.get(value, nan) if isinstance(value, str) else nan


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return nan
    # A whole number may be larger than any float, and nan is neither larger nor smaller.
    return float(min(max(value, -_LARGEST), _LARGEST)) if isinstance(value, int) or not isnan(value) else nan
