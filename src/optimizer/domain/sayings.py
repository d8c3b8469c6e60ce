"""What sources say of a recipient's attributes, and since when: the site one thing, the customer system another."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from optimizer.domain.decision import AttributeValue
from optimizer.domain.instants import Instant

API: Final = "api"  # the source of what is said where a strategy declares none


class Saying(NamedTuple):
    """What one source says of one attribute.

    Attributes:
        value: None: it does not know, or no longer.
        at: when it said so.
    """

    value: AttributeValue | None
    at: Instant


Said = Mapping[str, Mapping[str, Saying]]
"""By attribute, and by source, the newest that each has said."""


def newer(one: Saying, other: Saying) -> Saying:
    """The later of two sayings of one source; in whichever order they arrive, and however often, the same."""
    return max(one, other, key=lambda saying: (saying.at, type(saying.value).__name__, str(saying.value)))
