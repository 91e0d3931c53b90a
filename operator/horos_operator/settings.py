"""What the operator is told by its environment (variables that begin with HOROS_OPERATOR_)."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from horos_api.money import DECIMAL
from horos_api.resources import Price, SecretKeyRef

ENV_PREFIX: Final = "HOROS_OPERATOR_"
DECIMAL_OR_EMPTY: Final = f"^$|{DECIMAL}"


class SettingsError(ValueError):
    """A variable is missing or cannot be understood; the message names each of them."""


class Settings(BaseModel):
    """Settings of one operator process; every field is one variable in capitals behind the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    install: str = Field(min_length=1, description="Part of every Redis key, so that clusters may share one.")
    namespace: str = Field(min_length=1, description="Where the release lives and its Secrets are made.")
    pod_name: str = Field(default="", description="Who leads, as the Lease names it; empty: the host's name.")
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
    model_api_key_secret_name: str = Field(default="", description="A Secret in each namespace with agents.")
    model_api_key_secret_key: str = ""
    model_prompt_price: str = Field(default="", pattern=DECIMAL_OR_EMPTY, description="Of a million tokens.")
    model_completion_price: str = Field(default="", pattern=DECIMAL_OR_EMPTY)
    namespaces: str = Field(default="", description="Comma separated; empty means all.")
    http_host: str = "0.0.0.0"
    http_port: int = Field(default=8081, ge=0, le=65535)
    metrics_per_agent_limit: int = Field(
        default=2000, ge=0, description="Agents that get metrics of their own; with more of them none does."
    )
    sweep_seconds: float = Field(default=180, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _whole_key_reference(self) -> "Settings":
        if bool(self.model_api_key_secret_name) != bool(self.model_api_key_secret_key):
            raise ValueError("MODEL_API_KEY_SECRET_NAME and MODEL_API_KEY_SECRET_KEY go together")
        return self

    @property
    def model_api_key_secret_ref(self) -> SecretKeyRef | None:
        """Where the default model's key is, in each namespace with agents."""
        if not self.model_api_key_secret_name:
            return None
        return SecretKeyRef(name=self.model_api_key_secret_name, key=self.model_api_key_secret_key)

    @property
    def model_price(self) -> Price | None:
        """What the default model costs, None when that is not said."""
        if not (self.model_prompt_price or self.model_completion_price):
            return None
        return Price(prompt=self.model_prompt_price or "0", completion=self.model_completion_price or "0")

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
