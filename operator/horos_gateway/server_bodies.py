"""How an agent's tool servers are, as the gateway tells it: the runtime's report with its age."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from horos_api.budgets import utc_time
from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_gateway.bodies import WireBody


class ServerBody(WireBody):
    """One tool server as the agent's process saw it."""

    name: str = Field(description="Its name in the agent's spec, and before `__` in the names of its tools.")
    server_name: str = Field(description="The ToolServer that it is; empty: a server of the agent's own.")
    transport: Literal["stdio", "http"] = Field(
        description="Whether it is a child process or lies behind a URL."
    )
    state: ServerState = Field(description="Failed ones are tried again.")
    since: str | None = Field(description="Since when it is in this state (RFC 3339, UTC).")
    tools: list[str] = Field(description="What the model is offered of it, by the names that the model sees.")
    hidden: int = Field(
        description="How many of its tools are not offered: not allowed, or the name is taken."
    )
    error: str = Field(description="The last error, or empty; it may be over.")
    error_at: str | None = Field(description="When the last error happened (RFC 3339, UTC).")
    stderr: str = Field(description="The end of what a child process wrote to its standard error.")


class ServersBody(WireBody):
    """All tool servers of an agent."""

    at: str | None = Field(
        description="When the agent's process reported this (RFC 3339, UTC); null: it never did."
    )
    age_seconds: float | None = Field(description="How long ago that was.")
    resident: bool = Field(description="Whether a process has the agent now: if not, nobody is connected.")
    configured: list[str] = Field(description="The servers that its spec names, reported on or not yet.")
    items: list[ServerBody] = Field(description="The servers that its process reported on.")


class _Server(BaseModel):
    name: str


class _Tools(BaseModel):
    servers: list[_Server] = Field(default_factory=list)


class _Spec(BaseModel):
    tools: _Tools = Field(default_factory=_Tools)


class _Config(BaseModel):
    """The part of the operator's projection that is read here."""

    model_config = ConfigDict(extra="ignore")

    spec: _Spec = Field(default_factory=_Spec)


def servers_body(report: ServersReport | None, config: bytes, *, resident: bool, now: float) -> ServersBody:
    """Build it of what the process reported and of what the operator projected; `now` in seconds."""
    return ServersBody(
        at=_time(report.at) if report else None,
        age_seconds=max(0.0, round(now - report.at / 1000, 1)) if report else None,
        resident=resident,
        configured=_configured(config),
        items=[_server(each) for each in report.servers] if report else [],
    )


def _configured(config: bytes) -> list[str]:
    try:
        servers = _Config.model_validate_json(config or b"{}").spec.tools.servers
    except ValidationError:
        return []  # of another version: the operator's condition Accepted and the runtime tell that
    return [each.name for each in servers]


def _server(report: ServerReport) -> ServerBody:
    return ServerBody(
        name=report.name,
        server_name=report.server_name,
        transport="stdio" if report.transport == "stdio" else "http",
        state=report.state,
        since=_time(report.since),
        tools=list(report.tools),
        hidden=report.hidden,
        error=report.error,
        error_at=_time(report.error_at),
        stderr=report.stderr,
    )


def _time(milliseconds: int) -> str | None:
    return utc_time(milliseconds / 1000) if milliseconds else None
