"""The bare SDK: `mcp.Client`, connected by hand, its result read by hand."""

from contextlib import AsyncExitStack

from mcp.types import TextContent

from benchmarks.tool_servers.parts import Job, Place, main
from mcp import Client, StdioServerParameters


class BareMcp:
    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def open(self, job: Job) -> None:
        self._client = await self._connected(job.places[0])

    async def call(self, text: str) -> str:
        result = await self._client.call_tool("echo", {"text": text})
        return "".join(block.text for block in result.content if isinstance(block, TextContent))

    async def start(self, job: Job) -> None:
        """The slowest server alone: nobody can have all tools sooner."""
        (slowest,) = (place for place in job.places if place.name == job.slowest)
        client = await self._connected(slowest)
        found = (await client.list_tools()).tools
        assert len(found) == job.tools / len(job.servers)

    async def _connected(self, place: Place) -> Client:
        at: str | StdioServerParameters = place.url
        if place.command:
            at = StdioServerParameters(command=place.command[0], args=list(place.command[1:]))
        return await self._stack.enter_async_context(Client(at))


if __name__ == "__main__":
    main(BareMcp)
