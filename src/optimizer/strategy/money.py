"""Money as people write it in documents: ``9.99 USD``, and what a variant costs: ``0.50 USD per purchase``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

from optimizer.domain.micros import micros
from optimizer.strategy.currencies import WITH_THOUSANDTHS
from optimizer.strategy.fields import KIND_PATTERN, not_allowed
from optimizer.strategy.slips import money_meant

DECISION: Final = "decision"  # a cost that is due whenever a variant is chosen

# The words people use for an event, and the outcome kind that reports it; other kinds go by their own name.
_EVENT_OF: Mapping[str, str] = {"delivery": "delivered", "open": "opened", "click": "clicked", "send": DECISION}

_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([A-Z]{3})(?: per ([a-z][a-z0-9_]{0,47}))?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_TWO_READINGS = re.compile(
    r"([1-9]\d{0,2})\.(\d{3}) ?[A-Z]{3}\Z", re.ASCII
)  # thousands in Europe, a fraction in America
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
    raise not_allowed(f"an amount with its currency{_no_minus(written)}, such as {_examples(written)}")


def _examples(written: object) -> str:
    """How amounts are written; the one that was meant, when somebody can tell."""
    meant = money_meant(written)
    return f'"{meant.partition(" per ")[0]}"' if meant else _EXAMPLES


def _budget_money(written: object) -> Money:
    money = _money(written)
    if money.amount == 0:
        raise not_allowed(f"an amount above zero, such as {_EXAMPLES}")
    if (parts := _TWO_READINGS.match(str(written))) and money.currency not in WITH_THOUSANDTHS:
        more, less = f"{parts[1]}{parts[2]}", f"{parts[1]}.{parts[2][:2]}"
        raise not_allowed(f'an amount that has one reading: "{more} {money.currency}" or "{less} {money.currency}"')
    return money


def _cost(written: object) -> Cost:
    if isinstance(written, str) and (match := _AMOUNT.fullmatch(written)):
        event = match[3] or DECISION
        return Cost(Money(micros(match[1]), match[2]), _EVENT_OF.get(event, event))
    if isinstance(written, dict):
        return Cost(_money(written), DECISION)
    meant = money_meant(written)
    examples = f'"{meant}"' if meant else '"0.0008 USD", "0.02 USD per click" or "5 USD per visit"'
    what = f"the amount for one{_no_minus(written)}, and the event that makes it due unless it is the send"
    raise not_allowed(f"{what}: {examples}")


def _no_minus(written: object) -> str:
    return " and without a minus sign" if str(written).lstrip().startswith(("-", "\u2212")) else ""


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
