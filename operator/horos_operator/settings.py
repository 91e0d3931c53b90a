"""What the operator is told by its environment (variables that begin with HOROS_OPERATOR_)."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ENV_PREFIX: Final = "HOROS_OPERATOR_"


class SettingsError(ValueError):
    """A variable is missing or cannot be understood; the message names each of them."""


class Settings(BaseModel):
    """Settings of one operator process; every field is one variable in capitals behind the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    install: str = Field(min_length=1, description="Part of every Redis key, so that clusters may share one.")
    namespace: str = Field(min_length=1, description="Where the release lives and its Secrets are made.")
    redis_url: str = Field(pattern=r"^rediss?://", description="Redis as the operator reaches it.")
    redis_bundled: bool = Field(
        default=False, description="The chart's own Redis: the operator makes its password."
    )
    agent_redis_url: str = Field(default="", description="Redis as agents reach it, where that differs.")
    agent_image: str = Field(min_length=1, description="Image of an Agent that names none.")
    agent_image_pull_policy: str = "IfNotPresent"
    agent_priority_class: str = Field(default="horos-agents", description="Empty: pods get none.")
    model_name: str = ""
    model_base_url: str = ""
    model_temperature: str = ""
    model_context_window_tokens: int | None = None
    model_max_output_tokens: int | None = None
    namespaces: str = Field(default="", description="Comma separated; empty means all.")
    http_host: str = "0.0.0.0"
    http_port: int = Field(default=8081, ge=0, le=65535)
    sweep_seconds: float = Field(default=180, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def watched_namespaces(self) -> tuple[str, ...]:
        """The namespaces to serve; empty means every one."""
        return tuple(name.strip() for name in self.namespaces.split(",") if name.strip())

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; an empty variable counts as absent. Raises SettingsError."""
        values = {
            name.removeprefix(ENV_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(ENV_PREFIX) and (value or name == f"{ENV_PREFIX}AGENT_PRIORITY_CLASS")
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{ENV_PREFIX}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
                for each in error.errors(include_url=False)
            )
            raise SettingsError(problems) from None
