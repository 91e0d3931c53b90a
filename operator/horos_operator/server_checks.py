"""The check about an agent's tool servers; `checks` says which condition it belongs to."""

from horos_api.conditions import Reason
from horos_operator.situation import Situation
from horos_operator.verdict import Verdict, yes


def tool_server_unusable(case: Situation) -> Verdict | None:
    """A ToolServer that cannot be used: the agent works without its tools."""
    for number, each in enumerate(case.wanted.servers if case.wanted else ()):
        if each.problem:
            place = f"spec.tools.servers[{number}] ({each.name})"
            message = f"{place} has no tools: {each.problem} in namespace {case.agent.namespace}"
            return yes(Reason.TOOL_SERVER_UNUSABLE, message)
    return None
