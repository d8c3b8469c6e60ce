"""An attribute says which sensitive one it gives away, and it must be one."""

import pytest

from optimizer.errors import DocumentError
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  income: {type: category, values: [high, low], sensitive: true}
  country: {type: category, values: [US, GB]}
  postcode: {type: category, values: [north, south], reveals: WHAT}
"""


def read(what: str) -> None:
    read_workspace({"strategy.yaml": STRATEGY.replace("WHAT", what)})


def test_an_attribute_may_reveal_a_sensitive_one() -> None:
    read("income")


@pytest.mark.parametrize("what", ["country", "postcode", "incom"])
def test_what_is_revealed_must_be_another_attribute_that_is_sensitive(what: str) -> None:
    with pytest.raises(
        DocumentError, match=r"attributes\.postcode\.reveals: found .*; allowed another .* sensitive: one of: income"
    ):
        read(what)
