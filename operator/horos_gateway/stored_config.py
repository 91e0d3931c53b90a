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


class _Config(BaseModel):
    spec: StoredSpec = Field(default_factory=StoredSpec)


def read_spec(config: bytes | None) -> StoredSpec:
    """Read a stored configuration. One of another version says nothing: conditions and runtime tell that."""
    try:
        return _Config.model_validate_json(config or b"{}").spec
    except ValidationError:
        return StoredSpec()
