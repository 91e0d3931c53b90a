"""The JSON that the gateway takes and gives; the OpenAPI document is made of these models."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.alias_generators import to_camel

from horos_api.agent_state import AgentState
from horos_api.event_table import event_table
from horos_api.events import EventType
from horos_api.messages import DELAY_SECONDS, MessageKind
from horos_api.names import BODY_BYTES, DEFAULT_THREAD
from horos_api.resources import OperatingMode


class WireBody(BaseModel):
    """JSON in camelCase, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class MessageBody(WireBody):
    """What is said to an agent."""

    text: StrictStr = Field(description=f"What to say: not empty, at most {BODY_BYTES} bytes of UTF-8.")
    thread: StrictStr = Field(
        default=DEFAULT_THREAD,
        description="The conversation it belongs to; it begins with its first message.",
    )
    delay_seconds: StrictInt = Field(
        default=0,
        ge=0,
        le=DELAY_SECONDS,
        description=f"Deliver it so many seconds later, at most {DELAY_SECONDS}; the agent must exist now.",
    )


class CancelBody(WireBody):
    """Which turn to end."""

    run_id: StrictStr = Field(default="", description="The turn's run id; empty or left out: the open one.")


class CancelledBody(WireBody):
    """A turn that will end now; whoever asked gets an error."""

    run_id: str = Field(description="The turn's run id.")


class OrderedBody(WireBody):
    """What the operator will write into the Agent's spec, usually within a second."""

    name: str = Field(description="The agent's name.")
    operating_mode: OperatingMode = Field(description="The operating mode that was asked for.")


class DeadLetterBody(WireBody):
    """A message that killed the agent's process again and again, and was given up."""

    id: str = Field(description="Its place among the dead letters.")
    message_id: str = Field(description="The message's id.")
    sender: str = Field(description="The agent that sent it; empty: a person.")
    thread: str = Field(description="The conversation that it belongs to.")
    kind: MessageKind = Field(description="What the message wanted.")
    text: str = Field(description="What it says.")
    reason: str = Field(description="Why it was given up.")
    run_id: str = Field(description="The last turn that had it.")
    attempts: int = Field(description="How many processes died over it.")


class DeadLettersBody(WireBody):
    """What an agent has given up, the newest first."""

    items: list[DeadLetterBody] = Field(description="The dead letters, at most a hundred.")


class AcceptedBody(WireBody):
    """A message that will be answered exactly once."""

    id: str = Field(description="Names the message in events and in the path of its reply.")
    thread: str = Field(description="The conversation that it belongs to.")
    duplicate: bool = Field(description="True when this Idempotency-Key was accepted before.")
    after: str = Field(
        description="Where the events stood before: watch from here to see everything about it."
    )


class ReplyBody(WireBody):
    """The answer to one message."""

    id: str = Field(description="The message that is answered.")
    text: str = Field(description="The agent's answer.")


class DayUsageBody(WireBody):
    """What an agent and its descendants used in one day."""

    date: str = Field(description="The day (UTC) on which one of them asked a model last.")
    tokens: int = Field(description="Tokens that models read and wrote that day.")
    cost: str = Field(description="What that cost, a decimal number in the currency of the prices.")


class BudgetBody(WireBody):
    """What an agent may use in one day (UTC), and whether it has."""

    tokens_per_day: int | None = Field(description="Tokens that models may read and write, if limited.")
    cost_per_day: str | None = Field(description="What models may cost, a decimal number, if limited.")
    exhausted: Literal["tokensPerDay", "costPerDay"] | None = Field(
        description="The limit that is reached: until `resetsAt` no model is asked."
    )
    resets_at: str = Field(description="When the count begins anew (RFC 3339, UTC).")


class UsageBody(WireBody):
    """What an agent used in all its life."""

    turns: int = Field(description="Turns committed.")
    prompt_tokens: int = Field(description="Tokens that models read.")
    completion_tokens: int = Field(description="Tokens that models wrote.")
    cost: str = Field(description="What models cost, a decimal number in the currency of their prices.")
    today: DayUsageBody | None = Field(
        description="What counts for the day's budget, once there is any: that of its descendants, too."
    )


class Residency(StrEnum):
    """Whether an agent has a process."""

    RESIDENT = "resident"
    """A process has it."""
    QUEUED = "queued"
    """It needs a process and has none: it waits for a slot of the pool, or its pod is starting."""
    HIBERNATED = "hibernated"
    """No process has it and it needs none; the next message wakes it."""


