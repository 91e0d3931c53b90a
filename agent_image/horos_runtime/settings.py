"""What a runtime is told by its environment: who it is, where Redis is, which keys its models want."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from horos_api.names import Env, agent_name_error
from horos_api.resources import AgentSpec

NO_KEY: Final = "none"
"""The key of a model whose server needs none."""
ANYBODY: Final = "0.0.0.0"
"""Kubelet asks a pod at its own address; where processes share a machine nobody else is to ask them."""
_KEY_VARIABLE: Final = re.compile(rf"{Env.MODEL_API_KEY}(_[0-9]+)?")


class SettingsError(ValueError):
    """The environment is not enough to start; the message names the variable."""


@dataclass(frozen=True)
class RuntimeSettings:
    """One incarnation of one agent.

    `ticket` is the epoch that the operator saw (None: no operator, take the agent over), `token` names this
    process, `health_port` is None when nobody asks. `spec` is for an agent without an operator: its runtime
    creates and configures it. `model_api_key` is the key of the agent's own model; `model_api_keys` has those
    of its fallbacks, by environment variable (`ModelChoice.key_variable`), and wins.
    """

    agent: str
    uid: str
    redis_url: str = field(repr=False)
    prefix: str
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    ticket: int | None = None
    model_api_key: str = field(default=NO_KEY, repr=False)
    model_api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    health_port: int | None = None
    health_host: str = ANYBODY
    spec: AgentSpec | None = None

    @property
    def keys(self) -> dict[str, str]:
        """All API keys by environment variable."""
        return {Env.MODEL_API_KEY: self.model_api_key, **self.model_api_keys}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RuntimeSettings":
        """Read the variables of `horos_api.names.Env`; raises SettingsError."""
        agent = _required(environ, Env.AGENT)
        if error := agent_name_error(agent):
            raise SettingsError(f"{Env.AGENT}: {error}")
        keys = _keys(environ)
        return cls(
            agent=agent,
            uid=_required(environ, Env.UID),
            redis_url=_required(environ, Env.REDIS_URL),
            prefix=_required(environ, Env.PREFIX),
            token=environ.get(Env.TOKEN) or str(uuid.uuid4()),
            ticket=_number(environ, Env.TICKET),
            model_api_key=keys.get(Env.MODEL_API_KEY, NO_KEY),
            model_api_keys=keys,
            health_port=_number(environ, Env.HEALTH_PORT),
            health_host=environ.get(Env.HEALTH_HOST) or ANYBODY,
        )


def _keys(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: value.strip() for name, value in environ.items() if _KEY_VARIABLE.fullmatch(name)}
    return {name: value for name, value in found.items() if value}


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
