"""A runtime process with a tool that says when it runs and then never ends, for tests that kill it."""

import asyncio
import os
import sys
from pathlib import Path

from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_registry import ToolRegistry, tool

marks = Path(sys.argv[1])


async def _work(name: str, note: str = "run") -> str:
    with (marks / name).open("a") as file:
        file.write(f"{note}\n")
    await asyncio.Event().wait()
    return "never"


@tool
async def charge() -> str:
    """Take the money; not to be repeated."""
    return await _work("charge")


@tool(idempotent=True)
async def look_up() -> str:
    """Read something; may be repeated."""
    return await _work("look_up")


@tool(parallel=True)
async def charge_beside() -> str:
    """Take the money beside other calls; not to be repeated."""
    return await _work("charge_beside")


@tool(parallel=True, idempotent=True)
async def look_beside(context: ToolContext) -> str:
    """Read something beside other calls; may be repeated."""
    return await _work("look_beside", context.idempotency_key)


@tool(parallel=True)
async def quick() -> str:
    """End at once."""
    return "quick"


@tool(approval=True)
async def pay(context: ToolContext) -> str:
    """Pay; a person has to allow it, and it is not to be repeated."""
    return await _work("pay", context.idempotency_key)


@tool(approval=True, idempotent=True)
async def reserve(context: ToolContext) -> str:
    """Reserve; a person has to allow it, and it may be repeated."""
    return await _work("reserve", context.idempotency_key)


tools = ToolRegistry(charge, look_up, charge_beside, look_beside, quick, pay, reserve)
sys.exit(asyncio.run(AgentRuntime(RuntimeSettings.from_env(os.environ), tools).run()))
