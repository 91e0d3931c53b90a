"""The status of a ToolServer, made from what the agents that use it report. Pure."""

from collections.abc import Collection
from typing import Any, Final

from horos_api.conditions import ConditionType, Reason
from horos_api.server_report import ServerState
from horos_operator.tool_servers import Heard, ToolServerFacts
from horos_operator.verdict import Verdict, condition_entry, no, unknown, yes

ERROR_LENGTH: Final = 300
"""Characters kept of an error that an agent reported; its own report has all of it."""


def tool_server_status(
    server: ToolServerFacts, users: int, heard: Collection[Heard], now: float
) -> dict[str, Any]:
    """Build the status. What agents that have no pod now reported last counts for tools and error only."""
    connected = [each for each in heard if each.state is ServerState.CONNECTED]
    failed = [each for each in heard if each.error]
    tools = max((each.tools for each in connected), default=server.status.get("tools", 0))
    last = max(failed, key=lambda each: (each.error_at, each.agent), default=None)
    error = _short(last.error) if last else server.status.get("lastError", "")
    verdict = _ready(server, users, [each for each in heard if each.live])
    return {
        "agents": users,
        "tools": tools,
        **({"lastError": error} if error else {}),
        "conditions": [condition_entry(ConditionType.READY, verdict, server, now)],
    }


def _ready(server: ToolServerFacts, users: int, live: Collection[Heard]) -> Verdict:
    if server.spec is None:
        return no(Reason.INVALID_SPEC, server.problem)
    if not users:
        return unknown(Reason.NOT_USED, "no Agent of the namespace uses it")
    if not live:
        return unknown(Reason.NOT_REPORTED, "no agent that uses it has a pod that has reported yet")
    return _reached(live)


def _reached(live: Collection[Heard]) -> Verdict:
    failing = sorted((each for each in live if each.state is ServerState.FAILED), key=lambda each: each.agent)
    if any(each.state is ServerState.CONNECTED for each in live):
        if failing:
            return yes(Reason.PARTLY_CONNECTED, f"some agents reach it, others do not: {_told(failing)}")
        return yes(Reason.CONNECTED, "the agents that use it are connected")
    if failing:
        return no(Reason.CONNECTION_FAILED, f"no agent reaches it: {_told(failing)}")
    return no(Reason.CONNECTING, "the agents that use it are connecting")


def _told(failing: Collection[Heard]) -> str:
    """Quote the first, so that the message stays the same while the same agents fail."""
    first, *more = failing
    others = f" (and {len(more)} more)" if more else ""
    return f"{first.agent}: {_short(first.error or 'it failed')}{others}"


def _short(error: str) -> str:
    return error if len(error) <= ERROR_LENGTH else f"{error[: ERROR_LENGTH - 1]}…"
