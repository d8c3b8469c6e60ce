import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import optimizer.strategy.schema as schema_module
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.schema import json_schemas

SHIPPED = Path(schema_module.__file__).parent / "schemas"


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(inner)


@pytest.mark.parametrize("name", ["strategy", "campaign"])
def test_the_shipped_schema_is_the_one_of_the_models(name: str) -> None:
    shipped = json.loads((SHIPPED / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schemas()[name], "run: python scripts/write_schemas.py"
    assert shipped["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_is_described_for_editors() -> None:
    for schema in json_schemas().values():
        objects = [node for node in nodes(schema) if isinstance(node.get("properties"), dict)]
        assert objects
        for node in objects:
            assert node["additionalProperties"] is False
            for key, entry in node["properties"].items():
                assert entry.get("description"), key


def test_keys_are_those_of_the_models() -> None:
    schemas = json_schemas()
    assert set(schemas["strategy"]["properties"]) == set(Strategy.keys())
    assert set(schemas["campaign"]["properties"]) == set(Campaign.keys())
    assert schemas["campaign"]["required"] == ["campaign", "serves", "channel", "messages"]


def test_short_forms_are_part_of_the_schema() -> None:
    definitions = json_schemas()["campaign"]["$defs"]
    plain, written_out = definitions["Condition"]["anyOf"]
    assert plain == {"type": ["string", "number", "boolean"]}
    assert set(written_out["properties"]) >= {"is", "in", "not_in", "at_least"}
    assert "nothing" in json.dumps(json_schemas()["campaign"]["properties"]["control"])


def test_null_is_no_value() -> None:
    for schema in json_schemas().values():
        assert all(node.get("type") != "null" for node in nodes(schema))
        assert all(node.get("default", 0) is not None for node in nodes(schema))


def test_what_is_not_enforced_yet_is_no_key() -> None:
    keys = {key for schema in json_schemas().values() for node in nodes(schema) for key in node.get("properties", {})}
    assert keys & {"decision", "sends_per_hour"} == set()
