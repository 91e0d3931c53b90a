"""AgentPool: how many agents of a namespace may have a pod at once, and when idle ones give theirs up."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from horos_api.agent_status import Condition
from horos_api.fields import ApiModel, WholeNumber, rule, rules
from horos_api.names import POOL
from horos_api.objects import Metadata, Resource
from horos_api.resources import IDLE_SECONDS, MOST_IDLE_SECONDS


class EvictionPolicy(StrEnum):
    """Who gives up a pod when others wait for one. Nobody is ever disturbed in a turn."""

    IDLE_LONGEST = "IdleLongest"
    NEVER = "Never"


class AgentPoolSpec(ApiModel):
    """What is asked for."""

    max_running: WholeNumber = Field(
        ge=0,
        le=100_000,
        description=(
            "How many agents of the namespace may have a pod at once; a ResourceQuota holds it against"
            " everybody. Lowered below what runs, nobody is killed: idle agents leave and none starts."
        ),
    )
    idle_seconds: WholeNumber = Field(
        IDLE_SECONDS,
        ge=0,
        le=MOST_IDLE_SECONDS,
        description=(
            "After how many seconds without a turn an agent that says nothing else gives up its pod;"
            " 0: only when somebody needs the slot."
        ),
    )
    evict: EvictionPolicy = Field(
        EvictionPolicy.IDLE_LONGEST,
        description=(
            "IdleLongest: when somebody waits, who has been idle longest gives up its pod before its time."
            " Never: everybody keeps it for its idleSeconds."
        ),
    )


class QuotaStatus(ApiModel):
    """The ResourceQuota as the API server counts it."""

    name: str = Field(max_length=253, description="Name of the ResourceQuota.")
    hard: WholeNumber = Field(0, ge=0, description="How many pods it allows.")
    used: WholeNumber = Field(0, ge=0, description="How many pods it counts; those that have ended are none.")


class AgentPoolStatus(ApiModel):
    """What is seen; written by the operator only."""

    running: WholeNumber = Field(
        0, ge=0, description="How many agents have a pod, those that start included."
    )
    queued: WholeNumber = Field(0, ge=0, description="How many agents have work and wait for a slot.")
    hibernated: WholeNumber = Field(0, ge=0, description="How many agents have no pod and need none.")
    quota: QuotaStatus | None = Field(
        None, description="The ResourceQuota that holds maxRunning; absent where there is none."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Ready: whether the limit holds, and who holds it.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class AgentPool(Resource):
    """The limit of a namespace, which is the tenant: how many of its agents have a pod at once.

    Agents beyond it wait in a queue, the highest priority first. There is one, called `default`; a namespace
    without it has no limit.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"self.metadata.name == '{POOL}'",
                f"a namespace has one AgentPool, and its name is {POOL}",
            )
        )
    )

    kind: Literal["AgentPool"] = "AgentPool"
    metadata: Metadata
    spec: AgentPoolSpec = Field(description="How many agents may run at once, and when idle ones leave.")
    status: AgentPoolStatus = Field(
        default_factory=AgentPoolStatus, description="What is seen; written by the operator only."
    )

    @model_validator(mode="after")
    def _has_the_one_name(self) -> Self:
        if self.metadata.name != POOL:
            raise ValueError(f"a namespace has one AgentPool, and its name is {POOL}")
        return self
