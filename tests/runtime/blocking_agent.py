"""A runtime process with a tool that says when it runs and then never ends, for tests that kill it."""

import asyncio
import os
import sys
from pathlib import Path

from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_registry import ToolRegistry, tool

marks = Path(sys.argv[1])


async def _work(name: str) -> str:
    with (marks / name).open("a") as file:
        file.write("run\n")
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


sys.exit(asyncio.run(AgentRuntime(RuntimeSettings.from_env(os.environ), ToolRegistry(charge, look_up)).run()))
