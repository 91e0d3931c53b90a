"""Keeps the contexts of an agent's threads in step with Redis."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from horos_bus.records import Stretch
from horos_runtime.context import Context
from horos_runtime.projection import Room, View
from horos_runtime.records import Record, load
from horos_runtime.token_estimates import ChatMessage

ReadRecords: TypeAlias = Callable[[str, int], Awaitable[Stretch]]
"""Reads the records of a thread from an absolute index on: `MessageService.stretch`."""

THREADS_IN_MEMORY: Final = 16
PAGE: Final = 256
"""How many records are read first, and four times as many each time until a compaction is found."""


class ContextManager:
    """The contexts of one agent, one per thread; the threads used last are kept in memory.

    Redis holds the truth. `load` trusts memory only while its length is what Redis says. Of a thread that was
    compacted only what its summary does not tell is read and kept.
    """

    def __init__(self, read: ReadRecords) -> None:
        self._read = read
        self._threads: OrderedDict[str, Context] = OrderedDict()

    async def load(self, thread: str, base: int, journal: Sequence[bytes] = ()) -> Context:
        """Return the thread's context with the journal of its open turn; `base` records are committed."""
        context = self._threads.get(thread)
        if context is None or context.end != base:
            context = await self._loaded(thread, base)
        context.extend(load(entry) for entry in journal)
        context.forget_before(min(context.through, base))
        self._threads[thread] = context
        self._threads.move_to_end(thread)
        while len(self._threads) > THREADS_IN_MEMORY:
            self._threads.popitem(last=False)
        return context

    def forget(self) -> None:
        """Drop everything in memory; the next `load` reads Redis."""
        self._threads.clear()

    @staticmethod
    def for_model(
        context: Context, run: str, room: Room, unsaved: Sequence[Record] = ()
    ) -> list[ChatMessage]:
        """Build the chat messages of one model call of the turn `run`, within `room`."""
        return View(context, run, unsaved, room).messages()

    async def _loaded(self, thread: str, base: int) -> Context:
        """Read backwards until a compaction record covers what lies before."""
        count = PAGE
        while True:
            start = max(0, base - count)
            stretch = await self._read(thread, start)
            committed = stretch.records[: max(0, base - stretch.start)]
            context = Context(stretch.start, map(load, committed))
            if stretch.start > start or start <= context.through:
                return context
            # The compaction says where to begin; without one there is nothing but to read on.
            count = base - context.through if context.compaction else 4 * count
