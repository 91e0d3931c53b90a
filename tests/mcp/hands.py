"""What an agent does with its tool servers, without the agent: the manager, its tools called as in a turn."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from horos_api.events import Event
from horos_api.pod_fields import LocalObjectRef
from horos_api.server_report import ServerReport, ServerState
from horos_api.tool_servers import ServerEnvVar, ToolServerUse
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.mcp_questions import Question, Verdict
from horos_runtime.mcp_secrets import SecretFiles
from horos_runtime.pace import Backoff
from horos_runtime.tool_context import ProgressReports, ToolContext
from horos_runtime.tool_executor import ToolExecutor
from horos_runtime.tool_registry import ToolRegistry
from tests.mcp.recording import eventually

Place = str | tuple[str, ...]
"""Where a server is: its URL, or its command."""
RETRY: Final = Backoff(0.01, 0.05)
_numbers = itertools.count(1)


@dataclass
class Hands:
    """A manager at work; `told` is what people hear of it; `questions` and `progress` are the servers'."""

    manager: MCPClientManager
    told: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    progress: list[Event] = field(default_factory=list)

    def names(self) -> list[str]:
        """The names of the tools that a model is offered now."""
        return sorted(tool.name for tool in self.manager.tools())

    async def call(self, name: str, /, **arguments: Any) -> str:
        """Call a tool as a turn does; returns what the model reads."""
        executor = ToolExecutor(ToolRegistry(*self.manager.tools()), RETRY)
        key = f"ada/1-0/{next(_numbers)}.0"
        context = ToolContext(
            agent="ada",
            thread="main",
            turn="1-0",
            idempotency_key=key,
            call_id=key,
            tool=name,
            reports=ProgressReports(self.progress.append),
        )
        return await executor.call(name, arguments, context)

    def report(self, name: str = "raw") -> ServerReport:
        """How the agent stands with one server."""
        (found,) = (server for server in self.manager.report().servers if server.name == name)
        return found

    async def becomes(self, state: ServerState, name: str = "raw") -> ServerReport:
        """Wait until the agent stands so with a server."""
        await eventually(lambda: self.report(name).state is state, f"{name} is {state}")
        return self.report(name)


@contextlib.asynccontextmanager
async def hands(
    *,
    wait: bool = True,
    verdict: Verdict | None = None,
    secrets: Path | None = None,
    connect: float = 30.0,
    settings: Mapping[str, Any] | None = None,
    **servers: Place,
) -> AsyncIterator[Hands]:
    """Use these servers, all with the same settings of a ToolServerUse, and wait until they are connected.

    `verdict` is what a person decides of whatever a server asks; without one nobody ever decides. Connecting
    may take as long as a call, and `connect` seconds in any case.
    """
    told: list[str] = []
    questions: list[Question] = []

    async def decide(question: Question, _: ToolContext) -> Verdict | None:
        questions.append(question)
        if verdict is None:
            await asyncio.Event().wait()
        return verdict

    uses = [used(name, place, **(settings or {})) for name, place in servers.items()]
    files = SecretFiles(secrets) if secrets else None
    asked = MCPClientManager(uses, tell=told.append, elicit=decide, secrets=files, connect_seconds=connect)
    async with asked as manager:
        agent = Hands(manager, told, questions)
        if wait:
            for name in servers:
                await agent.becomes(ServerState.CONNECTED, name)
        yield agent


def used(
    name: str,
    place: Place,
    *,
    timeout: int = 60,
    allow: Iterable[str] = ("*",),
    env: Mapping[str, str] | None = None,
    headers: str | None = None,
    oauth: str | None = None,
) -> ToolServerUse:
    """Write down the use of a server as a spec has it; `headers` and `oauth` are names of Secrets."""
    return ToolServerUse(
        name=name,
        url=place if isinstance(place, str) else None,
        command=None if isinstance(place, str) else place,
        timeout_seconds=timeout,
        allow=tuple(allow),
        env=tuple(ServerEnvVar(name=key, value=value) for key, value in (env or {}).items()),
        headers_secret_ref=LocalObjectRef(name=headers) if headers else None,
        oauth_secret_ref=LocalObjectRef(name=oauth) if oauth else None,
    )


def secret(root: Path, name: str, /, **keys: str) -> str:
    """Write keys of a Secret as a pod mounts them; returns its name."""
    (root / name).mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        (root / name / key).write_text(value)
    return name
