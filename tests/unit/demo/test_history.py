import os
from math import sqrt
from pathlib import Path

import polars as pl
import pytest

from optimizer.demo.history import (
    ATTRIBUTES,
    CONVERSION_RATES,
    COUNTS,
    MEAN_SPENDS,
    VARIANTS,
    VISIT_RATES,
    find_file,
    generated_history,
    load_history,
    read_history,
)

DATA = os.environ.get("OPTIMIZER_DATA")
FILE = find_file(Path(DATA) if DATA else None)
needs_file = pytest.mark.skipif(FILE is None, reason="hillstrom.csv.gz is neither in OPTIMIZER_DATA nor ../shared/data")

K = 4.5  # standard errors; three seeds of nine figures stay within them but for one run in five thousand


def figures(customers: pl.DataFrame) -> dict[str, tuple[int, float, float, float]]:
    table = customers.group_by("logged").agg(
        pl.len(), pl.col("visit").mean(), pl.col("purchase").mean(), pl.col("spend").mean()
    )
    return {row[0]: row[1:] for row in table.iter_rows()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_generated_history_has_the_published_marginals(seed: int) -> None:
    customers = generated_history(seed).customers
    found = figures(customers)
    for arm, variant in enumerate(VARIANTS):
        n, visits, purchases, spend = found[variant]
        assert n == COUNTS[arm]
        for rate, published in ((visits, VISIT_RATES[arm]), (purchases, CONVERSION_RATES[arm])):
            assert rate == pytest.approx(published, abs=K * sqrt(published * (1 - published) / n))
        paid = customers.filter(pl.col("logged") == variant)["spend"]
        assert spend == pytest.approx(MEAN_SPENDS[arm], abs=K * float(paid.std()) / sqrt(n))  # type: ignore[arg-type]


def test_generated_customers_are_consistent() -> None:
    customers = generated_history(7).customers
    assert customers.filter(pl.col("purchase") & ~pl.col("visit")).is_empty()
    assert customers.filter(pl.col("purchase") != (pl.col("spend") > 0)).is_empty()
    assert customers.filter(~pl.col("mens") & ~pl.col("womens")).is_empty()
    assert customers.null_count().sum_horizontal().item() == 0


def test_the_same_seed_gives_the_same_history_in_the_same_order() -> None:
    one, other = (generated_history(3).shuffled(3, 1_000).customers for _ in range(2))
    assert one.equals(other)
    assert not one.equals(generated_history(3).shuffled(4, 1_000).customers)


def test_without_a_file_the_history_says_that_it_is_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.demo.history.BESIDE_THE_REPOSITORY", tmp_path)
    history = load_history(tmp_path, seed=1)
    assert not history.is_real
    assert "GENERATED" in history.source


@needs_file
def test_the_real_history_has_the_facts_its_readme_states() -> None:
    assert FILE is not None
    history = read_history(FILE)
    assert history.is_real
    assert len(history.customers) == 64_000
    found = figures(history.customers)
    for arm, variant in enumerate(VARIANTS):
        n, *rates = found[variant]
        assert n == COUNTS[arm]
        assert rates == pytest.approx([VISIT_RATES[arm], CONVERSION_RATES[arm], MEAN_SPENDS[arm]], abs=5e-7)
    assert history.customers["visit"].mean() == 0.14678125
    assert history.customers["purchase"].mean() == 0.00903125
    assert history.customers["spend"].mean() == pytest.approx(1.05090828)


@needs_file
def test_generated_and_real_customers_have_the_same_columns() -> None:
    assert FILE is not None
    real = read_history(FILE).customers
    generated = generated_history(1).customers.select(real.columns)
    assert real.schema == generated.schema
    assert set(ATTRIBUTES) <= set(real.columns)
    for name in ("channel", "zip_code"):
        assert set(real[name]) == set(generated[name])
