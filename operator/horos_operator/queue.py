"""The operator's queue: keys that need a pass, each at most once, with delays, backoff and a rate limit.

Of two classes: urgent is what somebody waits for (events, granted slots, doorbells), routine what only makes
sure (sweeps, a new leader) or was put off. Ten thousand routine passes hold up no urgent one.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

Key = tuple[str, str]
"""Namespace and name of an Agent."""

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 60.0
PASSES_PER_SECOND: Final = 100.0
"""Of routine passes; urgent ones come as fast as there are workers."""
BURST: Final = 200.0
HEAP_AT_LEAST: Final = 1000
ROUTINE_TURN: Final = 8
"""One pass in so many is a routine one even while urgent ones wait, or those would never end."""


class KeyQueue:
    """Keys to look at. A key is handed to one worker at a time; adding it meanwhile means once more.

    `clock` gives seconds on any scale that only grows.
    """

    def __init__(self, clock: Callable[[], float], rate: float = PASSES_PER_SECOND) -> None:
        self._clock = clock
        self._rate = rate
        self._tokens = BURST
        self._refilled = clock()
        self._urgent: dict[Key, None] = {}
        self._routine: dict[Key, None] = {}
        self._since_routine = 0
        self._active: set[Key] = set()
        self._once_more: dict[Key, bool] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self._resting_until = clock()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._routine)

    def add(self, key: Key, *, urgent: bool = True) -> None:
        """Ask for a pass now."""
        self._due.pop(key, None)
        if key in self._active:
            self._once_more[key] = urgent or self._once_more.get(key, False)
        elif urgent and key not in self._urgent:
            self._routine.pop(key, None)
            self._urgent[key] = None
            self._changed.set()
        elif not urgent and key not in self._urgent and key not in self._routine:
            self._routine[key] = None
            self._changed.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for a routine pass later; an earlier wish for the same key wins."""
        due = self._clock() + max(0.0, seconds)
        if key in self._urgent or key in self._routine or key in self._once_more:
            return
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._drop_overtaken()
        self._changed.set()

    def clear(self) -> None:
        """Forget every key that waits, and every failure; what is worked on goes on."""
        for waiting in (self._urgent, self._routine, self._once_more, self._due, self._failures):
            waiting.clear()
        self._heap.clear()

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
                key = self._take()
                self._active.add(key)
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
        self._once_more.pop(key, None)
        self._active.discard(key)
        self.add_after(key, delay)
        return delay

    def _release(self, key: Key) -> None:
        self._active.discard(key)
        urgent = self._once_more.pop(key, None)
        if urgent is not None:
            self.add(key, urgent=urgent)

    def _take(self) -> Key:
        """Take the key that is next; there must be one, and a token if all of them are routine."""
        turn = self._since_routine >= ROUTINE_TURN - 1 and self._tokens >= 1
        if self._urgent and not (self._routine and turn):
            self._since_routine += 1
            taken_from = self._urgent
        else:
            self._since_routine = 0
            self._tokens -= 1
            taken_from = self._routine
        key = next(iter(taken_from))
        del taken_from[key]
        return key

    def _drop_overtaken(self) -> None:
        """Drop overtaken entries before they are most of the heap: some would lie there for a day."""
        if len(self._heap) > HEAP_AT_LEAST + 2 * len(self._due):
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)

    def _promote(self, now: float) -> None:
        """Move what is due to what is ready; entries of the heap that were overtaken are skipped."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key, urgent=False)

    def _until_next(self, now: float) -> float | None:
        """Seconds until a key may be taken: 0 is now, None is when something is added.

        With the time of `_promote`, or what became due between the two looks would be taken for ready.
        """
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        if now < self._resting_until:
            return self._resting_until - now
        if self._urgent:
            return 0.0
        if self._routine:
            return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate
        return self._heap[0][0] - now if self._heap else None
