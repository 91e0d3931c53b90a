"""What operator and people tell each other over the bus: orders, and who waits for a slot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from horos_api.resources import OperatingMode


class OrderKind(StrEnum):
    """What an agent can ask of the operator."""

    CREATE_AGENT = "create_agent"
    CREATE_GROUP = "create_group"
    TERMINATE_AGENT = "terminate_agent"


@dataclass(frozen=True, slots=True)
class ModeOrder:
    """What the gateway was asked to write into an Agent's spec; the operator does it."""

    id: str
    agent: str
    uid: str
    mode: OperatingMode


@dataclass(frozen=True, slots=True)
class SocietyOrder:
    """What an agent asks of the operator: `agent` with `uid` is who asks, `name` whom or what it is about.

    `mid` names the order as it does a request; the agent waits for its answer in `thread`. `hops` counts the
    messages that led to it without a person. `body` is the JSON text of the tool's arguments. Whoever has the
    namespace's Redis user can write one in the name of any of its agents: believe it no more than that.
    """

    id: str
    kind: OrderKind
    agent: str
    uid: str
    mid: str
    thread: str
    hops: int
    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BadOrder:
    """An entry that no script of ours has written; `why` is for the log. Forget it with `Control.done`."""

    id: str
    why: str
    of_agents: bool
    """Whether it lies among the orders of agents, or among those of the gateway."""


Order: TypeAlias = ModeOrder | SocietyOrder | BadOrder


@dataclass(frozen=True, slots=True)
class Child:
    """The agent that an order has made, with its first request ('' = none)."""

    name: str
    uid: str
    task: str = ""


class Settled(StrEnum):
    """What became of the answer to an order."""

    OK = "OK"
    """Its agent hears of it, once."""
    NOOP = "NOOP"
    """It was settled before."""
    GONE = "GONE"
    """Its agent is gone or has ended, and waits for nothing. The order is still there: take back what was
    made for it, then forget it with `Control.done`."""


@dataclass(frozen=True, slots=True)
class DayLimits:
    """What a day may use, of tokens and of money (billionths of a currency unit); None = no limit."""

    tokens: int | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An agent that needs a process, since so many seconds since 1970."""

    agent: str
    since: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent stands among the `length` that wait for a slot; 1 is the next one."""

    position: int
    length: int
