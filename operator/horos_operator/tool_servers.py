"""ToolServers as the operator remembers them, who uses them, and what an agent is told of its servers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from horos_api.resources import AgentSpec
from horos_api.server_report import ServersReport, ServerState
from horos_api.tool_servers import ResolvedServer, ToolServerSpec, ToolServerUse, resolved_alone
from horos_operator.shared_objects import SharedFacts, shared_facts

ToolServerFacts: TypeAlias = SharedFacts[ToolServerSpec]
"""A ToolServer as the API server last showed it."""

ToolServers: TypeAlias = Mapping[str, ToolServerFacts]
"""The ToolServers of one namespace by name."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one agent reports of one ToolServer.

    `live`: a runtime holds the agent, so the report is of now. `tools` counts those before any allow list;
    `error_at` is in milliseconds since the epoch.
    """

    agent: str
    server: str
    live: bool
    state: ServerState
    tools: int
    error: str
    error_at: int


def tool_server_facts(body: Mapping[str, Any]) -> ToolServerFacts:
    """Read a ToolServer; a spec that pydantic refuses becomes `problem`, with the field named."""
    return shared_facts(body, ToolServerSpec)


def servers_used(spec: AgentSpec) -> frozenset[str]:
    """Name the ToolServers that an agent uses, whether or not they exist."""
    return frozenset(use.server_name for use in spec.tools.servers if use.server_name)


def resolve_servers(spec: AgentSpec, known: ToolServers) -> tuple[ResolvedServer, ...]:
    """Fill in what ToolServers say. One that cannot be used carries its `problem`, and the others work."""
    return tuple(_resolved(use, known) for use in spec.tools.servers)


def _resolved(use: ToolServerUse, known: ToolServers) -> ResolvedServer:
    alone = resolved_alone(use)
    if use.server_name is None:
        return alone
    shared = known.get(use.server_name)
    if shared is None:
        return alone.model_copy(update={"problem": f"ToolServer {use.server_name} does not exist"})
    if shared.spec is None:
        return alone.model_copy(update={"problem": f"ToolServer {shared.name}: {shared.problem}"})
    said = shared.spec
    opened = {"headers_secret_ref": said.headers_secret_ref, "oauth_secret_ref": said.oauth_secret_ref}
    return alone.model_copy(update={"url": said.url, **opened})


def secrets_needed(servers: Iterable[ResolvedServer]) -> frozenset[str]:
    """Name the Secrets that the agent's pod mounts for its servers."""
    return frozenset(name for server in servers for name in server.secrets)


def heard_from(name: str, spec: AgentSpec, report: ServersReport, *, live: bool) -> tuple[Heard, ...]:
    """Take from an agent's report what it says of the ToolServers that it uses."""
    used = servers_used(spec)
    return tuple(
        Heard(
            agent=name,
            server=each.server_name,
            live=live,
            state=each.state,
            tools=len(each.tools) + each.hidden,
            error=each.error,
            error_at=each.error_at,
        )
        for each in report.servers
        if each.server_name in used
    )
