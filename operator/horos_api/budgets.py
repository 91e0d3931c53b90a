"""A day's budget: which limit is reached, and when the count begins anew. The clock is an input."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from horos_api.money import billionths, decimal_text
from horos_api.resources import BudgetSpec

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit that is reached until `resets_at`, in seconds since the epoch; `message` is for a person."""

    limit: Literal["tokensPerDay", "costPerDay"]
    resets_at: int
    message: str


def day_of(now: float) -> int:
    """Number the day (UTC) that a time in seconds since the epoch lies in, counted from the epoch."""
    return int(now // DAY_SECONDS)


def date_of(day: int) -> str:
    """Write the date of a numbered day: 2026-11-25."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


def utc_time(seconds: float) -> str:
    """Write a time in seconds since the epoch as Kubernetes does (RFC 3339, UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exhausted(budget: BudgetSpec, day: int, tokens: int, cost: int) -> Exhausted | None:
    """Say which limit of the day's budget is reached, if one is. `cost` is in billionths."""
    resets_at = (day + 1) * DAY_SECONDS
    until = f"the next day begins at {utc_time(resets_at)}"
    most = budget.tokens_per_day
    if most is not None and tokens >= most:
        message = f"today's tokens are used up: {tokens} of {most} (budget.tokensPerDay); {until}"
        return Exhausted("tokensPerDay", resets_at, message)
    if budget.cost_per_day is not None and cost >= billionths(budget.cost_per_day):
        spent = f"{decimal_text(cost)} of {budget.cost_per_day} (budget.costPerDay)"
        return Exhausted("costPerDay", resets_at, f"today's money is used up: {spent}; {until}")
    return None
