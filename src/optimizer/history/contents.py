"""One pass over a history before it is used: what is in it, so that every chunk has the same arms and features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import ATTRIBUTE, ELIGIBLE, PROPENSITY, SEGMENT, UNUSABLE, VARIANT, is_category
from optimizer.history.mapping import Mapping

MOST_NAMES = 10_000  # different variants, segments, or values of a category; beyond it a column is none of these


@dataclass(frozen=True, slots=True)
class Contents:
    """What a history holds.

    Attributes:
        rows: how many rows it has, usable or not.
        unusable: how many of them cannot be used, by reason.
        variant_ids, segment_ids: their names, in the order of the arms and segments.
        chosen: how often each variant was chosen in each segment, by ``(segment, variant)``; usable rows only.
        categories: values that are told apart of each attribute that is a category.
        incomplete: attributes that are numbers and have a feature that says where they are missing.
    """

    rows: int
    unusable: dict[str, int]
    variant_ids: tuple[str, ...]
    segment_ids: tuple[str, ...]
    chosen: dict[tuple[str, str], int]
    categories: dict[str, tuple[str, ...]]
    incomplete: frozenset[str]


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    chosen: Counter[tuple[str, str]] = field(default_factory=Counter)
    eligible: set[str] = field(default_factory=set)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)


def contents(batches: Iterable[pl.DataFrame], mapping: Mapping, place: str = "history") -> Contents:
    """What is in the batches of a standard frame with its column `UNUSABLE`; holds one batch at a time.

    Raises:
        InvalidRequest: a column that should hold names holds too many different ones.
    """
    tally = _Tally()
    for batch in batches:
        _add(tally, batch, mapping, place)
    segments = {segment for segment, _ in tally.chosen}
    variants = {variant for _, variant in tally.chosen} | tally.eligible
    declared = {attribute.called: attribute.values for attribute in mapping.attributes}
    optional = {attribute.called: attribute.optional for attribute in mapping.attributes}
    return Contents(
        rows=tally.rows,
        unusable=dict(sorted(tally.unusable.items())),
        variant_ids=mapping.variant_ids or in_natural_order(variants),
        segment_ids=mapping.segments or in_natural_order(segments),
        chosen=dict(sorted(tally.chosen.items())),
        categories={
            name: declared.get(name) or _most_frequent(values, mapping.most_categories)
            for name, values in tally.values.items()
        },
        incomplete=frozenset(
            name for name in tally.numbers if optional[name] or (optional[name] is None and name in tally.incomplete)
        ),
    )


def estimated_shares(found: Contents) -> pl.DataFrame:
    """Share of each variant among the decisions of its segment, as the columns segment, variant and propensity.

    Right where variants were chosen by chance with the segment's own probabilities, and always flagged as estimated.
    """
    totals: Counter[str] = Counter()
    for (segment, _), n in found.chosen.items():
        totals[segment] += n
    return pl.DataFrame(
        [(segment, variant, n / totals[segment]) for (segment, variant), n in found.chosen.items()],
        schema={SEGMENT: pl.String, VARIANT: pl.String, PROPENSITY: pl.Float64},
        orient="row",
    )


def in_natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sorted by what they say: whole numbers by their size, before all others by their letters."""
    return tuple(sorted(names, key=lambda name: (0, int(name), name) if _is_whole(name) else (1, 0, name)))


def _is_whole(name: str) -> bool:
    return name.isascii() and name.removeprefix("-").isdigit() and len(name) < 20


def _add(tally: _Tally, batch: pl.DataFrame, mapping: Mapping, place: str) -> None:
    tally.rows += len(batch)
    for reason, n in batch[UNUSABLE].drop_nulls().value_counts().iter_rows():
        tally.unusable[reason] += n
    usable = batch.filter(pl.col(UNUSABLE).is_null())
    for segment, variant, n in usable.group_by(SEGMENT, VARIANT).len().iter_rows():
        tally.chosen[segment, variant] += n
    _check_size(tally.chosen, f"{place}.variant", "pairs of segment and variant")
    if ELIGIBLE in usable.columns and mapping.variants is None:
        tally.eligible.update(usable[ELIGIBLE].explode().drop_nulls().unique())
    for column, kind in usable.schema.items():
        if not column.startswith(ATTRIBUTE):
            continue
        name, values = column.removeprefix(ATTRIBUTE), usable[column]
        if is_category(kind):
            counts = tally.values.setdefault(name, Counter())
            for value, n in values.drop_nulls().value_counts().iter_rows():
                counts[value] += n
            _check_size(counts, f"{place}.attributes.{name}", "values of a category")
        else:
            tally.numbers.add(name)
            if values.null_count():
                tally.incomplete.add(name)


def _check_size(counts: Counter[str] | Counter[tuple[str, str]], place: str, what: str) -> None:
    if len(counts) > MOST_NAMES:
        raise InvalidRequest(RequestFinding(place, f"more than {MOST_NAMES:,} {what}", f"at most {MOST_NAMES:,}"))


def _most_frequent(values: Counter[str], most: int) -> tuple[str, ...]:
    """The most frequent ones, equals in the order of their letters, listed in natural order."""
    ranked = sorted(values, key=lambda value: (-values[value], value))
    return in_natural_order(ranked[:most])
