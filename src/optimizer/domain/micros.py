"""Amounts inside the house: integers of micro-units, so that sums are exact in any order."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

MICRO = 1_000_000
LARGEST = 10**9 * MICRO  # a thousand million units; nine thousand such amounts still sum within 64 bits


def micros(amount: str | float | Decimal) -> int:
    """Micro-units of an amount: ``micros("9.99") == 9_990_000``.

    A float is read as the shortest decimal that means it, so 0.1 is exactly 100,000 micro-units.

    Raises:
        ValueError: not a finite number, or beyond a thousand million units.
    """
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"found {amount!r:.60}; allowed a decimal number such as 9.99") from None
    # Compared, not computed with: the arithmetic of decimals gives up on a million digits or a huge exponent.
    if not value.is_finite() or not -LARGEST // MICRO <= value <= LARGEST // MICRO:
        raise ValueError(f"found {amount!r:.60}; allowed a number between -1e9 and 1e9")
    return int((value * MICRO).to_integral_value(ROUND_HALF_EVEN))


def units(amount: int) -> float:
    """The float of an amount in micro-units, for people and for arithmetic that need not be exact."""
    return amount / MICRO
