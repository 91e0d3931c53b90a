"""How long the runtime waits: all intervals in one place, so that tests choose short ones."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Backoff:
    """Waiting times in seconds that double from `first` to `most`, each shortened at random by up to half."""

    first: float
    most: float
    jitter: bool = True

    def waits(self) -> Iterator[float]:
        """Yield the waits of one series of failures, without end."""
        wait = self.first
        while True:
            yield wait * random.uniform(0.5, 1.0) if self.jitter else wait
            wait = min(wait * 2, self.most)


@dataclass(frozen=True)
class Pace:
    """The intervals of a runtime, in seconds."""

    poll: float = 30.0
    """How long an idle runtime trusts its wake channel."""
    coalesce: float = 0.02
    """How long fragments of text are gathered into one event."""
    grace: float = 6.0
    """How long a turn may go on after SIGTERM; the pod's own grace period is longer."""
    farewell: float = 1.5
    """How long retiring may take after SIGTERM."""
    model: Backoff = field(default_factory=lambda: Backoff(0.5, 30.0))
    """Between tries of a model that did not answer."""
    redis: Backoff = field(default_factory=lambda: Backoff(0.1, 5.0))
    """Between tries to reach Redis."""
    credentials: float = 60.0
    """How long Redis may refuse the credentials, until a pod makes room for one that reads them anew."""
    error: Backoff = field(default_factory=lambda: Backoff(30.0, 300.0, jitter=False))
    """Between tries of a turn that failed because of its configuration."""
    new_key: float = 300.0
    """How long a pod whose API key is refused tries again before one that reads the key anew does."""


class Trouble:
    """One series of failures of a turn, from which only a change outside can help."""

    def __init__(self, pace: Pace) -> None:
        self._waits = pace.error.waits()
        self._deadline = time.monotonic() + pace.new_key

    @property
    def lasts(self) -> bool:
        """Whether it is time that another pod tried."""
        return time.monotonic() >= self._deadline

    def wait(self, renewable: bool) -> float:
        """Say in how many seconds to try again; with `renewable` no later than another pod should."""
        seconds = next(self._waits)
        return max(0.0, min(seconds, self._deadline - time.monotonic())) if renewable else seconds
