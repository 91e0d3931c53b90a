"""What operator and people tell each other over the bus: orders, and who waits for a slot."""

from __future__ import annotations

from dataclasses import dataclass

from horos_api.resources import OperatingMode


@dataclass(frozen=True, slots=True)
class Order:
    """What the gateway was asked to write into an Agent's spec; the operator does it."""

    id: str
    agent: str
    uid: str
    mode: OperatingMode


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
