"""The status that `kubectl get agents` shows: built from the observation, written only when it differs."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from horos_api.budgets import date_of
from horos_api.conditions import ConditionType, Reason
from horos_api.money import decimal_text
from horos_bus.records import TotalUsage
from horos_operator.facts import AgentFacts
from horos_operator.observation import Observation
from horos_operator.verdict import Verdict, condition_entry

_OF_THE_BUS: Final = ("state", "owed", "approvals", "deadLetters", "children", "servers", "usage")
QUIET_SECONDS: Final = 5.0
"""Between two writes of one status that only counts on: usage, state and messages."""
SETTLE_SECONDS: Final = 2.0
"""How long a healthy agent must have a pod, or none, until its status says so."""
_WHEREABOUTS: Final = frozenset({Reason.RESIDENT, Reason.HIBERNATED, Reason.STARTING, Reason.QUEUED})


def agent_status(
    seen: Observation, agent: AgentFacts, verdicts: Mapping[ConditionType, Verdict], pod: str | None
) -> dict[str, Any]:
    """Build the status. What only the bus knows stays as it was while the bus cannot be asked."""
    view = seen.bus.view
    known: dict[str, Any] = {name: agent.status[name] for name in _OF_THE_BUS if name in agent.status}
    if view is not None:
        known = {
            "state": view.state.value,
            "owed": view.owed,
            "approvals": view.approvals,
            "deadLetters": view.dead,
            **({"children": seen.family.children} if seen.family.children or "children" in known else {}),
            **_servers(seen, agent),
            "usage": _usage(view.usage),
        }
    conditions = [condition_entry(kind, verdict, agent, seen.now) for kind, verdict in verdicts.items()]
    return {**known, **({"podName": pod} if pod else {}), "conditions": conditions}


def _servers(seen: Observation, agent: AgentFacts) -> dict[str, Any]:
    """Count the tool servers. Without a pod none is connected, whatever the last one reported."""
    names = {each.name for each in agent.spec.tools.servers} if agent.spec else set()
    if not names:
        return {}
    report, view = seen.bus.report, seen.bus.view
    awake = view is not None and bool(view.holder)
    connected = names & report.connected if report and awake else ()
    return {"servers": {"connected": len(connected), "total": len(names)}}


def _usage(used: TotalUsage) -> dict[str, Any]:
    """What was used. The day is named, so that nothing has to be written when it is over."""
    today = used.today
    return {
        "turns": used.turns,
        "promptTokens": used.prompt_tokens,
        "completionTokens": used.completion_tokens,
        "cost": decimal_text(used.cost),
        **(
            {
                "today": {
                    "date": date_of(today.day),
                    "tokens": today.tokens,
                    "cost": decimal_text(today.cost),
                }
            }
            if today.day
            else {}
        ),
    }


def write_due(
    old: Mapping[str, Any], new: Mapping[str, Any], since_last: float, lasted: float = 0.0
) -> float | None:
    """Say in how many seconds to write `new`, 0 for now and None for not at all.

    A condition that turns or looks at a new generation is told at once, but not whether an agent that is well
    has a pod just now: that is told once it has `lasted` for SETTLE_SECONDS, so that a short activation is
    one write. What only counts on, like that, waits until the last write is QUIET_SECONDS ago. A negative
    number is a clock that was put back: nobody knows for how long it has been, and nothing waits for that.
    """
    if dict(old) == dict(new):
        return None
    before, after = turns(old), turns(new)
    quiet = max(0.0, QUIET_SECONDS - since_last) if since_last >= 0 else 0.0
    if before == after:
        return quiet
    if before.keys() == after.keys() and all(_soft(kind, before[kind], after[kind]) for kind in after):
        return max(quiet, SETTLE_SECONDS - lasted if lasted >= 0 else 0.0)
    return 0.0


Turn: TypeAlias = tuple[object, object, object]
"""Status, reason and generation of a condition: what is told of it, its message apart."""


def turns(status: Mapping[str, Any]) -> dict[str, Turn]:
    """What a status says by its conditions, by type."""
    return {
        kind: (condition.get("status"), condition.get("reason"), condition.get("observedGeneration"))
        for kind, condition in _by_type(status).items()
    }


def _soft(kind: str, old: Turn, new: Turn) -> bool:
    """Whether a condition is the same, or tells no more than where a healthy agent is just now."""
    if old == new:
        return True
    if old[2] != new[2] or old[1] not in _WHEREABOUTS or new[1] not in _WHEREABOUTS:
        return False
    return kind == ConditionType.SCHEDULED or old[0] == new[0]


def _by_type(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}
