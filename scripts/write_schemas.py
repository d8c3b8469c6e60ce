"""Write the shipped JSON Schemas from the models: ``python scripts/write_schemas.py``."""

import json
from pathlib import Path

from optimizer.strategy.schema import json_schemas

FOLDER = Path(__file__).parent.parent / "src" / "optimizer" / "strategy" / "schemas"


def main() -> None:
    """Write one file per schema."""
    FOLDER.mkdir(exist_ok=True)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
