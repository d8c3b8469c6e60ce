"""Which column of a history says what: a frozen document, written in YAML or in Python.

In YAML::

  history:
    variant: segment
    variants: {"Mens E-Mail": mens-mail, "Womens E-Mail": womens-mail, "No E-Mail": no-mail}
    reward: visit
    propensity: 0.3333333333333333
    attributes: [recency, history, {column: zip_code, values: [Rural, Surburban, Urban]}]
"""

from __future__ import annotations

from collections import abc
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from optimizer.domain.feedback import PropensitySource
from optimizer.strategy.fields import Document, Number, not_allowed

Unit = Literal["text", "s", "ms", "us"]
Column = Annotated[str, Field(description="name of a column of the file")]
Names = Annotated[abc.Mapping[str, str], Field(min_length=1)]


def _as_column(written: Any) -> Any:
    """A name alone is short for ``{column: name}``."""
    return {"column": written} if isinstance(written, str) else written


def _as_list(written: Any) -> Any:
    return (written,) if isinstance(written, str) else written


def _as_names(written: Any) -> Any:
    """A list of names is short for names that stay as they are."""
    return {name: name for name in written} if isinstance(written, list | tuple) else written


def _as_texts(written: Any) -> Any:
    if written is None:
        return None
    values = written if isinstance(written, list | tuple) else (written,)
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _as_propensity(written: Any) -> Any:
    if written == "estimate":
        return {"estimate": True}
    return {"constant": written} if isinstance(written, int | float) else _as_column(written)


class Amount(Document):
    """A number of each row.

    A text or true/false column becomes 1 where it is one of the `positive` values and 0 elsewhere.
    """

    column: Column
    positive: Annotated[tuple[str, ...] | None, BeforeValidator(_as_texts)] = Field(
        default=None, description="values that count as 1, all others as 0; without it the column holds numbers"
    )
    scale: Number = Field(default=1.0, description="what the number is multiplied by, such as -1 for a loss")


class Time(Document):
    """When each decision was made."""

    column: Column
    unit: Unit | None = Field(
        default=None, description="text (ISO 8601, UTC where it names no offset), or s, ms, us since 1970"
    )


class Propensity(Document):
    """Probability with which each row's variant was chosen: exactly one of the first four keys."""

    column: Column | None = None
    constant: Annotated[Number, Field(gt=0, le=1)] | None = Field(default=None, description="the same for all rows")
    shares: abc.Mapping[str, Annotated[Number, Field(gt=0, le=1)]] | None = Field(
        default=None, description="by variant, where each was chosen with a probability of its own"
    )
    estimate: Literal[True] | None = Field(
        default=None, description="share of the variant among the decisions of its segment, counted in the history"
    )
    source: PropensitySource | None = Field(
        default=None, description="where a column comes from, when it was not logged: constant or estimated"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Propensity:
        given = [name for name in ("column", "constant", "shares", "estimate") if getattr(self, name) is not None]
        if len(given) != 1:
            raise not_allowed(f"one of column, constant, shares, estimate; found {', '.join(given) or 'none'}")
        return self

    @property
    def known_from(self) -> PropensitySource:
        """Where the propensities come from."""
        if self.source is not None:
            return self.source
        if self.estimate:
            return "estimated"
        return "logged" if self.column is not None else "constant"


class Eligible(Document):
    """Which variants could be chosen for each row: a list, or a text of names with something between them."""

    column: Column
    separator: str = Field(default="|", min_length=1, description="what stands between the names of a text")


class Attribute(Document):
    """Something known of the recipient: numbers as they are, a category as one feature for each value."""

    column: Column
    name: str | None = Field(default=None, description="what to call it; by default as the column")
    values: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="values of a category; by default the most frequent of the history"
    )
    optional: bool | None = Field(
        default=None, description="whether a number has a feature that is 1 where it is missing; by default if any is"
    )

    @property
    def called(self) -> str:
        """Its name."""
        return self.column if self.name is None else self.name


class Mapping(Document):
    """Which column of a history says what.

    Rows that cannot be used are counted by reason; see `optimizer.history.opening.History.unusable`.
    """

    variant: Column
    variants: Annotated[Names | None, BeforeValidator(_as_names)] = Field(
        default=None,
        description="every variant: a list, or what the file calls it and what it is to be called; gives their order",
    )
    reward: Annotated[Amount, BeforeValidator(_as_column)]
    propensity: Annotated[Propensity, BeforeValidator(_as_propensity)]
    segment: Annotated[tuple[Column, ...], BeforeValidator(_as_list)] = Field(
        default=(), description="column of the segment, or several to be crossed; without it all are one segment"
    )
    segments: tuple[str, ...] | None = Field(default=None, min_length=1, description="every segment; gives their order")
    recipient: Column | None = None
    decision_id: Column | None = None
    time: Annotated[Time | None, BeforeValidator(_as_column)] = None
    order: Literal["file", "time"] = Field(
        default="file", description="`time` sorts the rows, for which all must fit into memory"
    )
    attributes: tuple[Annotated[Attribute, BeforeValidator(_as_column)], ...] = Field(default=(), max_length=500)
    most_categories: int = Field(
        default=50, ge=1, le=1_000, description="how many values of a category are told apart at most"
    )
    eligible: Annotated[Eligible | None, BeforeValidator(_as_column)] = None
    cost: Annotated[Amount | None, BeforeValidator(_as_column)] = None
    outcomes: abc.Mapping[str, Annotated[Amount, BeforeValidator(_as_column)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _time_to_sort_by(self) -> Mapping:
        if self.order == "time" and self.time is None:
            raise not_allowed("order: time together with time, the column to sort by")
        return self

    @property
    def variant_ids(self) -> tuple[str, ...] | None:
        """Names of the variants in their order; None when the history is to tell."""
        return None if self.variants is None else tuple(dict.fromkeys(self.variants.values()))

    def columns(self) -> list[tuple[str, str]]:
        """Every column it asks for, with the key that asks: ``("reward", "visit")``."""
        found: list[tuple[str, str]] = [("variant", self.variant), ("reward", self.reward.column)]
        found += [(f"segment[{n}]", column) for n, column in enumerate(self.segment)]
        found += [(f"attributes[{n}]", attribute.column) for n, attribute in enumerate(self.attributes)]
        found += [(f"outcomes.{name}", amount.column) for name, amount in self.outcomes.items()]
        for key in ("propensity", "time", "eligible", "cost"):
            part = getattr(self, key)
            if part is not None and part.column is not None:
                found.append((key, part.column))
        for key in ("recipient", "decision_id"):
            if getattr(self, key) is not None:
                found.append((key, getattr(self, key)))
        return found
