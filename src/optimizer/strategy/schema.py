"""JSON Schema of the documents, so that editors complete and check while a marketer types."""

from typing import Any

from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import Document

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, dict[str, Any]]:
    """The schemas by document: ``strategy`` and ``campaign``, draft 2020-12.

    They hold what one file can be judged by alone; `read_workspace` also checks references between keys.
    """
    return {"strategy": json_schema(Strategy), "campaign": json_schema(Campaign)}


def json_schema(model: type[Document]) -> dict[str, Any]:
    """The schema of one kind of document."""
    schema = _as_written(model.model_json_schema(by_alias=True))
    return {"$schema": _DIALECT, **schema}


def _as_written(node: Any) -> Any:
    """The schema without null: in Python it means that a key was left out, in a document it is a mistake."""
    if isinstance(node, list):
        return [_as_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _as_written(value) for key, value in node.items() if not (key == "default" and value is None)}
    if "anyOf" in kept and {"type": "null"} in kept["anyOf"]:
        choices = [choice for choice in kept.pop("anyOf") if choice != {"type": "null"}]
        kept = {**choices[0], **kept} if len(choices) == 1 else {**kept, "anyOf": choices}
    return kept
