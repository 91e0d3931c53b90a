"""The resources that people write, as immutable models; `crd.py` makes the CRD from them."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from horos_api.agent_status import AgentStatus, Condition, Usage
from horos_api.fields import (
    NAMED_LIST,
    NOT_TEXT,
    SET_LIST,
    ApiModel,
    ObjectName,
    Unique,
    WholeNumber,
    rule,
    rules,
    unique_by_name,
)
from horos_api.names import AGENT_NAME_LENGTH, agent_name_error
from horos_api.pod_fields import (
    LABEL_NAME,
    EnvVar,
    LabelValue,
    LocalObjectRef,
    PodResources,
    SecretKeyRef,
    Toleration,
)

__all__ = [
    "Agent",
    "AgentSpec",
    "AgentStatus",
    "BudgetSpec",
    "BuiltinTool",
    "Condition",
    "Metadata",
    "ModelSpec",
    "OperatingMode",
    "SecretKeyRef",
    "ToolsSpec",
    "Usage",
]

_LABEL_KEY: Final = rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{LABEL_NAME}$"


DECIMAL: Final = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"
"""An amount of money: the schema's pattern."""

WindowTokens = Annotated[int, Field(ge=512, le=10_000_000), NOT_TEXT]
OutputTokens = Annotated[int, Field(ge=1, le=1_000_000), NOT_TEXT]


class OperatingMode(StrEnum):
    """Whether the agent works."""

    RUNNING = "Running"
    SUSPENDED = "Suspended"
    TERMINATED = "Terminated"


class BuiltinTool(StrEnum):
    """The tools that every agent image has."""

    SEND = "send"
    ASK = "ask"
    REPLY = "reply"
    LIST_AGENTS = "list_agents"
    HISTORY = "history"


_OUTPUT_FITS: Final = rule(
    "!has(self.maxOutputTokens) || !has(self.contextWindowTokens)"
    " || self.maxOutputTokens < self.contextWindowTokens",
    "maxOutputTokens must be below contextWindowTokens",
)


class Price(ApiModel):
    """What a model costs, in any one currency; decimal numbers as text keep the sums exact."""

    prompt: str = Field(
        "0", pattern=DECIMAL, description="Price of a million tokens that the model reads, as text."
    )
    completion: str = Field(
        "0", pattern=DECIMAL, description="Price of a million tokens that the model writes, as text."
    )


class FallbackSpec(ApiModel):
    """One language model; what is not said here comes from the ModelConfig, then from the chart's values."""

    model_config = ConfigDict(json_schema_extra=rules(_OUTPUT_FITS))

    config_name: ObjectName | None = Field(
        None, description="The ModelConfig of the namespace that says what is not said here."
    )
    name: str | None = Field(
        None, min_length=1, max_length=256, description="Name of the model, as its server spells it."
    )
    base_url: str | None = Field(
        None,
        pattern=r"^https?://[!-~]+$",
        max_length=2048,
        description="Address of an OpenAI-compatible API, up to and with its version, as in https://llm.example/v1.",
    )
    api_key_secret_ref: SecretKeyRef | None = Field(
        None, description="The Secret and key with the API key; a server that needs none gets `none`."
    )
    temperature: str | None = Field(
        None,
        pattern=r"^([01](\.[0-9]{1,3})?|2(\.0{1,3})?)$",
        description='How freely the model chooses, from "0" to "2", a decimal number as text.',
    )
    context_window_tokens: WindowTokens | None = Field(
        None, description="How many tokens the model can read and write in one call."
    )
    max_output_tokens: OutputTokens | None = Field(
        None, description="How many tokens one answer of the model may have at most."
    )

    @model_validator(mode="after")
    def _output_fits(self) -> Self:
        output, window = self.max_output_tokens, self.context_window_tokens
        if output is not None and window is not None and output >= window:
            raise ValueError(_OUTPUT_FITS["message"])
        return self


