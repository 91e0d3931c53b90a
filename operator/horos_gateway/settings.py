"""What the gateway is told by its environment (variables that begin with HOROS_GATEWAY_)."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

ENV_PREFIX: Final = "HOROS_GATEWAY_"
TOKEN_LENGTH: Final = 16


class SettingsError(ValueError):
    """A variable is missing or cannot be understood; the message names it, and never a value."""


class Settings(BaseModel):
    """Settings of one gateway process; every field is one variable in capitals behind the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: str = Field(
        pattern=r"^rediss?://", description="Redis, with a user that reaches every namespace."
    )
    install: str = Field(min_length=1, description="Part of every Redis key, so that clusters may share one.")
    token: SecretStr = Field(min_length=TOKEN_LENGTH, description="What a caller must show.")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Where scrapers read metrics, without a token."
    )
    heartbeat_seconds: float = Field(
        default=15,
        gt=0,
        description="How long a stream of events may be silent before it shows that it lives.",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; an empty variable counts as absent. Raises SettingsError."""
        values = {
            name.removeprefix(ENV_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(ENV_PREFIX) and value
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{ENV_PREFIX}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)
            )
            raise SettingsError(problems) from None
