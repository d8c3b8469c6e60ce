"""From the columns of a file to the standard columns: one lazy frame, with the reason beside each unusable row."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import polars as pl

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    DECISION_ID,
    ELIGIBLE,
    EVERYONE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    UNUSABLE,
    VARIANT,
    is_category,
)
from optimizer.history.mapping import Amount, Mapping, Propensity, Time

CROSSED = " x "  # between the values of crossed segment columns
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_ISO = "%Y-%m-%dT%H:%M:%S%.f%z"
_LISTED = 30


def standard_frame(raw: pl.LazyFrame, mapping: Mapping, place: str = "history") -> pl.LazyFrame:
    """The standard columns of every row, and `UNUSABLE`: why a row cannot be used, missing where it can.

    Propensities that are to be estimated are missing here; see `optimizer.history.contents`.

    Args:
        raw: the file as it is; a text column `UNUSABLE` in it is kept.
        mapping: which column says what.
        place: where the mapping stands, for what is said of its mistakes.

    Raises:
        InvalidRequest: a column is not there, or is of a kind that cannot be read so; with every mistake.
    """
    schema = raw.collect_schema()
    _check(schema, mapping, place)
    found = _said(mapping, schema)
    found[SEGMENT] = _segments(mapping)
    found[VARIANT] = _named(pl.col(mapping.variant), mapping)
    found[PROPENSITY] = _propensities(mapping.propensity)
    found[REWARD] = _amounts(mapping.reward, schema)
    for name, amount in mapping.outcomes.items():
        found[OUTCOME + name] = _amounts(amount, schema)
    for attribute in mapping.attributes:
        value = pl.col(attribute.column)
        text = attribute.values is not None or is_category(schema[attribute.column])
        found[ATTRIBUTE + attribute.called] = value.cast(pl.String) if text else _finite(value)
    frame = raw.select(**found)
    shares = mapping.propensity.shares
    if shares is not None:
        of_variant = pl.col(VARIANT).replace_strict(dict(shares), default=None, return_dtype=pl.Float64)
        frame = frame.with_columns(of_variant.alias(PROPENSITY))
    frame = frame.with_columns(_reason(frame.collect_schema(), mapping).alias(UNUSABLE))
    return frame.sort(DECIDED_AT, maintain_order=True) if mapping.order == "time" else frame


def _said(mapping: Mapping, schema: pl.Schema) -> dict[str, pl.Expr]:
    """The standard columns that a history may lack."""
    found: dict[str, pl.Expr] = {}
    if mapping.decision_id is not None:
        found[DECISION_ID] = pl.col(mapping.decision_id).cast(pl.String)
    if mapping.time is not None:
        found[DECIDED_AT] = _instants(mapping.time, schema)
    if mapping.recipient is not None:
        hashed = schema[mapping.recipient] == pl.UInt64
        found[RECIPIENT] = pl.col(mapping.recipient) if hashed else pl.col(mapping.recipient).cast(pl.String)
    if mapping.eligible is not None:
        names = pl.col(mapping.eligible.column)
        if schema[mapping.eligible.column] == pl.String:
            names = names.str.split(mapping.eligible.separator)
        found[ELIGIBLE] = names.list.eval(_named(pl.element(), mapping))
    if mapping.cost is not None:
        found[COST] = _amounts(mapping.cost, schema)
    if UNUSABLE in schema:
        found[UNUSABLE] = pl.col(UNUSABLE)
    return found


def _named(names: pl.Expr, mapping: Mapping) -> pl.Expr:
    """Variants under the names they are to have; others stay as they are and are unknown."""
    names = names.cast(pl.String)
    renamed = {} if mapping.variants is None else {old: new for old, new in mapping.variants.items() if old != new}
    return names.replace(renamed) if renamed else names


def _segments(mapping: Mapping) -> pl.Expr:
    if not mapping.segment:
        return pl.lit(EVERYONE)
    return pl.concat_str([pl.col(column).cast(pl.String) for column in mapping.segment], separator=CROSSED)


def _propensities(propensity: Propensity) -> pl.Expr:
    if propensity.column is not None:
        return pl.col(propensity.column).cast(pl.Float64, strict=False)
    return pl.lit(propensity.constant, dtype=pl.Float64)


def _amounts(amount: Amount, schema: pl.Schema) -> pl.Expr:
    column = pl.col(amount.column)
    if amount.positive is not None and schema[amount.column].is_numeric():
        number = column.cast(pl.Float64).is_in([float(value) for value in amount.positive]).cast(pl.Float64)
    elif amount.positive is not None:
        number = column.cast(pl.String).is_in(amount.positive).cast(pl.Float64)
    else:
        number = _finite(column)
    return number if amount.scale == 1.0 else number * amount.scale


def _finite(column: pl.Expr) -> pl.Expr:
    """Numbers; missing where there is none, or an infinite one."""
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _instants(time: Time, schema: pl.Schema) -> pl.Expr:
    kind, column = schema[time.column], pl.col(time.column)
    if isinstance(kind, pl.Datetime):
        return column.dt.epoch("us")
    if kind == pl.Date:
        return column.cast(pl.Datetime("us")).dt.epoch("us")
    if time.unit in _MICROSECONDS:
        number = column.cast(pl.Int64 if kind.is_integer() else pl.Float64, strict=False) * _MICROSECONDS[time.unit]
        return (number if kind.is_integer() else number.round()).cast(pl.Int64, strict=False)
    text = column.str.strip_chars().str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    whole = pl.when(text.str.contains("T", literal=True)).then(text).otherwise(text + "T00:00:00")
    zoned = pl.when(whole.str.contains(r"T.*[+-]\d\d:?\d\d$")).then(whole).otherwise(whole + "+00:00")
    return zoned.str.to_datetime(_ISO, time_unit="us", strict=False).dt.epoch("us")


def _reason(schema: pl.Schema, mapping: Mapping) -> pl.Expr:
    """The first reason for which a row cannot be used."""
    reasons: list[tuple[str, pl.Expr]] = [("missing variant", pl.col(VARIANT).is_null())]
    known = mapping.variant_ids
    if known is not None:
        reasons.append(("unknown variant", ~pl.col(VARIANT).is_in(known)))
    reasons.append(("missing segment", pl.col(SEGMENT).is_null()))
    if mapping.segments is not None:
        reasons.append(("unknown segment", ~pl.col(SEGMENT).is_in(mapping.segments)))
    if not mapping.propensity.estimate:
        propensity = pl.col(PROPENSITY)
        reasons += [
            ("missing propensity", propensity.is_null() | propensity.is_nan()),
            ("propensity not above 0", propensity <= 0.0),
            ("propensity above 1", propensity > 1.0),
        ]
    if ELIGIBLE in schema:
        eligible = pl.col(ELIGIBLE)
        reasons.append(("missing eligible variants", eligible.is_null()))
        if known is not None:
            unknown = eligible.list.eval(~pl.element().is_in(known)).list.any()
            reasons.append(("unknown eligible variant", unknown))
        reasons.append(("chosen variant not eligible", ~eligible.list.contains(pl.col(VARIANT))))
    reasons.append(("missing reward", pl.col(REWARD).is_null()))
    for column, reason in ((DECIDED_AT, "unreadable time"), (RECIPIENT, "missing recipient"), (COST, "missing cost")):
        if column in schema:
            reasons.append((reason, pl.col(column).is_null()))
    reasons += [
        (f"missing outcome {name.removeprefix(OUTCOME)}", pl.col(name).is_null())
        for name in schema
        if name.startswith(OUTCOME)
    ]
    chain: pl.Expr = pl.lit(None, dtype=pl.String)
    for reason, applies in reversed(reasons):
        chain = pl.when(applies).then(pl.lit(reason)).otherwise(chain)
    return pl.coalesce(UNUSABLE, chain) if UNUSABLE in schema else chain


def _check(schema: pl.Schema, mapping: Mapping, place: str) -> None:
    listed = [column for column in schema if column != UNUSABLE]
    allowed = ", ".join(listed[:_LISTED]) + (", …" if len(listed) > _LISTED else "")
    findings = [
        RequestFinding(f"{place}.{key}", repr(column), f"one of the columns {allowed}")
        for key, column in mapping.columns()
        if column not in schema
    ]
    if not findings:
        findings = [RequestFinding(f"{place}.{key}", *found) for key, *found in _misfits(schema, mapping)]
    if findings:
        raise InvalidRequest(*findings)


def _misfits(schema: pl.Schema, mapping: Mapping) -> list[tuple[str, str, str]]:
    """Columns of a kind that cannot be read so: key, what was found, what is allowed."""
    found = []
    if mapping.time is not None:
        kind = schema[mapping.time.column]
        if kind.is_numeric() and mapping.time.unit not in _MICROSECONDS:
            found.append(
                ("time", f"numbers in {mapping.time.column!r} without a unit", "{column: …, unit: s}, or ms, or us")
            )
        elif not (kind.is_numeric() or kind == pl.String or isinstance(kind, pl.Datetime) or kind == pl.Date):
            found.append(("time", f"{kind} in {mapping.time.column!r}", "text, numbers or datetimes"))
    if mapping.eligible is not None:
        kind = schema[mapping.eligible.column]
        if not (kind == pl.String or isinstance(kind, pl.List)):
            found.append(("eligible", f"{kind} in {mapping.eligible.column!r}", "lists of names, or text"))
    amounts = {"reward": mapping.reward, "cost": mapping.cost}
    amounts |= {f"outcomes.{name}": amount for name, amount in mapping.outcomes.items()}
    for key, amount in amounts.items():
        if amount is not None and schema[amount.column].is_numeric() and not _all_numbers(amount.positive or ()):
            found.append((f"{key}.positive", ", ".join(amount.positive or ()), f"numbers, as in {amount.column!r}"))
    variants = set(mapping.variant_ids or ())
    if mapping.propensity.shares is not None and variants and variants != set(mapping.propensity.shares):
        listed = ", ".join(sorted(mapping.propensity.shares))
        found.append(("propensity.shares", listed, f"a share for each of {', '.join(mapping.variant_ids or ())}"))
    return found


def _all_numbers(texts: Sequence[str]) -> bool:
    try:
        return all(isfinite(float(text)) for text in texts)
    except ValueError:
        return False
