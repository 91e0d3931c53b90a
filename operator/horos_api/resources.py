"""The resources that people write, as immutable models; `crd.py` makes the CRD from them."""

import re
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from horos_api.agent_status import AgentStatus, Condition, Usage
from horos_api.budget_fields import BudgetSpec
from horos_api.fields import (
    DNS_LABEL,
    NAMED_LIST,
    NOT_TEXT,
    SET_LIST,
    ApiModel,
    Unique,
    WholeNumber,
    rule,
    rules,
    unique_by_name,
)
from horos_api.lifetimes import MOST_TTL_SECONDS, TTL_SECONDS, Lifetime, OperatingMode
from horos_api.model_fields import FallbackSpec, ModelSpec, Price
from horos_api.names import AGENT_NAME_LENGTH, agent_name_error
from horos_api.objects import Metadata, Resource
from horos_api.pod_fields import (
    LABEL_KEY,
    EnvVar,
    LabelValue,
    LocalObjectRef,
    PodResources,
    SecretKeyRef,
    Toleration,
)
from horos_api.tool_servers import ToolServerUse

__all__ = [
    "Agent",
    "AgentSpec",
    "AgentStatus",
    "BudgetSpec",
    "BuiltinTool",
    "Condition",
    "FallbackSpec",
    "Lifetime",
    "Metadata",
    "ModelSpec",
    "OperatingMode",
    "Price",
    "SecretKeyRef",
    "ToolServerUse",
    "ToolsSpec",
    "Usage",
]

IDLE_SECONDS: Final = 300
"""What holds where neither the Agent nor an AgentPool says after which time an idle agent retires."""
MOST_IDLE_SECONDS: Final = 2_592_000


class BuiltinTool(StrEnum):
    """The tools that every agent image has."""

    SEND = "send"
    ASK = "ask"
    REPLY = "reply"
    LIST_AGENTS = "list_agents"
    HISTORY = "history"
    BROADCAST = "broadcast"
    LIST_GROUPS = "list_groups"
    CREATE_GROUP = "create_group"
    CREATE_AGENT = "create_agent"
    TERMINATE_AGENT = "terminate_agent"


USUAL_TOOLS: Final = (
    BuiltinTool.SEND,
    BuiltinTool.ASK,
    BuiltinTool.REPLY,
    BuiltinTool.LIST_AGENTS,
    BuiltinTool.HISTORY,
)
"""What an agent has that says nothing of built-in tools; the others are asked for by name."""


class ToolsSpec(ApiModel):
    """What the model may call."""

    builtin: Annotated[tuple[BuiltinTool, ...], Unique] = Field(
        default=USUAL_TOOLS,
        max_length=32,
        description=(
            "The tools of horos itself that the model may call; an empty list means none. The others are"
            " asked for by name: broadcast, list_groups, create_group, create_agent, terminate_agent."
        ),
        json_schema_extra=SET_LIST,
    )
    servers: Annotated[tuple[ToolServerUse, ...], AfterValidator(unique_by_name)] = Field(
        (),
        max_length=64,
        description="MCP servers whose tools the model may call. Edits take effect in the next turn.",
        json_schema_extra=NAMED_LIST,
    )


class AgentSpec(ApiModel):
    """What is asked for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has(self.nodeSelector) || self.nodeSelector.all(key, key.matches('{LABEL_KEY}'))",
                "nodeSelector: expected keys of labels",
            ),
            rule(
                "oldSelf.operatingMode != 'Terminated' || self.operatingMode == 'Terminated'",
                "operatingMode: Terminated is final; delete the Agent and create it anew",
            ),
            rule(
                "(has(self.parentName) ? self.parentName : '')"
                " == (has(oldSelf.parentName) ? oldSelf.parentName : '')",
                "parentName: an agent keeps its parent; delete the Agent and create it anew",
            ),
        )
    )

    instructions: str = Field(
        "",
        max_length=65_536,
        description="Who the agent is and how it works: the system message of its model.",
    )
    model: ModelSpec | None = Field(
        None,
        description=(
            "The language model that answers. What is not said comes from the ModelConfig that configName"
            " names, else from the one called `default`, else from the chart's values."
        ),
    )
    tools: ToolsSpec = Field(
        default_factory=ToolsSpec, description="What the model may call besides answering."
    )
    operating_mode: OperatingMode = Field(
        OperatingMode.RUNNING,
        description="Running; Suspended: no pod after its turn, messages are kept; Terminated: final.",
    )
    lifetime: Lifetime = Field(
        Lifetime.PERMANENT,
        description=(
            "Permanent: until somebody ends it. Task: it ends by itself once it has answered what it was"
            " asked, owes nothing and waits for nothing; its state is terminated then."
        ),
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=MOST_TTL_SECONDS), NOT_TEXT] | None = Field(
        None,
        description=(
            "How many seconds after its end the Agent is deleted, its children with it; unset:"
            f" {TTL_SECONDS} for a Task, never for others."
        ),
    )
    priority: WholeNumber = Field(
        0,
        ge=-1000,
        le=1000,
        description="Who is first when agents of the pool wait for a slot: the highest. None is pushed out.",
    )
    idle_seconds: Annotated[int, Field(ge=0, le=MOST_IDLE_SECONDS), NOT_TEXT] | None = Field(
        None,
        description=(
            "After how many seconds without a turn the agent gives up its pod, to return with a message;"
            f" unset: what the AgentPool says, else {IDLE_SECONDS}. 0: it stays until its slot is needed."
        ),
    )
    parent_name: str = Field(
        "",
        pattern=rf"^({DNS_LABEL})?$",
        max_length=AGENT_NAME_LENGTH,
        description=(
            "The agent that it works for and ends with: it gets an ownerReference to it. Children of one"
            " parent share its turn in the pool's queue."
        ),
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
        description="How much a turn, a day and a family may use, and how long a request may wait.",
    )

    @property
    def ttl_seconds(self) -> int | None:
        """How many seconds after its end the Agent is deleted; None: it stays until somebody deletes it."""
        if self.ttl_seconds_after_finished is None and self.lifetime is Lifetime.TASK:
            return TTL_SECONDS
        return self.ttl_seconds_after_finished

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
            if not re.fullmatch(LABEL_KEY[1:-1], key):
                raise ValueError(f"expected keys of labels, not {key!r}")
        return value


class AgentMetadata(Metadata):
    """Metadata of an Agent, whose name goes into the names of its pods."""

    name: str

    @field_validator("name")
    @classmethod
    def _fits_into_pod_names(cls, name: str) -> str:
        error = agent_name_error(name)
        if error:
            raise ValueError(error)
        return name


class Agent(Resource):
    """A language model with instructions, tools, an inbox and a memory of its own."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"size(self.metadata.name) <= {AGENT_NAME_LENGTH}",
                f"the name of an Agent has at most {AGENT_NAME_LENGTH} characters",
            ),
            rule("!self.metadata.name.contains('.')", "the name of an Agent is a DNS label: no dots"),
            rule(
                "!has(self.spec.parentName) || self.spec.parentName != self.metadata.name",
                "spec.parentName: an agent is not its own parent",
            ),
        )
    )

    kind: Literal["Agent"] = "Agent"
    metadata: AgentMetadata
    spec: AgentSpec = Field(
        description="What is asked for: instructions, model, tools, and how the pod is made."
    )
    status: AgentStatus = Field(
        default_factory=AgentStatus, description="What is seen; written by the operator only."
    )

    @model_validator(mode="after")
    def _has_another_parent(self) -> Self:
        if self.spec.parent_name == self.metadata.name:
            raise ValueError("spec.parentName: an agent is not its own parent")
        return self
