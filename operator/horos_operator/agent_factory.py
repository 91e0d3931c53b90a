"""AgentFactory: from options to a validated Agent, and from an Agent to its pod and its configuration."""

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from horos_api.resources import Agent, AgentSpec, ModelSpec, OperatingMode, ToolsSpec
from horos_operator.facts import AgentFacts
from horos_operator.models import Configs, Models, resolve
from horos_operator.pods import Asked, Incarnation, asked, desired_pod
from horos_operator.settings import Settings

_OF_THE_POD: Final = {"image", "image_pull_secrets", "env", "node_selector", "tolerations", "resources"}
"""Fields that only the pod is made from; the runtime has no use for them."""

NO_CONFIGS: Final[Configs] = MappingProxyType({})


@dataclass(frozen=True)
class CreateAgentOptions:
    """What a new agent needs at least.

    `name` and `namespace` are those of the Agent; `instructions`, `model` and `tools` are the parts of the
    spec that differ from agent to agent; `suspended` makes it without a pod. `spec` has everything else and
    gives way to the fields beside it.
    """

    name: str
    namespace: str = "default"
    instructions: str = ""
    model: ModelSpec | None = None
    tools: ToolsSpec | None = None
    spec: AgentSpec | None = None
    suspended: bool = False


class AgentFactory:
    """Builds what an agent consists of. Pure: it asks nobody and changes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def agent(self, options: CreateAgentOptions) -> Agent:
        """Build an Agent as the API server would accept it.

        Raises pydantic.ValidationError, which names each field that is wrong.
        """
        fields: dict[str, Any] = {
            **({"instructions": options.instructions} if options.instructions else {}),
            **({"model": options.model} if options.model else {}),
            **({"tools": options.tools} if options.tools else {}),
            **({"operating_mode": OperatingMode.SUSPENDED} if options.suspended else {}),
        }
        spec = (options.spec or AgentSpec()).model_copy(update=fields)
        # Through the manifest, because a copy with changed fields is not validated.
        plain = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        metadata = {"name": options.name, "namespace": options.namespace}
        return Agent.from_manifest({"metadata": metadata, "spec": plain})

    def models(self, spec: AgentSpec, configs: Configs = NO_CONFIGS) -> Models:
        """Find out which models an agent asks; `configs` are the ModelConfigs of its namespace."""
        return resolve(spec, configs, self._settings)

    def pod(self, agent: AgentFacts, spec: AgentSpec, models: Models, life: Incarnation) -> dict[str, Any]:
        """Build the pod of one incarnation."""
        return desired_pod(agent, Asked(spec, models, self._settings), life)

    def asked(self, spec: AgentSpec, models: Models) -> str:
        """Sum up what today's pod would be made from."""
        return asked(Asked(spec, models, self._settings))

    def config(self, agent: AgentFacts, spec: AgentSpec, models: Models) -> bytes:
        """Build what the runtime reads from the bus: JSON with `generation`, `spec` as said, and `models`."""
        plain = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OF_THE_POD)
        stored = {
            "generation": agent.generation,
            "spec": plain,
            "models": [
                each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in models.choices
            ],
        }
        return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)


def config_digest(config: bytes) -> str:
    """Sum up a configuration, so that remembering it for ten thousand agents costs little."""
    return hashlib.sha256(config).hexdigest()
