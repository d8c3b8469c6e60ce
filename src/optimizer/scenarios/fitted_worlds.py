"""From a history to a world to rehearse in: what the scenario and the documents say about its columns."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import Instant
from optimizer.domain.micros import MICRO
from optimizer.engine.assessment import EXPOSURE_KINDS, RewardRule
from optimizer.history.columns import ATTRIBUTE, named
from optimizer.history.opening import History
from optimizer.scenarios.names import variants_of
from optimizer.scenarios.world_models import arrivals_of
from optimizer.scenarios.worlds import Fitted
from optimizer.simulation.fitted import Circumstances, FittedWorld, Observed, fitted
from optimizer.strategy.audience import BooleanAttribute
from optimizer.strategy.documents import Campaign, Strategy


def fitted_world(
    written: Fitted, history: History, strategy: Strategy, campaign: Campaign, starts: Instant
) -> FittedWorld:
    """The world that a history shows, for a campaign whose variants it knows.

    The history's reward is the outcome the campaign's objective rewards; its further outcomes go by their own names.
    Where the objective counts from a delivery and the history knows of none, everything was delivered.

    Raises:
        ValueError: the history does not know a variant, an attribute or the times it is asked for.
        InvalidRequest: no row of it can be used.
    """
    feedback = history.feedback()
    rule = RewardRule.of(next(one for one in strategy.objectives if one.id == campaign.serves), strategy.hygiene)
    columns = {rule.kind: feedback.rewards, **feedback.outcomes}
    happened: dict[str, NDArray[np.generic]] = {}
    if rule.counts_from != "decision" and not EXPOSURE_KINDS[rule.counts_from] & set(columns):
        happened[rule.counts_from] = np.ones(len(feedback), np.bool_)
    happened |= {kind: column > 0 for kind, column in columns.items()}
    amounts = {
        kind: np.round(column * MICRO).astype(np.int64)
        for kind, column in columns.items()
        if not np.isin(column, (0.0, 1.0)).all()
    }
    attributes = _attributes(history, strategy, feedback)
    people = written.recipients or _people(feedback)
    return fitted(
        feedback,
        Observed(happened, amounts, attributes=attributes),
        variant_ids=variants_of(campaign),
        nothing=written.nothing,
        by=written.by,
        circumstances=Circumstances(
            n_recipients=written.recipients,
            arrivals=None if written.arrivals is None else arrivals_of(written.arrivals, people, starts),
        ),
        prior_rows=written.prior_rows,
        uncertain=written.rates == "uncertain",
    )


def _people(feedback: LoggedFeedback) -> int:
    return len(feedback) if feedback.recipients is None else len(np.unique(feedback.recipients))


def _attributes(history: History, strategy: Strategy, feedback: LoggedFeedback) -> dict[str, NDArray[np.generic]]:
    """Columns of the attributes, ``[N]`` each; those the strategy calls boolean as booleans."""
    names = named(history.frame.collect_schema(), ATTRIBUTE)
    frame = history.frame.select([pl.col(ATTRIBUTE + name).alias(name) for name in names]).collect()
    found: dict[str, NDArray[np.generic]] = {}
    for name in names:
        column = frame[name]
        if isinstance(strategy.attributes.get(name), BooleanAttribute):
            column = column.cast(pl.Float64).cast(pl.Boolean)
        found[name] = column.to_numpy()
        if len(found[name]) != len(feedback):
            raise ValueError(f"{name}: found {len(found[name])} rows; allowed {len(feedback)}, those of the history")
    return found
