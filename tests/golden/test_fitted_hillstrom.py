"""The Hillstrom e-mail test of 2008, 64,000 customers in three equal groups, as a world."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY
from optimizer.domain.micros import MICRO
from optimizer.simulation.arrivals import EachOnce
from optimizer.simulation.fitted import Circumstances, FittedWorld, Observed, fitted

MAILS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
VISIT = (0.106167, 0.182757, 0.151400)
PURCHASE = (0.005726, 0.012531, 0.008837)
SPEND = (0.652789, 1.422617, 1.077202)
SENT = (21_306, 21_307, 21_387)


@pytest.fixture(scope="module")
def model(data_folder: Path) -> FittedWorld:
    frame = pl.read_csv(data_folder / "hillstrom.csv.gz", schema_overrides={"spend": pl.Float64})
    n = len(frame)
    feedback = LoggedFeedback(
        variant_ids=MAILS,
        segment_ids=("everyone",),
        arms=np.array([MAILS.index(mail) for mail in frame["segment"]]),
        segments=np.zeros(n, np.int64),
        propensities=np.full(n, 1 / 3),
        rewards=frame["visit"].to_numpy().astype(np.float64),
    )
    observed = Observed(
        {"visit": frame["visit"].to_numpy(), "purchase": frame["conversion"].to_numpy()},
        amounts={"purchase": (frame["spend"].to_numpy() * MICRO).round().astype(np.int64)},
        attributes={"history": frame["history"].to_numpy(), "channel": frame["channel"].to_numpy()},
    )
    mailing = Circumstances(arrivals=EachOnce(0, 1_000))
    return fitted(
        feedback,
        observed,
        variant_ids=MAILS[1:],
        nothing=MAILS[0],
        by=("channel",),
        circumstances=mailing,
        uncertain=False,
    )


def test_the_world_has_the_published_rates(model: FittedWorld) -> None:
    """Ten rows like the whole history pull each of 9 cells of 2,500 to 9,500 rows by less than 2e-4."""
    shares = np.bincount(model.types) / len(model.types)
    for kind, published in enumerate((VISIT, PURCHASE)):
        rates = shares @ model.rates[kind]
        # Channels are not spread quite alike over the mails: half a standard error of each rate allows for that.
        for rate, expected, sent in zip(rates[[2, 0, 1]], published, SENT, strict=True):
            assert abs(rate - expected) <= 0.5 * np.sqrt(expected * (1 - expected) / sent) + 2e-4


def test_the_world_spends_what_the_customers_spent(model: FittedWorld) -> None:
    world = model.world(np.random.Generator(np.random.PCG64(1)))
    n = len(world.population)
    for arm, published, sent in zip((-1, 0, 1), SPEND, SENT, strict=True):
        spent = np.zeros(n)
        rng = np.random.Generator(np.random.PCG64([2, arm + 1]))
        events = world.events(np.arange(n), np.full(n, arm), np.zeros(n, np.int64), DAY, rng)
        np.add.at(spent, events.decisions, events.values / MICRO)
        # The error of these draws, and half of that of the history for how channels are spread over the mails.
        assert abs(spent.mean() - published) <= spent.std() * (4 * np.sqrt(1 / n) + 0.5 * np.sqrt(1 / sent))
