"""A day's budget: which limit is reached, and when the count begins anew. The clock is an input."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, Self

from horos_api.budget_fields import BudgetSpec
from horos_api.money import billionths, decimal_text

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit that is reached until `resets_at`, in seconds since the epoch; `message` is for a person."""

    limit: Literal["tokensPerDay", "costPerDay"]
    resets_at: int
    message: str


def has_day_budget(budget: BudgetSpec) -> bool:
    """Whether the spec limits what a day may use."""
    return budget.tokens_per_day is not None or budget.cost_per_day is not None


def day_of(now: float) -> int:
    """Number the day (UTC) that a time in seconds since the epoch lies in, counted from the epoch."""
    return int(now // DAY_SECONDS)


def date_of(day: int) -> str:
    """Write the date of a numbered day: 2026-11-25."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


def utc_time(seconds: float) -> str:
    """Write a time in seconds since the epoch as Kubernetes does (RFC 3339, UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class DayCount(Protocol):
    """What was used on one day: `day` is numbered as `day_of` does, `cost` is in billionths."""

    @property
    def day(self) -> int:
        """Which day."""
        ...

    @property
    def tokens(self) -> int:
        """What models read and wrote."""
        ...

    @property
    def cost(self) -> int:
        """What that cost."""
        ...


@dataclass(frozen=True, slots=True)
class TreeDay:
    """What a root and all its descendants have used on one day; a DayCount."""

    day: int
    tokens: int
    cost: int

    @classmethod
    def of(cls, own: DayCount, descendants: DayCount) -> Self:
        """Add both up on the later of their days."""
        day = max(own.day, descendants.day)
        counts = [each for each in (own, descendants) if each.day == day]
        return cls(day, sum(each.tokens for each in counts), sum(each.cost for each in counts))


def tree_exhausted(root: str, used: DayCount, *, tokens: int | None = None, cost: int | None = None) -> str:
    """Word for a person that a tree has used up what its root may use in a day: the limit that is reached."""
    if tokens is not None:
        reached = f"tokens of agent {root} and its descendants are used up: {used.tokens} of {tokens}"
        limit = "tokensPerDay"
    else:
        most = decimal_text(cost or 0)
        reached = f"money of agent {root} and its descendants is used up: {decimal_text(used.cost)} of {most}"
        limit = "costPerDay"
    until = utc_time((used.day + 1) * DAY_SECONDS)
    return f"today's {reached} (budget.{limit} of {root}); the next day begins at {until}"


def exhausted(budget: BudgetSpec, used: DayCount, now: float) -> Exhausted | None:
    """Say which limit of the day's budget is reached, if one is. What was used on an earlier day is over."""
    day, tokens, cost = used.day, used.tokens, used.cost
    if day < day_of(now):
        day, tokens, cost = day_of(now), 0, 0
    # Where the agent's clock is ahead of ours, its day has begun, and counts.
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
