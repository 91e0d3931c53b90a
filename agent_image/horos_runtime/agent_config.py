"""What the operator projects of an Agent: read from Redis, checked, and kept until its version changes."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice, choices
from horos_api.resources import AgentSpec
from horos_runtime.model_errors import ModelRefusedError

ReadConfig: TypeAlias = Callable[[], Awaitable[bytes]]
"""Reads the text that lies in Redis: `MessageService.config`."""


class StoredConfig(BaseModel):
    """The JSON that `configure` stores."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    generation: int
    spec: AgentSpec
    models: tuple[ModelChoice, ...] = ()
    """The models to ask, the spec's own first, then its fallbacks; empty: as the spec says them."""

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
        self._version = 0
        self._config: StoredConfig | None = None

    async def of(self, version: int) -> StoredConfig:
        """Return the configuration of this version or a newer one.

        Raises ModelRefusedError when there is none, or none that this runtime understands.
        """
        if self._config is None or version != self._version:
            text = await self._read()
            try:
                self._config = StoredConfig.model_validate_json(text)
            except ValidationError as error:
                raise ModelRefusedError(Reason.MODEL_MISCONFIGURED, _explain(text, error)) from error
            self._version = version
        return self._config


def _explain(text: bytes, error: ValidationError) -> str:
    if not text:
        return "the agent has no configuration yet"
    problems = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return "the configuration is not one that this runtime understands: " + "; ".join(problems)