class ModelSpec(FallbackSpec):
    """The language model that answers, and what else of it is asked for."""

    response_schema: dict[str, Any] | None = Field(
        None,
        description="JSON Schema that the final answer must satisfy; the answer is then JSON text.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    fallbacks: tuple[FallbackSpec, ...] = Field(
        (),
        max_length=8,
        description="Further models, tried in this order when the one before does not answer.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class ToolsSpec(ApiModel):
    """What the model may call."""

    builtin: Annotated[tuple[BuiltinTool, ...], Unique] = Field(
        default=tuple(BuiltinTool),
        max_length=32,
        description="The tools of horos itself that the model may call; an empty list means none.",
        json_schema_extra=SET_LIST,
    )


class BudgetSpec(ApiModel):
    """How much a turn may cost, and how long a request may stay unanswered."""

    tool_rounds: WholeNumber = Field(
        25, ge=1, le=1000, description="How often one turn may go back to the model with results of tools."
    )
    turn_seconds: WholeNumber = Field(
        600, ge=1, le=86_400, description="How many seconds one turn may take, model and tools together."
    )
    tokens_per_day: Annotated[int, Field(ge=1, le=10**12), NOT_TEXT] | None = Field(
        None, description="How many tokens models may read and write for the agent in one day (UTC)."
    )
    cost_per_day: str | None = Field(
        None,
        pattern=DECIMAL,
        description="How much the agent's models may cost in one day (UTC), a decimal number as text.",
    )
    request_seconds: WholeNumber = Field(
        3600,
        ge=1,
        le=2_592_000,
        description="How many seconds a request may stay unanswered before it ends with an error.",
    )


class AgentSpec(ApiModel):
    """What is asked for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has(self.nodeSelector) || self.nodeSelector.all(key, key.matches('{_LABEL_KEY}'))",
                "nodeSelector: expected keys of labels",
            ),
            rule(
                "oldSelf.operatingMode != 'Terminated' || self.operatingMode == 'Terminated'",
                "operatingMode: Terminated is final; delete the Agent and create it anew",
            ),
        )
    )

    instructions: str = Field(
        "",
        max_length=65_536,
        description="Who the agent is and how it works: the system message of its model.",
    )
    model: ModelSpec | None = Field(
        None, description="The language model that answers; the chart's when not given."
    )
    tools: ToolsSpec = Field(
        default_factory=ToolsSpec, description="What the model may call besides answering."
    )
    operating_mode: OperatingMode = Field(
        OperatingMode.RUNNING,
        description="Running; Suspended: no pod after its turn, messages are kept; Terminated: final.",
    )
    image: str | None = Field(
        None,
        pattern=r"^([A-Za-z0-9][-A-Za-z0-9._:/@]*)?$",
        max_length=1024,
        description="Image of the agent's pod, made FROM the agent image; the operator's default when empty.",
    )
    image_pull_secrets: Annotated[tuple[LocalObjectRef, ...], AfterValidator(unique_by_name)] = Field(
        (),
        max_length=32,
        description="Secrets with credentials of the registry that the image comes from.",
        json_schema_extra=NAMED_LIST,
    )
    env: Annotated[tuple[EnvVar, ...], AfterValidator(unique_by_name)] = Field(
        (),
        max_length=128,
        description="Environment variables of the agent's container, for its tools.",
        json_schema_extra=NAMED_LIST,
    )
    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Labels that a node must have to run the agent's pod.",
    )
    tolerations: tuple[Toleration, ...] = Field(
        (),
        max_length=32,
        description="Taints of nodes that the agent's pod bears.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    resources: PodResources = Field(
        default_factory=PodResources, description="Processor, memory and disk of the agent's container."
    )
    budget: BudgetSpec = Field(
        default_factory=BudgetSpec,
        description="How much a turn may cost, and how long a request may stay unanswered.",
    )

    @field_validator("node_selector", mode="before")
    @classmethod
    def _null_is_absent_here_too(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: text for key, text in value.items() if text is not None}

    @field_validator("node_selector")
    @classmethod
    def _keys_of_labels(cls, value: dict[str, str]) -> dict[str, str]:
        for key in value:
            if not re.fullmatch(_LABEL_KEY[1:-1], key):
                raise ValueError(f"expected keys of labels, not {key!r}")
        return value


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that horos reads; the rest is left to the API server."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None

    @field_validator("name")
    @classmethod
    def _fits_into_pod_names(cls, name: str) -> str:
        error = agent_name_error(name)
        if error:
            raise ValueError(error)
        return name


class Agent(ApiModel):
    """A language model with instructions, tools, an inbox and a memory of its own."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"size(self.metadata.name) <= {AGENT_NAME_LENGTH}",
                f"the name of an Agent has at most {AGENT_NAME_LENGTH} characters",
            ),
            rule("!self.metadata.name.contains('.')", "the name of an Agent is a DNS label: no dots"),
        )
    )

    api_version: Literal["horos.dev/v1alpha1"] = "horos.dev/v1alpha1"
    kind: Literal["Agent"] = "Agent"
    metadata: Metadata
    spec: AgentSpec = Field(
        description="What is asked for: instructions, model, tools, and how the pod is made."
    )
    status: AgentStatus = Field(
        default_factory=AgentStatus, description="What is seen; written by the operator only."
    )

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Self:
        """Read what `kubectl apply` sends or the API server returns; only camelCase names are known there.

        Raises pydantic.ValidationError, which names each field that is wrong.
        """
        return cls.model_validate(manifest, by_alias=True, by_name=False)

    def to_manifest(self) -> dict[str, Any]:
        """Build the object to send: JSON values, the spec's defaults filled in, what is None left out."""
        metadata = self.metadata.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        spec = self.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, "spec": spec}
