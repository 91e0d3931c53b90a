"""Keeps the records of each thread in step with Redis and builds what the model sees from them."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from horos_runtime.projection import ChatMessage, project
from horos_runtime.records import Record, load

LoadContext: TypeAlias = Callable[[str], Awaitable[list[bytes]]]
"""Reads all records of a thread, oldest first: `MessageService.context`."""

THREADS_IN_MEMORY: Final = 16


class ContextManager:
    """The contexts of one agent, one per thread; the threads used last are kept in memory.

    Redis holds the truth. `load` trusts memory only while its length is what Redis says.
    """

    def __init__(self, load_context: LoadContext) -> None:
        self._load_context = load_context
        self._threads: OrderedDict[str, list[Record]] = OrderedDict()

    async def load(self, thread: str, base: int, journal: Sequence[bytes]) -> list[Record]:
        """Return the thread's committed records and the journal of its open turn behind them.

        `base` is how many records are committed.
        """
        known = self._threads.get(thread, [])
        if len(known) not in (base, base + len(journal)):
            known = [load(entry) for entry in await self._load_context(thread)]
        records = known[:base] + [load(entry) for entry in journal]
        self._threads[thread] = records
        self._threads.move_to_end(thread)
        while len(self._threads) > THREADS_IN_MEMORY:
            self._threads.popitem(last=False)
        return records

    def save(self, thread: str, records: Sequence[Record]) -> None:
        """Add records that Redis has accepted as the thread's newest."""
        self._threads[thread].extend(records)

    def history(self, thread: str) -> tuple[Record, ...]:
        """Return what memory holds of a thread, oldest first; empty when it was never loaded."""
        return tuple(self._threads.get(thread, ()))

    def forget(self) -> None:
        """Drop everything in memory; the next `load` reads Redis."""
        self._threads.clear()

    @staticmethod
    def for_model(records: Sequence[Record], instructions: str, room: int) -> list[ChatMessage]:
        """Build the chat messages of one model call within `room` tokens."""
        return project(records, instructions, room)
