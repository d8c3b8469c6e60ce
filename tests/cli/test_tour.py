"""A shop with a month behind it: what it is made of must look like what a service leaves behind."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.mark.slow
def test_a_shop_with_days_behind_it_has_learned_and_every_count_in_it_is_right(tmp_path: Path, run: Run) -> None:
    shop = tmp_path / "shop"
    made = run("tour", shop, "--days", "10", "--seed", "3", "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["key"].startswith("opt_")
    verified = run("ledger", "verify", "--workspace", shop, "--json")
    assert verified.code == 0, verified.out
    found = json.loads(run("report", "winback", "--workspace", shop, "--json").out)["reports"][0]
    assert found["outcomes"]["purchase"] > 100
    decided = sum(variant["decisions"] for segment in found["segments"] for variant in segment["variants"])
    assert decided > 2_000
    assert run("audit", "--verify", "--workspace", shop).code == 0


def test_a_shop_is_not_made_over_a_workspace(workspace: Path, run: Run) -> None:
    refused = run("tour", workspace)
    assert refused.code == 2
    assert "strategy.yaml" in refused.err
