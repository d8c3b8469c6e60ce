"""Money as people write it in documents: ``9.99 USD``, and what a variant costs: ``0.50 USD per purchase``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

from optimizer.domain.micros import micros
from optimizer.strategy.fields import KIND_PATTERN, not_allowed

DECISION: Final = "decision"  # a cost that is due whenever a variant is chosen

# The words people use for an event, and the outcome kind that reports it; other kinds go by their own name.
_EVENT_OF: Mapping[str, str] = {"delivery": "delivered", "open": "opened", "click": "clicked", "send": DECISION}

_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([A-Z]{3})(?: per ([a-z][a-z0-9_]{0,47}))?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_EXAMPLES = '"9.99 USD" or {amount: "9.99", currency: USD}'


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in micro-units of a currency (ISO 4217)."""

    amount: int
    currency: str

    def __str__(self) -> str:
        whole, parts = divmod(self.amount, 1_000_000)
        decimals = f"{parts:06d}".rstrip("0").ljust(2, "0")
        return f"{whole}.{decimals} {self.currency}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What is due, once per decision, when an event happens.

    Attributes:
        money: how much.
        event: `DECISION`, or the outcome kind that makes it due.
    """

    money: Money
    event: str

    def __str__(self) -> str:
        return f"{self.money} per {self.event}"


def _money(written: object) -> Money:
    if isinstance(written, dict) and set(written) == {"amount", "currency"}:
        amount, currency = written["amount"], written["currency"]
        if isinstance(amount, str) and _NUMBER.fullmatch(amount) and isinstance(currency, str):
            written = f"{amount} {currency}"
    if isinstance(written, str) and (match := _AMOUNT.fullmatch(written)) and match[3] is None:
        return Money(micros(match[1]), match[2])
    raise not_allowed(f"an amount with its currency, such as {_EXAMPLES}")


def _budget_money(written: object) -> Money:
    money = _money(written)
    if money.amount == 0:
        raise not_allowed(f"an amount above zero, such as {_EXAMPLES}")
    return money


def _cost(written: object) -> Cost:
    if isinstance(written, str) and (match := _AMOUNT.fullmatch(written)):
        event = match[3] or DECISION
        return Cost(Money(micros(match[1]), match[2]), _EVENT_OF.get(event, event))
    if isinstance(written, dict):
        return Cost(_money(written), DECISION)
    raise not_allowed('an amount per event, such as "0.0008 USD per decision", "0.02 USD per click", "5 USD per visit"')


_MONEY_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,6})? ?[A-Z]{3}$", "examples": ["9.99 USD"]},
        {
            "type": "object",
            "properties": {
                "amount": {"type": "string", "description": 'decimal number in quotes, such as "9.99"'},
                "currency": {"type": "string", "description": "ISO 4217 code, such as USD"},
            },
            "required": ["amount", "currency"],
            "additionalProperties": False,
        },
    ]
}
_COST_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "string",
            "pattern": rf"^\d{{1,9}}(\.\d{{1,6}})? ?[A-Z]{{3}}( per {KIND_PATTERN.strip('^$')})?$",
            "examples": ["0.0008 USD", "0.50 USD per purchase"],
        },
        _MONEY_SCHEMA["anyOf"][1],
    ]
}

MoneyAbove0 = Annotated[Money, PlainValidator(_budget_money), WithJsonSchema(_MONEY_SCHEMA)]
CostPerEvent = Annotated[Cost, PlainValidator(_cost), WithJsonSchema(_COST_SCHEMA)]
