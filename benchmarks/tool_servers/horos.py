"""horos: the manager, and a tool called as a turn calls it, its arguments checked and its time limited."""

import json

from benchmarks.tool_servers.parts import Job, Place, main
from horos_api.tool_servers import ToolServerUse
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_executor import OutsideCall, ToolExecutor
from horos_runtime.tool_registry import ToolRegistry

PATIENCE_SECONDS = 60.0


class Horos:
    def __init__(self) -> None:
        self._manager = MCPClientManager()
        self._context = ToolContext(
            agent="ada", thread="main", turn="1-0", idempotency_key="ada/1-0/1.0", tool="echo__echo"
        )

    async def open(self, job: Job) -> None:
        await self._connected(job)
        self._executor = ToolExecutor(ToolRegistry(*self._manager.tools()))

    async def call(self, text: str) -> str:
        function = {"name": "echo__echo", "arguments": json.dumps({"text": text})}
        checked = self._executor.check({"id": "call", "type": "function", "function": function})
        assert isinstance(checked, OutsideCall), checked
        return await self._executor.run(checked, self._context, checked.longest_seconds)

    async def start(self, job: Job) -> None:
        await self._connected(job)
        assert len(self._manager.tools()) == job.tools, self._manager.report()

    async def _connected(self, job: Job) -> None:
        await self._manager.__aenter__()
        await self._manager.use([use(place) for place in job.places])
        await self._manager.ready(PATIENCE_SECONDS)


def use(place: Place) -> ToolServerUse:
    if place.command:
        return ToolServerUse(name=place.name, command=place.command)
    return ToolServerUse(name=place.name, url=place.url)


if __name__ == "__main__":
    main(Horos)
