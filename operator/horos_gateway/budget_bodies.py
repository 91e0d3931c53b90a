"""What an agent used and what it may use, as the gateway tells it."""

from horos_api.budgets import DAY_SECONDS, TreeDay, date_of, day_of, exhausted, has_day_budget, utc_time
from horos_api.money import decimal_text
from horos_api.resources import BudgetSpec
from horos_bus.records import TotalUsage
from horos_gateway.bodies import BudgetBody, DayUsageBody, UsageBody


def usage_body(used: TotalUsage) -> UsageBody:
    """What an agent used in its life, and with its descendants on the last day that any of them worked."""
    today = TreeDay.of(used.today, used.descendants)
    day = (
        DayUsageBody(date=date_of(today.day), tokens=today.tokens, cost=decimal_text(today.cost))
        if today.day
        else None
    )
    return UsageBody(
        turns=used.turns,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        cost=decimal_text(used.cost),
        today=day,
    )


def budget_body(budget: BudgetSpec, usage: TotalUsage, now: float) -> BudgetBody | None:
    """What an agent and its descendants may use in a day; None where its spec sets no limit."""
    used = TreeDay.of(usage.today, usage.descendants)
    if not has_day_budget(budget):
        return None
    reached = exhausted(budget, used, now)
    resets_at = reached.resets_at if reached else (max(day_of(now), used.day) + 1) * DAY_SECONDS
    return BudgetBody(
        tokens_per_day=budget.tokens_per_day,
        cost_per_day=budget.cost_per_day,
        exhausted=reached.limit if reached else None,
        resets_at=utc_time(resets_at),
    )
