"""A day's budget in the operator's eyes: whether it is used up, and when to look again."""

from horos_api.budgets import Exhausted, day_of, exhausted
from horos_api.resources import BudgetSpec
from horos_bus.records import DayUsage
from horos_operator.observe import Observation


def has_day_budget(budget: BudgetSpec) -> bool:
    """Whether the spec limits what a day may use."""
    return budget.tokens_per_day is not None or budget.cost_per_day is not None


def exhausted_today(seen: Observation) -> Exhausted | None:
    """Say which limit the agent has reached today; None when none, or when the bus does not tell."""
    agent, view = seen.agent, seen.bus.view
    if agent is None or agent.spec is None or view is None or view.uid != agent.uid:
        return None
    today, used = day_of(seen.now), view.usage.today
    if used.day < today:
        used = DayUsage(today)
    # Where the agent's clock is ahead of ours, its day has begun.
    return exhausted(agent.spec.budget, used.day, used.tokens, used.cost)


def seconds_to_reset(seen: Observation) -> float | None:
    """In how many seconds an exhausted budget begins anew; no event tells of midnight."""
    found = exhausted_today(seen)
    return max(0.0, found.resets_at - seen.now) if found else None
