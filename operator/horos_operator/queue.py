"""The operator's queue: keys that need a pass, each at most once, with delays, backoff and a rate limit."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

Key = tuple[str, str]
"""Namespace and name of an Agent."""

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 60.0
PASSES_PER_SECOND: Final = 100.0
BURST: Final = 200.0


class KeyQueue:
    """Keys to look at. A key is handed to one worker at a time; adding it meanwhile means once more.

    `clock` gives seconds on any scale that only grows.
    """

    def __init__(self, clock: Callable[[], float], rate: float = PASSES_PER_SECOND) -> None:
        self._clock = clock
        self._rate = rate
        self._tokens = BURST
        self._refilled = clock()
        self._ready: dict[Key, None] = {}
        self._active: set[Key] = set()
        self._once_more: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self._resting_until = clock()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Ask for a pass now."""
        self._due.pop(key, None)
        if key in self._active:
            self._once_more.add(key)
        elif key not in self._ready:
            self._ready[key] = None
            self._changed.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for a pass later; an earlier wish for the same key wins."""
        due = self._clock() + max(0.0, seconds)
        if key in self._ready or key in self._once_more or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._changed.set()

    def rest(self, seconds: float) -> None:
        """Hand out nothing for so long: the cluster has asked to be left alone."""
        self._resting_until = max(self._resting_until, self._clock() + seconds)

    async def get(self) -> Key:
        """Wait for a key and take it; the worker must call `done` or `failed` for it."""
        while True:
            self._changed.clear()
            now = self._clock()
            self._promote(now)
            wait = self._until_next(now)
            if wait is not None and wait <= 0:
                key = next(iter(self._ready))
                del self._ready[key]
                self._active.add(key)
                self._tokens -= 1
                return key
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The pass went well: its backoff starts from the beginning."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: Key) -> float:
        """The pass failed: look again after a backoff that doubles. Returns its seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 16))
        # What arrived during the failed pass waits for the backoff too, or a busy key would never back off.
        self._once_more.discard(key)
        self._active.discard(key)
        self.add_after(key, delay)
        return delay

    def _release(self, key: Key) -> None:
        self._active.discard(key)
        if key in self._once_more:
            self._once_more.discard(key)
            self.add(key)

    def _promote(self, now: float) -> None:
        """Move what is due to what is ready; entries of the heap that were overtaken are skipped."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)

    def _until_next(self, now: float) -> float | None:
        """Seconds until a key may be taken: 0 is now, None is when something is added.

        With the time of `_promote`, or what became due between the two looks would be taken for ready.
        """
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        if now < self._resting_until:
            return self._resting_until - now
        if self._ready:
            return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate
        return self._heap[0][0] - now if self._heap else None
