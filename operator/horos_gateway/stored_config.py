"""The part of the operator's projection (`StoredConfig` of the runtime) that the gateway reads."""

from pydantic import BaseModel, Field, ValidationError

from horos_api.resources import BudgetSpec


class _Server(BaseModel):
    name: str


class _Tools(BaseModel):
    servers: tuple[_Server, ...] = ()


class StoredSpec(BaseModel):
    """What the gateway tells of an agent's spec."""

    budget: BudgetSpec = Field(default_factory=BudgetSpec)
    tools: _Tools = Field(default_factory=_Tools)

    @property
    def servers(self) -> list[str]:
        """The names of the tool servers that the agent uses."""
        return [each.name for each in self.tools.servers]


class StoredConfig(BaseModel):
    """What the gateway tells of an agent's configuration."""

    spec: StoredSpec = Field(default_factory=StoredSpec)
    idle_seconds: int | None = Field(None, alias="idleSeconds")


def read_config(config: bytes | None) -> StoredConfig:
    """Read a stored configuration. One of another version says nothing: conditions and runtime tell that."""
    try:
        return StoredConfig.model_validate_json(config or b"{}")
    except ValidationError:
        return StoredConfig()
