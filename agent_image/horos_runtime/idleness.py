"""How long the agent has had nothing to do, and when that is long enough to give up its pod."""

import math
import time
from collections.abc import Callable


class Idleness:
    """Counts from the moment when the agent has nothing to do; `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    def rests(self) -> None:
        """There is nothing to do; said again, it changes nothing."""
        if self._since is None:
            self._since = self._clock()

    def stirs(self) -> None:
        """There is something to do: the next rest counts from its own beginning."""
        self._since = None

    def left(self, seconds: float) -> float:
        """Say how long to stay yet when so many seconds without work are enough; 0 seconds: without end."""
        if not seconds or self._since is None:
            return math.inf
        return max(0.0, self._since + seconds - self._clock())
