"""Plausibility: which reported values nobody should believe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from optimizer.strategy.documents import Strategy
from optimizer.strategy.money import Money


@dataclass(frozen=True, slots=True)
class Values:
    """What the documents in force believe of a reported value.

    Attributes:
        currency: of every value that is money; None while there are no documents.
        largest: largest value of each kind that has one, micro-units.
        money: kinds of outcomes whose values are money, whether or not a report names the currency.
    """

    currency: str | None = None
    largest: Mapping[str, int] = field(default_factory=dict)
    money: Collection[str] = frozenset()

    @classmethod
    def of(cls, strategy: Strategy) -> Values:
        """What a strategy believes."""
        largest = {kind: money.amount for kind, money in strategy.hygiene.largest_value.items()}
        amounts = {o.reward.outcome for o in strategy.objectives if o.reward.value == "amount"}
        return cls(strategy.currency, largest, amounts | largest.keys())

    def objection(self, kind: str, value: int | None, currency: str | None) -> str | None:
        """Why nobody should believe a report of such an outcome, in a sentence; None when there is no reason.

        Args:
            kind: of the outcome.
            value: as reported, micro-units; None when there is none.
            currency: as reported; None when the report names none.
        """
        if currency is not None and currency != self.currency:
            return f"currency: found {currency}; allowed {self.currency}"
        if value is None or self.currency is None:
            return None
        if value < 0 and (currency is not None or kind in self.money):
            found, advice = Money(-value, self.currency), "name the outcome that is undone as `reverses`"
            return f"value: found -{found} for {kind}; allowed 0 or more: {advice}"
        most = self.largest.get(kind)
        if most is not None and value > most:
            found, allowed = Money(value, self.currency), Money(most, self.currency)
            return f"value: found {found} for {kind}; allowed at most {allowed} (hygiene.largest_value)"
        return None


NO_VALUES: Final = Values()
