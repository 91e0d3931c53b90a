"""Whether an agent works, and when it ends."""

from enum import StrEnum
from typing import Final

TTL_SECONDS: Final = 3600
"""How long a Task stays after its end where its spec does not say."""
MOST_TTL_SECONDS: Final = 2_592_000


class OperatingMode(StrEnum):
    """Whether the agent works."""

    RUNNING = "Running"
    SUSPENDED = "Suspended"
    TERMINATED = "Terminated"


class Lifetime(StrEnum):
    """When an agent ends."""

    PERMANENT = "Permanent"
    """When somebody ends it."""
    TASK = "Task"
    """By itself, once it has answered what it was asked and nobody waits for anything."""
