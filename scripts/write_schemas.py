"""Write the shipped JSON Schemas from the models: ``python scripts/write_schemas.py``."""

import json
from pathlib import Path

from optimizer.scenarios.schema import scenario_schema
from optimizer.strategy.schema import json_schemas

PACKAGE = Path(__file__).parent.parent / "src" / "optimizer"


def main() -> None:
    """Write one file per schema."""
    rooms = {"strategy": json_schemas(), "scenarios": {"scenario": scenario_schema()}}
    for room, schemas in rooms.items():
        folder = PACKAGE / room / "schemas"
        folder.mkdir(exist_ok=True)
        for name, schema in schemas.items():
            text = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
