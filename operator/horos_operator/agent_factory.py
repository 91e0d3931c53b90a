"""AgentFactory: from options to a validated Agent, and from an Agent to its pod and its configuration."""

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson
from pydantic import BaseModel

from horos_api.resources import (
    IDLE_SECONDS,
    Agent,
    AgentSpec,
    Lifetime,
    ModelSpec,
    OperatingMode,
    ToolsSpec,
)
from horos_operator.agent_pools import AgentPoolFacts
from horos_operator.facts import AgentFacts
from horos_operator.models import Configs, resolve
from horos_operator.pods import Asked, Incarnation, desired_pod
from horos_operator.settings import Settings
from horos_operator.tool_servers import ToolServers, resolve_servers

_OF_THE_POD: Final = {"image", "image_pull_secrets", "env", "node_selector", "tolerations", "resources"}
_OF_THE_POOL: Final = {"priority", "idle_seconds", "parent_name", "ttl_seconds_after_finished"}
"""Fields that the operator decides by; the runtime has no use for them."""

NO_CONFIGS: Final[Configs] = MappingProxyType({})
NO_SERVERS: Final[ToolServers] = MappingProxyType({})


@dataclass(frozen=True)
class CreateAgentOptions:
    """What a new agent needs at least.

    `name` and `namespace` are those of the Agent; `instructions`, `model` and `tools` are the parts of the
    spec that differ from agent to agent; `suspended` makes it without a pod. `parent_name` is the agent that
    it ends with, `lifetime` whether it also ends by itself. `spec` has everything else and gives way to the
    fields beside it.
    """

    name: str
    namespace: str = "default"
    instructions: str = ""
    model: ModelSpec | None = None
    tools: ToolsSpec | None = None
    spec: AgentSpec | None = None
    suspended: bool = False
    parent_name: str = ""
    lifetime: Lifetime | None = None


class AgentFactory:
    """Builds what an agent consists of. Pure: it asks nobody and changes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @staticmethod
    def agent(options: CreateAgentOptions) -> Agent:
        """Build an Agent as the API server would accept it; this needs no factory.

        Raises pydantic.ValidationError, which names each field that is wrong.
        """
        fields: dict[str, Any] = {
            **({"instructions": options.instructions} if options.instructions else {}),
            **({"model": options.model} if options.model else {}),
            **({"tools": options.tools} if options.tools else {}),
            **({"operating_mode": OperatingMode.SUSPENDED} if options.suspended else {}),
            **({"parent_name": options.parent_name} if options.parent_name else {}),
            **({"lifetime": options.lifetime} if options.lifetime else {}),
        }
        spec = (options.spec or AgentSpec()).model_copy(update=fields)
        # Through the manifest, because a copy with changed fields is not validated.
        plain = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        metadata = {"name": options.name, "namespace": options.namespace}
        return Agent.from_manifest({"metadata": metadata, "spec": plain})

    def wanted(
        self,
        spec: AgentSpec,
        configs: Configs = NO_CONFIGS,
        servers: ToolServers = NO_SERVERS,
        pool: AgentPoolFacts | None = None,
    ) -> Asked:
        """Fill in a spec from the ModelConfigs, the ToolServers and the AgentPool of its namespace."""
        idle = pool.spec.idle_seconds if pool and pool.spec else IDLE_SECONDS
        return Asked(
            spec=spec,
            models=resolve(spec, configs, self._settings),
            servers=resolve_servers(spec, servers),
            settings=self._settings,
            idle_seconds=idle if spec.idle_seconds is None else spec.idle_seconds,
        )

    def pod(self, agent: AgentFacts, wanted: Asked, life: Incarnation) -> dict[str, Any]:
        """Build the pod of one incarnation."""
        return desired_pod(agent, wanted, life)

    def config(self, agent: AgentFacts, wanted: Asked) -> bytes:
        """Build what the runtime reads from the bus: JSON with `generation` and `spec` as said.

        `idleSeconds`, `models` and `servers` are what the spec says of them, filled in.
        """
        # Whoever has a parent pays into the budget of its tree.
        unread = _OF_THE_POD | (_OF_THE_POOL - {"parent_name"} if wanted.spec.parent_name else _OF_THE_POOL)
        plain = wanted.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=unread)
        stored = {
            "generation": agent.generation,
            "idleSeconds": wanted.idle_seconds,
            "spec": plain,
            "models": [_dumped(each) for each in wanted.models.choices],
            **({"servers": [_dumped(each) for each in wanted.servers]} if wanted.servers else {}),
        }
        return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)


def _dumped(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)


def config_digest(config: bytes) -> str:
    """Sum up a configuration, so that remembering it for ten thousand agents costs little."""
    return hashlib.sha256(config).hexdigest()
