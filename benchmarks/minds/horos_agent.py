"""The runtime of the turns: what `python -m horos_runtime` runs, with the tool that the peers have too."""

import os

import uvloop

from benchmarks.minds.parts import look_up
from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_registry import ToolRegistry, tool


async def run() -> None:
    tools = ToolRegistry(tool(look_up))
    await AgentRuntime(RuntimeSettings.from_env(os.environ), tools).run()


if __name__ == "__main__":
    uvloop.run(run())
