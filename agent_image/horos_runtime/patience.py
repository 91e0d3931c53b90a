"""Waits for Redis: a turn is never lost because the bus is down for a while."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from horos_bus.connection import BusUnavailableError, CredentialsRefusedError
from horos_runtime.health import Pulse
from horos_runtime.pace import Pace

T = TypeVar("T")
log: Final = logging.getLogger(__name__)


class Patience:
    """Repeats what cannot reach Redis until it does; every script of the bus may be sent twice."""

    def __init__(self, pace: Pace, pulse: Pulse) -> None:
        self._pace = pace
        self._pulse = pulse

    async def __call__(self, action: Callable[[], Awaitable[T]]) -> T:
        """Return what `action` returns; all its errors but BusUnavailableError pass through.

        CredentialsRefusedError passes when it lasts: a process reads its credentials once, and only a new one
        gets those of today.
        """
        waits = self._pace.redis.waits()
        refused_since: float | None = None
        while True:
            try:
                return await action()
            except BusUnavailableError as error:
                now = time.monotonic()
                if not isinstance(error, CredentialsRefusedError):
                    refused_since = None
                elif refused_since is None:
                    refused_since = now
                elif now - refused_since >= self._pace.credentials:
                    raise
                seconds = next(waits)
                log.warning("Redis is not reachable, trying again in %.1f s: %s", seconds, error)
                self._pulse.beat()
                await asyncio.sleep(seconds)
