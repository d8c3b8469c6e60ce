"""The standard columns: the one table every history becomes, whatever file it came from.

=====================  ============  ==================================================================================
column                 type          what it says about the decision of its row
=====================  ============  ==================================================================================
``decision_id``        text          its id in the log it came from; optional
``decided_at``         integer       when, microseconds since 1970 UTC; optional
``recipient``          text, or      who it was for; unsigned 64-bit integers are hashes already, anything else is
                       unsigned      hashed before it is judged; optional: without it each row is another recipient
``segment``            text          the segment it was made in; `EVERYONE` where the history knows none
``variant``            text          what was chosen
``propensity``         number        probability with which it was chosen
``eligible``           list of text  variants that could be chosen; optional: without it all could
``reward``             number        what it earned, in the units of the objective
``cost``               number        what it cost, in units of currency; optional
``outcome:NAME``       number        a further outcome, such as unsubscribes; any number of them
``attribute:NAME``     number, text  what was known of the recipient; text is a category; any number of them
=====================  ============  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

DECISION_ID: Final = "decision_id"
DECIDED_AT: Final = "decided_at"
RECIPIENT: Final = "recipient"
SEGMENT: Final = "segment"
VARIANT: Final = "variant"
PROPENSITY: Final = "propensity"
ELIGIBLE: Final = "eligible"
REWARD: Final = "reward"
COST: Final = "cost"

OUTCOME: Final = "outcome:"
ATTRIBUTE: Final = "attribute:"

EVERYONE: Final = "everyone"
UNUSABLE: Final = "unusable"
"""Beside the standard columns while a history is read: why a row cannot be used; missing where it can."""


def named(columns: Iterable[str], prefix: str) -> tuple[str, ...]:
    """The names that follow the prefix, such as those of the outcomes, in the order of the columns."""
    return tuple(column.removeprefix(prefix) for column in columns if column.startswith(prefix))


def is_category(kind: pl.DataType) -> bool:
    """Whether an attribute of this type is a category, and not a number."""
    return kind in {pl.String, pl.Categorical, pl.Enum}