class QueueBody(WireBody):
    """Where an agent stands in the pool's queue."""

    position: int = Field(description="Its place: 1 gets the next slot.")
    length: int = Field(description="How many agents are in the queue.")
    since: str | None = Field(
        description="Since when it needs a process (RFC 3339, UTC); null: it has not begun to work yet."
    )


class AgentBody(WireBody):
    """What an agent is doing at this moment."""

    name: str = Field(description="The agent's name.")
    state: AgentState = Field(description="What it is doing, whether or not it has a pod right now.")
    residency: Residency = Field(
        description="Whether a process has it (resident), it needs one and has none (queued: `queue` says "
        "where it stands, or is null while its pod starts), or it needs none until the next message "
        "(hibernated)."
    )
    resident: bool = Field(description="Whether `residency` is resident.")
    leaving: bool = Field(
        description="Whether its process was asked to leave, which it does as soon as no turn is open."
    )
    queue: QueueBody | None = Field(
        description="Its place in the pool's queue, while it is there; the operator tells it."
    )
    idle_since: str | None = Field(
        description="Since when it has nothing to do (RFC 3339, UTC); null: it has, or nobody knows."
    )
    epoch: int = Field(description="Counts the processes that have had it, as in the event `resident`.")
    turn: str = Field(description="The open turn (its run id in events), or empty.")
    thread: str = Field(description="The thread of the open turn, or empty.")
    waiting: int = Field(description="Messages in its inbox, those of the open turn included.")
    reason: str = Field(description="Why it is in this state: a documented constant, or empty.")
    message: str = Field(description="The same for a person, or empty.")
    owed: int = Field(description="Requests that it has taken and not answered yet.")
    dead_letters: int = Field(description="Messages that were given up because they killed its process.")
    approvals: int = Field(
        description="What waits for a person: calls to approve, questions of tool servers."
    )
    cancelling: bool = Field(description="Whether a person has just ended the open turn.")
    usage: UsageBody = Field(description="What it used so far.")


class AgentDetailBody(AgentBody):
    """One agent with its conversations."""

    threads: list[str] = Field(description="The threads that it has a context for, by name.")
    budget: BudgetBody | None = Field(description="The day's budget, if its spec sets one.")
    idle_seconds: int | None = Field(
        description="After so many seconds without a turn it hibernates; 0: only when somebody else needs "
        "its slot; null: not known."
    )
    newest: str = Field(description="Id of its newest event before this was told: watch from here on.")


class AgentListBody(WireBody):
    """All agents of a namespace."""

    items: list[AgentBody] = Field(description="The agents by name.")


class InboxMessageBody(WireBody):
    """A message that is in the agent's inbox: it waits for its turn, or the open turn has it."""

    id: str = Field(description="Names the message in events.")
    sender: str = Field(description="The agent that sent it; empty: a person.")
    thread: str = Field(description="The conversation that it belongs to.")
    kind: MessageKind = Field(description="What the message wants.")
    text: str = Field(description="What it says.")


class InboxBody(WireBody):
    """What waits for an agent, the oldest first."""

    items: list[InboxMessageBody] = Field(description="The messages, at most a hundred.")


class RecordsBody(WireBody):
    """Part of a thread's context, as the model will see it again."""

    start: int = Field(
        description="Absolute index of the first record given here; later than asked for when older ones are "
        "no longer kept."
    )
    after: str = Field(
        description="Watch the thread's events from here to see all that these records do not tell yet, "
        "beginning with the open turn. An event whose messageId is `<run>/<index>` of a record tells nothing "
        "new."
    )
    next: int = Field(description="Ask again with `start` set to this for what comes later.")
    items: list[dict[str, Any]] = Field(
        description="Chat messages with horos' own fields: mid, run, by, from."
    )


class EventBody(WireBody):
    """One AG-UI event, the `data` of one server-sent event whose `id` resumes the stream behind it."""

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_extra={"description": event_table()})

    type: EventType = Field(description="The AG-UI event type.")
    name: str = Field(default="", description="Of a CUSTOM event: which one.")
    timestamp: int = Field(
        default=0, description="Milliseconds since 1970; absent from an event without a place."
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="`sequence`: the event's place, the same as the `id`."
    )


class ProblemBody(WireBody):
    """A refusal, RFC 9457."""

    type: str = Field(description="Names the kind of problem: urn:horos:problem:...")
    title: str = Field(description="The kind of problem for a person.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong with this request, or what to do.")
    field: str | None = Field(default=None, description="The part of the request that is to blame.")
