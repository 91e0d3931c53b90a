"""All tools of a runtime: built-ins, those of its program, of installed packages, and of tool servers."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from horos_api import events
from horos_runtime.agent_config import StoredConfig
from horos_runtime.builtin_tools import builtin_tools
from horos_runtime.desk import Desk
from horos_runtime.kept_results import KeptRefs, read_result_tool
from horos_runtime.mcp_servers import AgentServers
from horos_runtime.tool_packages import PackagedTools, load_packages
from horos_runtime.tool_registry import AnyTool, ToolNameConflictError, ToolRegistry
from horos_runtime.turn_log import TurnLog

log: Final = logging.getLogger(__name__)

RoundTools: TypeAlias = Callable[[], ToolRegistry]
"""Returns the tools of this moment, for the next round of a turn."""


class Toolbox:
    """Puts together what each round may call. Packages are loaded at the first turn, not while claiming.

    A package or a tool server whose tool has a name that is taken loses it; two tools of one name among the
    others are an error of the turn.
    """

    def __init__(
        self,
        desk: Desk,
        own: ToolRegistry | None,
        servers: AgentServers,
        load: Callable[[], Awaitable[PackagedTools]] = load_packages,
    ) -> None:
        self._desk = desk
        self.servers = servers
        self._own = ToolRegistry() if own is None else own
        self._load = load
        self._packaged: PackagedTools | None = None
        self._told: set[str] = set()

    async def open(self, opened: TurnLog, config: StoredConfig) -> RoundTools:
        """Return the source of a turn's tools; raises ToolNameConflictError in it."""
        if self._packaged is None:
            self._packaged = await self._load()
            for problem in self._packaged.problems:
                self._tell(opened, problem)
        await self.servers.open(opened.turn.id, config)
        desk, thread = self._desk, opened.turn.thread
        builtin = builtin_tools(
            config.spec.tools.builtin,
            lambda: desk.patience(desk.messages.agents),
            lambda start, count: desk.patience(lambda: desk.messages.stretch(thread, start, count)),
            lambda: desk.patience(desk.groups.groups),
        )
        kept = KeptRefs(opened.journal.context)
        return lambda: self._now(opened, builtin, kept)

    def _now(self, opened: TurnLog, builtin: Sequence[AnyTool], kept: KeptRefs) -> ToolRegistry:
        desk, thread = self._desk, opened.turn.thread
        offered = ToolRegistry(*builtin, *self._own)
        refs = kept.now()
        # What was summed up is no longer in memory; the tool `history` may still name its results.
        if refs or opened.journal.context.through:
            offered.register(
                read_result_tool(
                    lambda ref: desk.patience(lambda: desk.messages.offloaded(thread, ref)), refs
                )
            )
        packaged = self._packaged.tools if self._packaged else ()
        for foreign in (*packaged, *self.servers.tools()):
            try:
                offered.register(foreign)
            except ToolNameConflictError as error:
                self._tell(opened, f"{error}; the second is not offered")
            except ValueError as error:
                self._tell(opened, f"a tool of {foreign.origin} is not offered: {error}")
        return offered

    def _tell(self, opened: TurnLog, problem: str) -> None:
        """Once in the log, and where watchers and `horos describe` see it."""
        if problem in self._told:
            return
        self._told.add(problem)
        log.error("%s", problem)
        self._desk.publisher.publish(opened.turn.id, [events.custom("toolProblem", {"message": problem})])
