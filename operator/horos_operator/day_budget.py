"""A day's budget in the operator's eyes: whether it is used up, and when to look again."""

from horos_api.budgets import Exhausted, TreeDay, exhausted
from horos_operator.observation import Observation


def exhausted_today(seen: Observation) -> Exhausted | None:
    """Say which limit the agent has reached today; None when none, or when the bus does not tell."""
    agent, view = seen.agent, seen.bus.view
    if agent is None or agent.spec is None or view is None or view.uid != agent.uid:
        return None
    # Its own budget holds for all that its descendants use, too.
    used = TreeDay.of(view.usage.today, view.usage.descendants)
    return exhausted(agent.spec.budget, used, seen.now)


def seconds_to_reset(seen: Observation) -> float | None:
    """In how many seconds an exhausted budget begins anew; no event tells of midnight."""
    found = exhausted_today(seen)
    return max(0.0, found.resets_at - seen.now) if found else None
