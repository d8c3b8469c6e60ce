"""JSON Schema of a scenario, so that editors complete and check while an analyst types."""

from typing import Any

from optimizer.scenarios.documents import Scenario
from optimizer.strategy.schema import json_schema


def scenario_schema() -> dict[str, Any]:
    """The schema, draft 2020-12; `read_scenario` also checks what spans several keys."""
    return json_schema(Scenario)
