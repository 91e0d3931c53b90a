"""What the agent's model calls have used and Redis does not know yet: it goes with the next step."""

import time
from collections.abc import Callable
from typing import TypeAlias

from horos_api.budgets import day_of
from horos_bus.records import Usage

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch."""


class Meter:
    """Adds up usage of one runtime; it outlives a turn that is cut, whose calls count all the same."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self.pending = Usage()

    @property
    def today(self) -> int:
        """The whole days (UTC) since the epoch."""
        return day_of(self._clock())

    def add(self, used: Usage) -> None:
        """Note one model call."""
        self.pending = self.pending + used

    def written(self, used: Usage) -> None:
        """Note that Redis has counted this much of it."""
        self.pending = self.pending - used
