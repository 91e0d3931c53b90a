"""What the operator projects of an Agent: read from Redis, checked, and kept until its version changes."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice, choices
from horos_api.resources import AgentSpec
from horos_api.tool_servers import ResolvedServer
from horos_runtime.model_errors import ModelRefusedError

ReadConfig: TypeAlias = Callable[[], Awaitable[bytes]]
"""Reads the text that lies in Redis: `MessageService.config`."""


class StoredConfig(BaseModel):
    """The JSON that `configure` stores."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, defer_build=True)

    generation: int
    spec: AgentSpec
    models: tuple[ModelChoice, ...] = ()
    """The models to ask, the spec's own first, then its fallbacks; empty: as the spec says them."""
    servers: tuple[ResolvedServer, ...] = ()
    """The tool servers to connect to, ToolServers filled in; the spec has them as they were written."""
    idle_seconds: Annotated[int, Field(ge=0)] = Field(default=0, alias="idleSeconds")
    """After so long without work the runtime gives up its pod; 0, as without an operator: never."""

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """The models to ask, the spec's own first."""
        return self.models or choices(self.spec)

    def encoded(self) -> bytes:
        """Encode as Redis stores it, defaults filled in, what is None left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class AgentConfig:
    """The agent's configuration, read again when `version` differs."""

    def __init__(self, read: ReadConfig) -> None:
        self._read = read
        self._version = self._idle_version = 0
        self._config: StoredConfig | None = None
        self._idle_seconds = 0
        self.with_servers: StoredConfig | None = None
        """What `look_for_servers` has found."""

    async def of(self, version: int) -> StoredConfig:
        """Return the configuration of this version or a newer one.

        Raises ModelRefusedError when there is none, or none that this runtime understands.
        """
        if self._config is None or version != self._version:
            self._config = _checked(await self._read())
            self._version = self._idle_version = version
            self._idle_seconds = self._config.idle_seconds
        return self._config

    async def idle_seconds(self, version: int) -> int:
        """Return after how long without work to leave, as this version or a newer one says; 0 = never.

        Nothing is checked, as in `look_for_servers`; what is no such number counts as 0.
        """
        if version != self._idle_version:
            self._idle_seconds = _idle_seconds(await self._read())
            self._idle_version = version
        return self._idle_seconds

    async def look_for_servers(self) -> None:
        """Read the newest configuration into `with_servers` if it names tool servers and is understood.

        One without them is not checked: building the validators of resources costs memory that a runtime
        without a turn can do without. What is wrong with one is told by the first turn.
        """
        text = await self._read()
        with contextlib.suppress(ModelRefusedError):
            self.with_servers = _checked(text) if _names_servers(text) else None


def _checked(text: bytes) -> StoredConfig:
    try:
        return StoredConfig.model_validate_json(text)
    except ValidationError as error:
        raise ModelRefusedError(Reason.MODEL_MISCONFIGURED, _explain(text, error)) from error


def _names_servers(text: bytes) -> bool:
    try:
        config = orjson.loads(text)
        return bool(config.get("servers") or config["spec"]["tools"]["servers"])
    except (orjson.JSONDecodeError, AttributeError, LookupError, TypeError):
        return False


def _idle_seconds(text: bytes) -> int:
    try:
        seconds = orjson.loads(text).get("idleSeconds")
    except (orjson.JSONDecodeError, AttributeError):
        return 0
    return seconds if type(seconds) is int and seconds > 0 else 0


def _explain(text: bytes, error: ValidationError) -> str:
    if not text:
        return "the agent has no configuration yet"
    problems = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return "the configuration is not one that this runtime understands: " + "; ".join(problems)
