"""Amounts of money: decimal text where people write them, whole billionths where they are summed."""

from decimal import Decimal
from typing import Final

NANO: Final = 10**9
"""Money is counted in billionths of the prices' currency: whole numbers add up exactly."""

DECIMAL: Final = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"
"""An amount of money as text: the schema's pattern."""


def billionths(text: str) -> int:
    """Read an amount that matches DECIMAL."""
    return int(Decimal(text) * NANO)


def decimal_text(amount: int) -> str:
    """Write an amount of billionths, without zeros at the end: 1250000000 is "1.25"."""
    whole, rest = divmod(amount, NANO)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
