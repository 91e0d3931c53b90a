"""The status that `kubectl get agents` shows: built from the observation, written only when it differs."""

from collections.abc import Mapping
from typing import Any, Final

from horos_api.budgets import date_of
from horos_api.conditions import ConditionType
from horos_api.money import decimal_text
from horos_bus.records import TotalUsage
from horos_operator.facts import AgentFacts
from horos_operator.observe import Observation
from horos_operator.verdict import Verdict, condition_entry

_OF_THE_BUS: Final = ("state", "owed", "approvals", "deadLetters", "servers", "usage")
QUIET_SECONDS: Final = 5.0
"""Between two writes of one status that only counts on: usage, state and messages."""


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


def write_due(old: Mapping[str, Any], new: Mapping[str, Any], since_last: float) -> float | None:
    """Say in how many seconds to write `new`, 0 for now and None for not at all.

    A condition that turns or looks at a new generation is told at once; what only counts on waits until
    the last write is QUIET_SECONDS ago.
    """
    if dict(old) == dict(new):
        return None
    if _turns(old) != _turns(new):
        return 0.0
    return max(0.0, QUIET_SECONDS - since_last)


def _turns(status: Mapping[str, Any]) -> dict[str, tuple[object, ...]]:
    return {
        kind: tuple(condition.get(field) for field in ("status", "reason", "observedGeneration"))
        for kind, condition in _by_type(status).items()
    }


def _by_type(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}
