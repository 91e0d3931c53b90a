"""The tool servers of one runtime: those that its spec names, their tools, and what is told of them."""

import asyncio
import logging
import time
from functools import partial
from types import TracebackType
from typing import Final, Self

from horos_api import events
from horos_api.server_report import ServerReport
from horos_api.tool_servers import ResolvedServer, ToolServerUse
from horos_runtime.agent_config import StoredConfig
from horos_runtime.desk import Desk
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.mcp_people import People
from horos_runtime.tools import Tool
from horos_runtime.wakes import Wakes

log: Final = logging.getLogger(__name__)

FIRST_SECONDS: Final = 5.0
"""How long a turn waits for servers that are new: a model without the tools it was told of answers wrongly.

One that takes longer is waited for no more; its tools come in the round after it is there.
"""
SETTLE_SECONDS: Final = 0.1
"""Changes of the report come in bursts; so long others are waited for."""
REPORT_BYTES: Final = 100_000
"""So many bytes of reports are written in a second at most: that of a thousand tools is large."""
REFRESH_SECONDS: Final = 30.0
"""How often the report is written anyway if it differs: servers go on writing to their stderr."""


class AgentServers:
    """Keeps the manager in step with the agent's configuration; `run` is a task of the runtime."""

    def __init__(self, desk: Desk, wakes: Wakes) -> None:
        self._desk = desk
        self._manager = MCPClientManager(tell=self._tell, elicit=People(desk, wakes).ask)
        self._turn = ""
        self._using = asyncio.Lock()
        self._used: tuple[ToolServerUse | ResolvedServer, ...] = ()
        self._wait_until = 0.0

    async def __aenter__(self) -> Self:
        await self._manager.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._manager.__aexit__(kind, error, trace)

    def leave(self) -> None:
        """Begin to leave the servers."""
        self._manager.leave()

    async def open(self, turn: str, config: StoredConfig) -> None:
        """Use the servers of a turn's configuration, and give new ones a moment to connect."""
        self._turn = turn
        await self._use(config)
        await self._manager.ready(max(0.0, self._wait_until - time.monotonic()))

    def tools(self) -> list[Tool]:
        """List the tools of this moment."""
        return self._manager.tools()

    async def run(self, early: StoredConfig | None) -> None:
        """Connect to the servers of `early` before the first turn comes, then report until cancelled."""
        if early is not None:
            await self._use(early)
        await self._report()

    async def _use(self, config: StoredConfig) -> None:
        servers = config.servers or config.spec.tools.servers
        async with self._using:
            if servers != self._used:
                self._wait_until = time.monotonic() + FIRST_SECONDS
                await self._manager.use(servers)
                self._used = servers

    async def _report(self) -> None:
        """Write to the bus how the servers are, whenever it changes."""
        told: tuple[ServerReport, ...] = ()
        while True:
            await self._manager.changes(REFRESH_SECONDS)
            await asyncio.sleep(SETTLE_SECONDS)
            report = self._manager.report()
            if report.servers != told:
                encoded, told = report.encoded(), report.servers
                await self._desk.patience(partial(self._desk.messages.report_servers, encoded))
                await asyncio.sleep(len(encoded) / REPORT_BYTES)

    def _tell(self, problem: str) -> None:
        log.warning("%s", problem)
        if self._turn:
            shown = events.custom("toolProblem", {"message": problem})
            self._desk.publisher.publish(self._turn, [shown])
