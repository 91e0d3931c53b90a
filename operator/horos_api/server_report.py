"""What a runtime reports of its tool servers: JSON on the bus, read by operator, gateway and people."""

from enum import StrEnum

from pydantic import ConfigDict, Field, ValidationError

from horos_api.fields import ApiModel

STDERR_BYTES = 4096
"""How much of what a server wrote to its standard error is kept, the end of it."""


class ServerState(StrEnum):
    """How an agent stands with one of its servers."""

    CONNECTING = "Connecting"
    """Not reached yet, or tried again after it was lost."""
    CONNECTED = "Connected"
    """Its tools can be called."""
    FAILED = "Failed"
    """It cannot be reached, or cannot be used as it is configured; `error` says why. It is tried again."""


class _Reported(ApiModel):
    """A part of a report. A newer runtime may say more than this version knows."""

    model_config = ConfigDict(extra="ignore")


class ServerReport(_Reported):
    """One server as its agent sees it. Times are milliseconds since the epoch, 0 when there is none.

    `server_name` is the ToolServer's, empty for a server of the agent's own. `tools` are the names that the
    model is offered; `hidden` counts those that it is not (not allowed, or another one has the name).
    """

    name: str
    server_name: str = ""
    transport: str = "http"
    state: ServerState
    since: int = 0
    tools: tuple[str, ...] = ()
    hidden: int = 0
    error: str = ""
    error_at: int = 0
    stderr: str = ""


class ServersReport(_Reported):
    """All servers of an agent, as they were at `at` (milliseconds since the epoch)."""

    at: int = 0
    servers: tuple[ServerReport, ...] = Field(default=())

    def encoded(self) -> bytes:
        """Encode as the bus stores it."""
        return self.model_dump_json(by_alias=True).encode()

    @property
    def connected(self) -> frozenset[str]:
        """The names of the servers that are connected."""
        return frozenset(each.name for each in self.servers if each.state is ServerState.CONNECTED)


def read_report(text: bytes | None) -> ServersReport | None:
    """Read what a runtime stored; None when there is none, or none that this version understands."""
    if not text:
        return None
    try:
        return ServersReport.model_validate_json(text)
    except ValidationError:
        return None
