"""Hygiene: which reported outcomes are a machine's, and which values nobody should believe."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from optimizer.strategy.fields import Document, OutcomeKind, Span, between
from optimizer.strategy.money import MoneyAbove0


class Hygiene(Document):
    """Outcomes that no person caused, and values that cannot be true."""

    fastest: Annotated[Span, between("PT1S", "PT1H")] | None = Field(
        default=None,
        description="opens and clicks sooner than this after the delivery are a machine's, such as PT1S",
    )
    honeypot: OutcomeKind | None = Field(
        default=None,
        description="outcome only machines cause, such as hidden_clicked for a link nobody sees; "
        "then all opens and clicks of that decision are a machine's",
    )
    machine_kinds: tuple[OutcomeKind, ...] = Field(
        default=("opened", "clicked"),
        min_length=1,
        max_length=20,
        description="outcomes that `fastest` and `honeypot` judge; default [opened, clicked]",
    )
    largest_value: Mapping[OutcomeKind, MoneyAbove0] = Field(
        default_factory=dict,
        max_length=50,
        description='largest value of an outcome that is believed, such as {purchase: "5000 USD"}; '
        "a larger one waits in quarantine",
    )
