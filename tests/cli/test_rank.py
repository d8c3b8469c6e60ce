"""``optimizer rank``."""

import json
from pathlib import Path
from typing import Any

WHO = ("--recipient", "ann", "--attribute", "days_since_purchase=120", "--attribute", "country=US")


def test_a_ranking_is_a_table_with_reasons(in_force: Path, run: Any) -> None:
    shown = run("rank", "winback", *WHO, "--exclude", "we-miss-you:morning", "-w", in_force)
    assert shown.code == 0, shown
    assert "may be offered" in shown.out
    assert "the request excludes it" in " ".join(shown.out.split())


def test_as_json_it_is_what_http_answers(in_force: Path, run: Any) -> None:
    found = json.loads(run("rank", "winback", "--recipient", "ann", "-w", in_force, "--json").out)
    assert found["campaign"] == "winback"
    assert {"offer", "variants", "removed", "unit"} <= found.keys()


def test_an_attribute_that_is_none_is_named(in_force: Path, run: Any) -> None:
    wrong = run("rank", "winback", "--recipient", "ann", "--attribute", "colour", "-w", in_force)
    assert wrong.code == 2
    assert "found 'colour'; allowed NAME=VALUE" in " ".join(wrong.err.split())
    undeclared = run("rank", "winback", "--recipient", "ann", "--attribute", "colour=red", "-w", in_force)
    assert undeclared.code != 0
    assert "colour" in undeclared.err
