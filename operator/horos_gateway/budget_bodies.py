"""What an agent used and what it may use, as the gateway tells it."""

from pydantic import BaseModel, Field, ValidationError

from horos_api.budgets import DAY_SECONDS, date_of, day_of, exhausted, has_day_budget, utc_time
from horos_api.money import decimal_text
from horos_api.resources import BudgetSpec
from horos_bus.records import DayUsage, TotalUsage
from horos_gateway.bodies import BudgetBody, DayUsageBody, UsageBody


def usage_body(used: TotalUsage) -> UsageBody:
    """What an agent used in its life, and on the last day it worked."""
    today = used.today
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


class _Spec(BaseModel):
    budget: BudgetSpec = Field(default_factory=BudgetSpec)


class _Config(BaseModel):
    """The part of the operator's projection (`StoredConfig` of the runtime) that is read here."""

    spec: _Spec = Field(default_factory=_Spec)


def budget_body(config: bytes, used: DayUsage, now: float) -> BudgetBody | None:
    """What the stored configuration allows for a day; None where it sets no limit, or cannot be read."""
    try:
        budget = _Config.model_validate_json(config or b"{}").spec.budget
    except ValidationError:
        return None  # of another version: the operator's condition Accepted and the runtime tell that
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
