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

    `live`: a runtime holds the agent, so the report is of now. `tools` counts those before the allow list;
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
        return alone.model_copy(update={"problem": _missing(use.server_name)})
    if shared.spec is None:
        return alone.model_copy(update={"problem": f"ToolServer {shared.name}: {shared.problem}"})
    said = shared.spec
    opened = {"headers_secret_ref": said.headers_secret_ref, "oauth_secret_ref": said.oauth_secret_ref}
    return alone.model_copy(update={"url": said.url, **opened})


def _missing(name: str) -> str:
    return f"ToolServer {name} does not exist"


def secrets_needed(servers: Iterable[ResolvedServer]) -> frozenset[str]:
    """Name the Secrets that the agent's pod mounts for its servers."""
    return frozenset(name for server in servers for name in server.secrets)


def heard_from(name: str, spec: AgentSpec, report: ServersReport, *, live: bool) -> tuple[Heard, ...]:
    """Take from an agent's report what it says of the ToolServers that it uses.

    That one did not exist is nothing to say of it once it does: the agent will look again.
    """
    used = servers_used(spec)
    heard: list[Heard] = []
    for each in report.servers:
        missing = each.error == _missing(each.server_name)
        if each.server_name not in used or (missing and each.state is not ServerState.CONNECTED):
            continue
        heard.append(
            Heard(
                agent=name,
                server=each.server_name,
                live=live,
                state=each.state,
                tools=len(each.tools) + each.hidden,
                error="" if missing else each.error,
                error_at=0 if missing else each.error_at,
            )
        )
    return tuple(heard)
