"""horos: the manager of MCP servers, and the tools that it gives."""

from benchmarks.tool_servers.parts import Job, Place, main
from horos_api.tool_servers import ToolServerUse
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.tool_context import ToolContext

PATIENCE_SECONDS = 60.0
CONTEXT = ToolContext(
    agent="ada", thread="main", turn="1-0", idempotency_key="ada/1-0/1.0", tool="echo__echo"
)


class Horos:
    def __init__(self) -> None:
        self.manager = MCPClientManager()

    async def open(self, job: Job) -> None:
        await self._connected(job)
        (self._tool,) = (tool for tool in self.manager.tools() if tool.name == CONTEXT.tool)

    async def call(self, text: str) -> str:
        return str(await self._tool.run({"text": text}, CONTEXT))

    async def start(self, job: Job) -> None:
        await self._connected(job)
        assert len(self.manager.tools()) == job.tools, self.manager.report()

    async def _connected(self, job: Job) -> None:
        await self.manager.__aenter__()
        await self.manager.use([use(place) for place in job.places])
        await self.manager.ready(PATIENCE_SECONDS)


def use(place: Place) -> ToolServerUse:
    if place.command:
        return ToolServerUse(name=place.name, command=place.command)
    return ToolServerUse(name=place.name, url=place.url)


if __name__ == "__main__":
    main(Horos)
