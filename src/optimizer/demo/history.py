"""What 64,000 customers did in 2008: Hillstrom's e-mail test, read from a file or generated after its marginals.

Kevin Hillstrom, MineThatData E-Mail Analytics and Data Mining Challenge, 20 March 2008: customers who bought within
twelve months, each sent the men's mail, the women's mail or none, by chance; visits, purchases and spend in two weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

FILE = "hillstrom.csv.gz"
BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[4] / "shared" / "data"

MAILS = {"Mens E-Mail": "mens-mail", "Womens E-Mail": "womens-mail", "No E-Mail": "no-mail"}
VARIANTS = tuple(MAILS.values())
ATTRIBUTES = ("recency", "history", "mens", "womens", "newbie", "channel", "zip_code")

_COLUMNS = {
    "recency": pl.Int64,
    "history": pl.Float64,
    "mens": pl.Int64,
    "womens": pl.Int64,
    "zip_code": pl.String,
    "newbie": pl.Int64,
    "channel": pl.String,
    "segment": pl.String,
    "visit": pl.Int64,
    "conversion": pl.Int64,
    "spend": pl.Float64,
}

# Published figures, by variant in the order of VARIANTS.
COUNTS = (21_307, 21_387, 21_306)
VISIT_RATES = (0.182757, 0.151400, 0.106167)
CONVERSION_RATES = (0.012531, 0.008837, 0.005726)
MEAN_SPENDS = (1.422617, 1.077202, 0.652789)

# Shares of customers by past purchase, and how their visit rates compare between the mails.
_PAST_PURCHASES = ((False, True), (True, False), (True, True))  # (mens, womens)
_SHARES = (0.449, 0.450, 0.101)
_VISITS_BY_PAST_PURCHASE = ((0.166, 0.170, 0.096), (0.169, 0.111, 0.100), (0.315, 0.252, 0.181))
_LEAST_SPEND = 29.99

_GENERATING, _SHUFFLING = 0, 1  # two streams of numbers, so that neither tells of the other


@dataclass(frozen=True, slots=True)
class History:
    """Customers, what each was sent and what each did.

    Attributes:
        source: where it comes from, in words.
        is_real: False when it was generated.
        customers: a row each: ATTRIBUTES, ``logged`` (the variant they were sent), ``visit`` and ``purchase``
            (booleans), ``spend`` in dollars.
    """

    source: str
    is_real: bool
    customers: pl.DataFrame

    def shuffled(self, seed: int, n: int | None = None) -> History:
        """The customers in an order drawn from the seed: the first `n` of them, or all."""
        order = _generator(seed, _SHUFFLING).permutation(len(self.customers))[:n]
        return History(self.source, self.is_real, self.customers[order])


def find_file(data: Path | None) -> Path | None:
    """The history's file: in `data`, else beside the repository; None when it is in neither."""
    folders = [BESIDE_THE_REPOSITORY] if data is None else [data, BESIDE_THE_REPOSITORY]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


def load_history(data: Path | None, seed: int) -> History:
    """The real history when its file is at hand, else a generated one of the same size."""
    file = find_file(data)
    return generated_history(seed) if file is None else read_history(file)


def read_history(file: Path) -> History:
    """Hillstrom's customers, in the file's order."""
    frame = pl.read_csv(file, schema_overrides=_COLUMNS).select(
        pl.col("recency", "history"),
        pl.col("mens", "womens", "newbie").cast(pl.Boolean),
        pl.col("channel", "zip_code"),
        pl.col("segment").replace_strict(MAILS).alias("logged"),
        pl.col("visit").cast(pl.Boolean),
        pl.col("conversion").cast(pl.Boolean).alias("purchase"),
        pl.col("spend"),
    )
    return History(
        f"Hillstrom's e-mail test of 2008, {len(frame):,} real customers ({file})", is_real=True, customers=frame
    )


def generated_history(seed: int) -> History:
    """Customers drawn so that counts, visit, conversion and spend match the published marginals in expectation."""
    rng = _generator(seed, _GENERATING)
    logged = rng.permutation(np.repeat(np.arange(3), COUNTS))
    n = len(logged)
    past = rng.choice(3, size=n, p=_SHARES)
    mens, womens = np.array(_PAST_PURCHASES)[past].T
    rates = visit_rates()
    visit = rng.random(n) < rates[past, logged]
    buying = np.array(CONVERSION_RATES) / np.array(VISIT_RATES)
    purchase = visit & (rng.random(n) < buying[logged])
    mean_spend = np.array(MEAN_SPENDS) / np.array(CONVERSION_RATES)
    spend = np.where(purchase, _LEAST_SPEND + rng.exponential(mean_spend[logged] - _LEAST_SPEND), 0.0)
    frame = pl.DataFrame(
        {
            "recency": rng.integers(1, 13, n),
            "history": (_LEAST_SPEND + rng.exponential(212.1, n)).round(2),
            "mens": mens,
            "womens": womens,
            "newbie": rng.random(n) < 0.502,
            "channel": rng.choice(["Web", "Phone", "Multichannel"], n, p=[0.441, 0.438, 0.121]),
            "zip_code": rng.choice(["Rural", "Surburban", "Urban"], n, p=[0.149, 0.450, 0.401]),
            "logged": np.array(VARIANTS)[logged],
            "visit": visit,
            "purchase": purchase,
            "spend": spend.round(2),
        }
    )
    source = f"{n:,} GENERATED customers, calibrated to the published marginals of Hillstrom's e-mail test of 2008"
    return History(source, is_real=False, customers=frame)


def visit_rates() -> NDArray[np.float64]:
    """Visit rate by past purchase and variant, ``[3, 3]``, whose mean over past purchases is the published one."""
    shape = np.array(_VISITS_BY_PAST_PURCHASE)
    return np.asarray(shape * (np.array(VISIT_RATES) / (np.array(_SHARES) @ shape)))


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, purpose]))  # the seed is the caller's: same one, same history
