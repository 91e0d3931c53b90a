"""The pool of a namespace as JSON: who has a process, who waits for one."""

from typing import Literal, TypeAlias

from pydantic import Field

from horos_api.agent_state import AgentState
from horos_gateway.bodies import WireBody

Why: TypeAlias = Literal["turn", "message", "order", "birth", "stays"]


class QueuedBody(WireBody):
    """An agent that waits for a slot."""

    position: int = Field(description="Its place: 1 gets the next slot.")
    name: str = Field(description="The agent's name.")
    state: AgentState = Field(description="What it is doing.")
    since: str | None = Field(description="Since when it needs a process (RFC 3339, UTC); null: not known.")
    why: Why = Field(
        description="What it needs a process for: its open turn, a message, an order to wake it, its birth "
        "(it never had one), or because it stays resident (idleSeconds 0)."
    )


class ResidentBody(WireBody):
    """An agent that a process has."""

    name: str = Field(description="The agent's name.")
    state: AgentState = Field(description="What it is doing.")
    since: str | None = Field(description="Since when this process has it (RFC 3339, UTC); null: not known.")
    idle_since: str | None = Field(description="Since when it has nothing to do; null: it has.")
    leaving: bool = Field(description="Whether its process was asked to leave between turns.")


class PoolBody(WireBody):
    """Who has a process in a namespace, and who waits for one."""

    max_running: int | None = Field(
        description="The limit of pods that the AgentPool sets, as the operator told it; null: there is no "
        "AgentPool, so there is no limit."
    )
    resident: int = Field(description="How many agents a process has.")
    queued: int = Field(description="How many wait for a slot.")
    starting: int = Field(description="How many need a process and are not in the queue: their pods start.")
    hibernated: int = Field(
        description="How many have no process and need none until the next message; those that are suspended "
        "or terminated do not count."
    )
    queue: list[QueuedBody] = Field(description="Who waits for a slot, the next one first.")
    residents: list[ResidentBody] = Field(
        description="Who has a process: the one that is idle longest first, it leaves first when somebody "
        "waits; then those that work, the longest resident first."
    )
