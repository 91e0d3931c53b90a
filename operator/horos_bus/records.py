"""Values that cross the bus, and the errors that tell a runtime that its life or its turn is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from horos_api.agent_state import AgentState
from horos_api.events import Event
from horos_api.messages import Message, MessageKind
from horos_bus.approvals import CallToApprove
from horos_bus.connection import BusError
from horos_bus.operating import OrderKind

CONTEXT_RECORDS: Final = 10_000
"""How many records a thread keeps; the runtime asks for older ones to be dropped."""
CONTEXT_BYTES: Final = 16 * 1024 * 1024
"""How many bytes the records of a thread may take."""


class FencedError(BusError):
    """Another incarnation holds the agent, or the operator wrote this one off: exit, never claim again."""


class LostError(BusError):
    """The turn is not what this process remembers (closed, or lost by Redis): drop memory, exit."""


class StaleError(BusError):
    """The agent was claimed since the operator made this process: exit."""


class GoneError(BusError):
    """This life of the agent's name is over, or was never created."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which life of which agent a runtime is: `token` names the process, `uid` the Agent."""

    agent: str
    uid: str
    token: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Open work: the messages to answer and what was already written down.

    `id` is the id of the first input and the run id of the events; `base` is the absolute index in the
    thread's context where `journal` starts; `attempt` counts the incarnations that had the turn; `cancelled`
    says that a person ended it already.
    """

    id: str
    thread: str
    base: int
    attempt: int
    version: int
    inputs: tuple[Message, ...]
    journal: tuple[bytes, ...]
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of a thread that lie next to each other; `start` is the absolute index of the first."""

    start: int
    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do. `version` counts the changes of the config."""

    version: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The runtime should retire: somebody needs its slot, or the agent is suspended or over."""

    reason: Literal["evict", "paused", "terminated"]


Next: TypeAlias = Turn | Idle | Leave


@dataclass(frozen=True, slots=True)
class Claimed:
    """A successful claim. `reason` is what put the agent in state error, else ''."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step does on the bus, and the record to write for each outcome.

    A `send` brings a message to agent `to`: OK, FULL, NOAGENT, and LIMIT for a request when too many of the
    agent's own are open. A `post` brings one to group `to`, where `mentions` are members to wake: OK, OUTSIDE
    (posted by somebody who is no member), NOGROUP; its record has places for names, `%WOKEN%`, `%FULL%` and
    `%STRANGERS%`. Of both: LOOP when too many messages led to it, RATE when the agent has sent too many in
    this minute; they are delivered `delay_seconds` later. A `reply` answers the owed request `re` before the
    turn ends: OK or NOREQUEST. An `approve` asks people about `approve`; its body is the call, which comes
    back with the decision: OK, or LIMIT when too many calls of the agent wait. An `order` asks the operator
    for `order` about `to`, and waits for its answer as for one to a request: OK, LIMIT as there, NOAGENT when
    whom it should end has ended, LOOP, RATE.
    """

    body: str
    results: dict[str, bytes]
    kind: Literal["send", "post", "reply", "approve", "order"] = "send"
    to: str = ""
    thread: str = ""
    message_kind: MessageKind = MessageKind.NOTICE
    re: str = ""
    approve: CallToApprove | None = None
    order: OrderKind | Literal[""] = ""
    mentions: tuple[str, ...] = ()
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer to an append.

    `joined`: inputs of the turn without a user record in the journal. `stored`: the records that lie there
    since the index, with the result that each effect's outcome chose.
    """

    outcome: Literal["OK", "DUP"]
    state: AgentState
    cancel: bool
    joined: tuple[Message, ...]
    stored: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls used: tokens, and their `cost` in billionths of a currency unit."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Add up two lots of calls."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def __sub__(self, other: Usage) -> Usage:
        """Take off what was told already."""
        return Usage(
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cost - other.cost,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What a model call will use about, and what the agent may use on that day; None = no limit.

    `day` is counted in UTC since 1970 (`horos_api.budgets.day_of`), both costs in billionths of a
    currency unit.
    """

    day: int
    tokens: int
    cost: int
    tokens_limit: int | None = None
    cost_limit: int | None = None
    used: Usage = Usage()
    """What calls since the last step have used; it is counted with the charge."""


@dataclass(frozen=True, slots=True)
class Charged:
    """The answer to a charge: which limit of the day is reached, if any, and the day's counters.

    `day` is later than the one asked for when another process was there already. `tree tokens` and
    `tree cost` are limits of agent `root`, for all that it and its descendants use: `limit` is that limit,
    and the counters are those of the whole tree.
    """

    exhausted: Literal["", "tokens", "cost", "tree tokens", "tree cost"]
    day: int
    day_tokens: int
    day_cost: int
    root: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends: with the agent's `text`, or an `error` that says why there is none."""

    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a runtime has to know of its agent between two steps; `turn` is the open one, '' if none is.

    `held` says that this process still has the agent, `cancelled` that a person ended the open turn.
    """

    state: AgentState
    turn: str
    cancelled: bool
    version: int
    evict: bool
    held: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, after so many `attempts` of turn `turn`."""

    id: str
    message: Message
    reason: str
    turn: str
    attempts: int


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What an agent used on the last day (UTC, counted since 1970) on which it used anything.

    Includes what is reserved for the model call in the air, and what dead processes had reserved.
    """

    day: int = 0
    tokens: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class TotalUsage:
    """What an agent used in its whole life, and today; costs in billionths of a currency unit.

    `descendants` is what the agents below it have used on their last day; only the root of a tree counts it.
    """

    turns: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    today: DayUsage = field(default_factory=DayUsage)
    descendants: DayUsage = field(default_factory=DayUsage)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event with its position in the agent's stream; `thread` is empty when it concerns all of them."""

    id: str
    event: Event
    thread: str = ""
