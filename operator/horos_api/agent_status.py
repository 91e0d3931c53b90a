"""What is seen of an Agent: the `status` that the operator writes and `kubectl get` shows."""

from typing import Final

from pydantic import Field

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionStatus, ConditionType
from horos_api.fields import ApiModel, WholeNumber

TOTAL: Final = r"^[0-9]{1,20}(\.[0-9]{1,9})?$"
"""A sum of money as text: the schema's pattern."""


class Condition(ApiModel):
    """One fact about an object, as all Kubernetes conditions are written."""

    type: ConditionType = Field(description="Which fact: Accepted, Scheduled, Ready or BudgetExhausted.")
    status: ConditionStatus = Field(description="Whether it is so: True, False or Unknown.")
    reason: str = Field(
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        max_length=1024,
        description="Why it is so, as one word for programs; the words are documented.",
    )
    message: str = Field("", max_length=32_768, description="Why it is so, as a sentence for a person.")
    observed_generation: WholeNumber = Field(
        0, ge=0, description="The generation of the object (metadata.generation) that was looked at."
    )
    last_transition_time: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        json_schema_extra={"format": "date-time"},
        description="When `status` changed last, as an RFC 3339 time in UTC.",
    )


class DayUsage(ApiModel):
    """What the agent has used in one day."""

    date: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="The day in UTC, from midnight to midnight, on which the agent asked a model last.",
    )
    tokens: WholeNumber = Field(0, ge=0, description="How many tokens models have read and written that day.")
    cost: str = Field(
        "0", pattern=TOTAL, description="What models have cost that day, in the currency of their prices."
    )


class Usage(ApiModel):
    """What the agent has used in its life."""

    turns: WholeNumber = Field(0, ge=0, description="How many turns have been committed.")
    prompt_tokens: WholeNumber = Field(0, ge=0, description="How many tokens models have read for the agent.")
    completion_tokens: WholeNumber = Field(
        0, ge=0, description="How many tokens models have written for the agent."
    )
    cost: str = Field(
        "0",
        pattern=TOTAL,
        description="What models have cost in the agent's life, in the currency of their prices.",
    )
    today: DayUsage | None = Field(
        None, description="What counts for the day's budget; when `date` is over, the count begins anew."
    )


class ServerCounts(ApiModel):
    """How the agent stands with its tool servers; `horos tools` tells of each."""

    connected: WholeNumber = Field(0, ge=0, description="How many of them the agent is connected to.")
    total: WholeNumber = Field(0, ge=0, description="How many tool servers the spec names.")


class AgentStatus(ApiModel):
    """What is seen; written by the operator only."""

    state: AgentState | None = Field(
        None, description="What the agent is doing, from the table of its states."
    )
    pod_name: str | None = Field(
        None, max_length=253, description="The pod that holds or will hold the agent."
    )
    owed: WholeNumber = Field(
        0, ge=0, description="How many requests the agent has taken and not answered yet."
    )
    approvals: WholeNumber = Field(
        0,
        ge=0,
        description="How many decisions of a person the agent waits for; `horos approvals` lists them.",
    )
    dead_letters: WholeNumber = Field(
        0, ge=0, description="How many messages were given up, since they killed the agent's process."
    )
    children: WholeNumber = Field(
        0, ge=0, description="How many children the agent has; those that have ended do not count."
    )
    servers: ServerCounts | None = Field(
        None, description="The agent's tool servers, counted; only there when the spec names some."
    )
    usage: Usage = Field(default_factory=Usage, description="What the agent has used since it was created.")
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Accepted, Scheduled, Ready and, where the spec sets a day's budget, BudgetExhausted.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
