"""Publishes streamed events while they come: the first at once, the rest gathered for milliseconds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from horos_api.events import Event, EventType
from horos_bus.records import LostError

Emit: TypeAlias = Callable[[str, Sequence[Event]], Awaitable[None]]
"""Writes events of a turn to the stream that watchers read: `MessageService.emit`."""

_MERGED: Final = {
    EventType.TEXT_MESSAGE_CONTENT: "messageId",
    EventType.REASONING_MESSAGE_CONTENT: "messageId",
    EventType.TOOL_CALL_ARGS: "toolCallId",
}
"""Fragments that are joined while they wait, and what tells that two belong together."""


class DeltaPublisher:
    """The one writer of streamed events of a runtime; `run` is a task that lives as long as the runtime."""

    def __init__(self, emit: Emit, coalesce_seconds: float) -> None:
        self._emit = emit
        self._coalesce_seconds = coalesce_seconds
        self._turn = ""
        self._events: list[Event] = []
        self._waiting = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    def publish(self, turn: str, events: Sequence[Event]) -> None:
        """Hand over events of the open turn; they are written soon, in this order."""
        self._turn = turn
        for event in events:
            self._add(event)
        if self._events:
            self._written.clear()
            self._waiting.set()

    async def flush(self) -> None:
        """Return when everything handed over has been written.

        It only waits for `run`: cancelling it never cuts off a write whose number Redis may have seen.
        """
        if not self._written.is_set():
            self._hurry.set()
            await self._written.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._waiting.wait()
            await self._write()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._coalesce_seconds)

    async def _write(self) -> None:
        self._waiting.clear()
        events, self._events = self._events, []
        # A turn that was closed meanwhile (terminated, or lost by Redis) has no watchers who wait for more;
        # whoever works on it learns that from its own next call.
        with contextlib.suppress(LostError):
            await self._emit(self._turn, events)
        if not self._events:
            self._hurry.clear()
            self._written.set()

    def _add(self, event: Event) -> None:
        key = _MERGED.get(event["type"])
        last = self._events[-1] if self._events else None
        if key and last and last["type"] == event["type"] and last[key] == event[key]:
            self._events[-1] = {**last, "delta": last["delta"] + event["delta"]}
        else:
            self._events.append(event)
