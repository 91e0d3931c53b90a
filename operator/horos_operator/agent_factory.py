"""AgentFactory: from options to a validated Agent, and from an Agent to its pod and its configuration."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from horos_api.resources import Agent, AgentSpec, Metadata, ModelSpec, OperatingMode, ToolsSpec
from horos_operator.facts import AgentFacts
from horos_operator.pods import Incarnation, asked, desired_pod
from horos_operator.settings import Settings

_OF_THE_POD: Final = {"image", "image_pull_secrets", "env", "node_selector", "tolerations", "resources"}
"""Fields that only the pod is made from; the runtime has no use for them."""


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
        metadata = Metadata(name=options.name, namespace=options.namespace)
        # Through the manifest, because a copy with changed fields is not validated.
        manifest = Agent.model_construct(metadata=metadata, spec=spec).to_manifest()
        return Agent.from_manifest(manifest)

    def pod(self, agent: AgentFacts, spec: AgentSpec, life: Incarnation) -> dict[str, Any]:
        """Build the pod of one incarnation."""
        return desired_pod(agent, spec, self._settings, life)

    def asked(self, spec: AgentSpec) -> str:
        """Sum up what today's pod would be made from."""
        return asked(spec, self._settings)

    def model(self, spec: AgentSpec) -> ModelSpec:
        """Fill what the spec does not say of its model from the operator's settings."""
        said = spec.model or ModelSpec()
        defaults = {
            "name": self._settings.model_name or None,
            "base_url": self._settings.model_base_url or None,
            "temperature": self._settings.model_temperature or None,
            "context_window_tokens": self._settings.model_context_window_tokens,
            "max_output_tokens": self._settings.model_max_output_tokens,
        }
        missing = {name: value for name, value in defaults.items() if getattr(said, name) is None}
        return said.model_copy(update=missing)

    def config(self, agent: AgentFacts, spec: AgentSpec) -> bytes:
        """Build what the runtime reads from the bus: JSON with `generation` and `spec`, defaults filled."""
        complete = spec.model_copy(update={"model": self.model(spec)})
        plain = complete.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OF_THE_POD)
        return orjson.dumps({"generation": agent.generation, "spec": plain}, option=orjson.OPT_SORT_KEYS)


def config_digest(config: bytes) -> str:
    """Sum up a configuration, so that remembering it for ten thousand agents costs little."""
    return hashlib.sha256(config).hexdigest()
