"""How an agent's tool servers are, as the gateway tells it: the runtime's report with its age."""

from typing import Literal

from pydantic import Field

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


def servers_body(
    report: ServersReport | None, configured: list[str], *, resident: bool, now: float
) -> ServersBody:
    """Build it of what the process reported and of what the spec names; `now` in seconds."""
    return ServersBody(
        at=_time(report.at) if report else None,
        age_seconds=max(0.0, round(now - report.at / 1000, 1)) if report else None,
        resident=resident,
        configured=configured,
        items=[_server(each) for each in report.servers] if report else [],
    )


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
