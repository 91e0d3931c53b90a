"""What a runtime is told by its environment: who it is, where Redis is, which key its model wants."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from horos_api.names import Env, agent_name_error
from horos_api.resources import AgentSpec


class SettingsError(ValueError):
    """The environment is not enough to start; the message names the variable."""


@dataclass(frozen=True)
class RuntimeSettings:
    """One incarnation of one agent.

    `ticket` is the epoch that the operator saw (None: no operator, take the agent over), `token` names this
    process, `health_port` is None when nobody asks. `spec` is for an agent without an operator: its runtime
    creates and configures it.
    """

    agent: str
    uid: str
    redis_url: str = field(repr=False)
    prefix: str
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    ticket: int | None = None
    model_api_key: str = field(default="none", repr=False)
    health_port: int | None = None
    health_host: str = "0.0.0.0"
    spec: AgentSpec | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RuntimeSettings":
        """Read the variables of `horos_api.names.Env`; raises SettingsError."""
        agent = _required(environ, Env.AGENT)
        if error := agent_name_error(agent):
            raise SettingsError(f"{Env.AGENT}: {error}")
        return cls(
            agent=agent,
            uid=_required(environ, Env.UID),
            redis_url=_required(environ, Env.REDIS_URL),
            prefix=_required(environ, Env.PREFIX),
            token=environ.get(Env.TOKEN) or str(uuid.uuid4()),
            ticket=_number(environ, Env.TICKET),
            model_api_key=environ.get(Env.MODEL_API_KEY, "").strip() or "none",
            health_port=_number(environ, Env.HEALTH_PORT),
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set")
    return value


def _number(environ: Mapping[str, str], name: str) -> int | None:
    value = environ.get(name, "")
    if not value:
        return None
    if not value.isdecimal():
        raise SettingsError(f"{name}: expected a whole number, not {value!r}")
    return int(value)
