"""One decision as one line of VW dsjson, and back.

What the format has a place for is put there, so that Vowpal Wabbit can learn from the file; the rest is under
`BESIDE`, which it does not read. A line names its variants in ``c._multi`` by their ``_tag``; in files of others,
variants without one are called by their place, from 1, as ``_label_Action`` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from optimizer.domain.instants import instant, isoformat
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    DECISION_ID,
    ELIGIBLE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    UNUSABLE,
    VARIANT,
)

BESIDE: Final = "optimizer"
_ATTRIBUTES: Final = "attributes"
_UNNAMED: Final = "observed"  # outcome of an observation without a name

Row = dict[str, Any]


def line_of(row: Mapping[str, Any], variant_ids: tuple[str, ...]) -> Row:
    """The JSON object of one usable row of the standard columns.

    The probabilities of the variants that were not chosen are not known: they share what is left equally.
    """
    names = list(row.get(ELIGIBLE) or variant_ids)
    chosen = names.index(row[VARIANT])
    others = [place for place in range(len(names)) if place != chosen]
    rest = (1.0 - row[PROPENSITY]) / len(others) if others else 0.0
    attributes = {
        name.removeprefix(ATTRIBUTE): value
        for name, value in row.items()
        if name.startswith(ATTRIBUTE) and value is not None
    }
    observed = [
        {"EventId": row.get(DECISION_ID), "outcome": name.removeprefix(OUTCOME), "v": value}
        for name, value in row.items()
        if name.startswith(OUTCOME)
    ]
    line: Row = {
        "_label_cost": -row[REWARD],
        "_label_probability": row[PROPENSITY],
        "_label_Action": chosen + 1,
        "_labelIndex": chosen,
        "o": observed,
        "Version": "1",
        "EventId": row.get(DECISION_ID),
        "a": [chosen + 1, *(place + 1 for place in others)],
        "c": {
            SEGMENT: row[SEGMENT],
            _ATTRIBUTES: attributes,
            "_multi": [{"_tag": name, "variant": {"id": name}} for name in names],
        },
        "p": [row[PROPENSITY], *(rest for _ in others)],
        "VWState": {"m": "N/A"},
        BESIDE: {name: row[name] for name in (RECIPIENT, COST) if name in row},
    }
    if row.get(DECIDED_AT) is not None:
        line["Timestamp"] = isoformat(row[DECIDED_AT])
    return line


def row_of(line: object) -> Row:
    """The standard columns a line says something about, with `UNUSABLE` where it cannot be used."""
    context = line.get("c") if isinstance(line, dict) else None
    if not isinstance(line, dict) or not isinstance(context, dict):
        return {UNUSABLE: "no decision in this line"}
    if "_slots" in context or "_outcomes" in line:
        return {UNUSABLE: "several slots in one decision"}
    if line.get("_skipLearn"):
        return {UNUSABLE: "marked not to be learned from"}
    variants = _names(context.get("_multi"))
    chosen = _chosen(line, len(variants))
    cost = _number(line.get("_label_cost"))
    row: Row = {
        VARIANT: None if chosen is None else variants[chosen - 1],
        PROPENSITY: _propensity(line, chosen),
        REWARD: None if cost is None else -cost,
        ELIGIBLE: variants,
        DECISION_ID: line.get("EventId"),
        **_attributes(context),
        **_outcomes(line.get("o")),
    }
    if isinstance(context.get(SEGMENT), str):
        row[SEGMENT] = context[SEGMENT]
    if "Timestamp" in line:
        row[DECIDED_AT] = _instant(line["Timestamp"])
    beside = line.get(BESIDE)
    if isinstance(beside, dict):
        row |= {name: beside[name] for name in (RECIPIENT, COST) if name in beside}
    return row


def _names(multi: object) -> list[str]:
    entries = multi if isinstance(multi, list) else []
    tags = [entry.get("_tag") if isinstance(entry, dict) else None for entry in entries]
    return [tag if isinstance(tag, str) and tag else str(place) for place, tag in enumerate(tags, start=1)]


def _chosen(line: Row, n_variants: int) -> int | None:
    """Place of the chosen variant from 1; the first of the ranking where no label says it."""
    ranking = line.get("a")
    chosen = line.get("_label_Action", ranking[0] if isinstance(ranking, list) and ranking else None)
    return chosen if isinstance(chosen, int) and 1 <= chosen <= n_variants else None


def _propensity(line: Row, chosen: int | None) -> float | None:
    if "_label_probability" in line:
        return _number(line["_label_probability"])
    ranking, probabilities = line.get("a"), line.get("p")
    if not isinstance(ranking, list) or not isinstance(probabilities, list) or chosen not in ranking:
        return None
    place = ranking.index(chosen)
    return _number(probabilities[place]) if place < len(probabilities) else None


def _attributes(context: Row) -> Row:
    shared = {name: value for name, value in context.items() if not name.startswith("_")}
    if isinstance(shared.get(SEGMENT), str):
        del shared[SEGMENT]
    own = shared.pop(_ATTRIBUTES, {})
    return dict(_flat(own, ATTRIBUTE)) | dict(_flat(shared, ATTRIBUTE))


def _flat(value: object, name: str) -> Iterator[tuple[str, Any]]:
    """Numbers, texts and truths under the dotted path of their names; lists are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, name + key if name == ATTRIBUTE else f"{name}.{key}")
    elif isinstance(value, str | int | float):
        yield name, value


def _outcomes(observed: object) -> dict[str, float]:
    """Observations by the name of their outcome; several of one name are added up."""
    found: dict[str, float] = {}
    for one in observed if isinstance(observed, list) else []:
        value = _number(one.get("v")) if isinstance(one, dict) else None
        if value is not None:
            name = OUTCOME + str(one.get("outcome", _UNNAMED))
            found[name] = found[name] + value if name in found else value
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _instant(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
