"""The public API: `from horos import …`; each name is imported when it is first used.

So a program that only sends messages does not pay for the model SDK, nor an agent's pod for Kubernetes.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from horos_api.agent_state import AgentState, AgentStateMachine
    from horos_api.resources import AgentSpec, ModelSpec
    from horos_bus.group_service import GroupService
    from horos_bus.message_service import MessageService
    from horos_operator.agent_factory import AgentFactory, CreateAgentOptions
    from horos_operator.agent_pool import AgentPool
    from horos_operator.management import AgentManager
    from horos_runtime.agent_runtime import AgentRuntime
    from horos_runtime.context_manager import ContextManager
    from horos_runtime.llm_client import LLMClient
    from horos_runtime.local import UnansweredError
    from horos_runtime.mcp_client import MCPClientManager
    from horos_runtime.tool_context import ToolContext
    from horos_runtime.tool_executor import ToolExecutor
    from horos_runtime.tool_registry import ToolRegistry
    from horos_runtime.tools import Tool, tool

__all__ = [
    "AgentFactory",
    "AgentManager",
    "AgentPool",
    "AgentRuntime",
    "AgentSpec",
    "AgentState",
    "AgentStateMachine",
    "ContextManager",
    "CreateAgentOptions",
    "GroupService",
    "LLMClient",
    "MCPClientManager",
    "MessageService",
    "ModelSpec",
    "Tool",
    "ToolContext",
    "ToolExecutor",
    "ToolRegistry",
    "UnansweredError",
    "tool",
]

_HOMES: Final = {
    "AgentFactory": "horos_operator.agent_factory",
    "AgentManager": "horos_operator.management",
    "AgentPool": "horos_operator.agent_pool",
    "AgentRuntime": "horos_runtime.agent_runtime",
    "AgentSpec": "horos_api.resources",
    "AgentState": "horos_api.agent_state",
    "AgentStateMachine": "horos_api.agent_state",
    "ContextManager": "horos_runtime.context_manager",
    "CreateAgentOptions": "horos_operator.agent_factory",
    "GroupService": "horos_bus.group_service",
    "LLMClient": "horos_runtime.llm_client",
    "MCPClientManager": "horos_runtime.mcp_client",
    "MessageService": "horos_bus.message_service",
    "ModelSpec": "horos_api.resources",
    "Tool": "horos_runtime.tools",
    "ToolContext": "horos_runtime.tool_context",
    "ToolExecutor": "horos_runtime.tool_executor",
    "ToolRegistry": "horos_runtime.tool_registry",
    "UnansweredError": "horos_runtime.local",
    "tool": "horos_runtime.tools",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'horos' has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
