"""Tool servers of an agent (MCP): connected while it is awake, and however they come and go, it works on.

The SDK costs a second and 18 MiB, so it is imported in a thread when the first server is used; an agent
without servers never imports it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from horos_api.server_report import ServerReport, ServersReport
from horos_api.tool_servers import ResolvedServer, ToolServerUse, resolved_alone
from horos_runtime.mcp_secrets import SecretFiles
from horos_runtime.tools import Tool

if TYPE_CHECKING:
    from types import TracebackType

    from horos_runtime.mcp_connection import ServerConnection
    from horos_runtime.mcp_questions import Elicit

log: Final = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 30.0
"""How long connecting may take, however short the time of a call: a program has to start first."""

Server = ToolServerUse | ResolvedServer
Tell = Callable[[str], None]
"""Hears what is wrong with a server, in words for people."""


class MCPClientManager:
    """Connects to tool servers, and gives their tools; use it as a context manager, from one event loop.

    Servers are connected in the background and again whenever they are lost. `tell` hears of problems,
    `elicit` brings what servers ask to a person (without it they cannot ask), `secrets` is where the Secrets
    that servers name are found. Connecting may take as long as a call of the server, and `connect_seconds`
    in any case.
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        *,
        tell: Tell | None = None,
        elicit: Elicit | None = None,
        secrets: SecretFiles | None = None,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._first = servers
        self._tell: Tell = tell or (lambda problem: log.warning("%s", problem))
        self._elicit = elicit
        self._secrets = secrets or SecretFiles()
        self._connect_seconds = connect_seconds
        self._group = asyncio.TaskGroup()
        self._connections: dict[str, ServerConnection] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._made: dict[str, tuple[object, list[Tool]]] = {}
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        if self._first:
            await self.use(self._first)
        return self

    def leave(self) -> None:
        """Begin to leave all servers; leaving the block waits until that is done."""
        for connection in self._connections.values():
            connection.leave()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        await self._group.__aexit__(None, None, None)

    async def use(self, servers: Sequence[Server]) -> None:
        """Use these servers from now on: new ones are connected, changed ones anew, the others left."""
        wanted = {each.name: _resolved(each) for each in servers}
        left = [name for name, known in self._connections.items() if wanted.get(name) != known.server]
        for name in left:
            self._connections.pop(name).leave()
            self._made.pop(name, None)
        new = [each for name, each in wanted.items() if name not in self._connections]
        if new:
            await asyncio.to_thread(importlib.import_module, "horos_runtime.mcp_tools")
        for server in new:
            self._start(server, self._tasks.get(server.name))
        if left or new:
            self._changed.set()

    async def ready(self, seconds: float) -> None:
        """Wait until each server has connected or failed once, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for connection in list(self._connections.values()):
                    await connection.settled.wait()

    def tools(self) -> list[Tool]:
        """List the tools of this moment."""
        return [tool for name in self._connections for tool in self._tools_of(name)]

    def report(self) -> ServersReport:
        """Say how we stand with each server."""
        servers: list[ServerReport] = [each.report() for each in self._connections.values()]
        return ServersReport(at=time.time_ns() // 1_000_000, servers=tuple(servers))

    async def changes(self, seconds: float) -> None:
        """Wait until the report may say something else, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def _start(self, server: ResolvedServer, before: asyncio.Task[None] | None) -> None:
        from horos_runtime.mcp_connection import ServerConnection, Surroundings  # noqa: PLC0415 - see above

        around = Surroundings(
            self._secrets, self._changed.set, self._tell, self._connect_seconds, self._elicit
        )
        connection = ServerConnection(server, around)
        self._connections[server.name] = connection
        self._tasks[server.name] = self._group.create_task(_after(before, connection.run()))

    def _tools_of(self, name: str) -> list[Tool]:
        from horos_runtime.mcp_tools import tools_of  # noqa: PLC0415 - see the module's docstring

        connection = self._connections[name]
        made = self._made.get(name)
        if made is None or made[0] is not connection.offered:
            made = self._made[name] = (connection.offered, list(tools_of(connection)))
        return made[1]


async def _after(before: asyncio.Task[None] | None, run: Awaitable[None]) -> None:
    """Run when what a server's name stood for before has ended: two processes might want one port or file."""
    if before is not None:
        await asyncio.wait({before})
    await run


def _resolved(server: Server) -> ResolvedServer:
    if isinstance(server, ResolvedServer):
        return server
    if server.server_name is not None:
        problem = f"ToolServer {server.server_name!r} is unknown here: only an operator looks ToolServers up"
        return ResolvedServer(**{**resolved_alone(server).model_dump(), "problem": problem})
    return resolved_alone(server)
