"""The watcher's side of an agent's events: read on from an id, and know when something was missed."""

import time
from dataclasses import dataclass
from typing import Any, Final

import orjson

from horos_api.events import Event, custom
from horos_bus.connection import Argument, Bus
from horos_bus.decoding import text
from horos_bus.records import StoredEvent

AT_ONCE: Final = 500
BLOCK_SECONDS: Final = 2.0
"""One blocking read; shorter than the socket's timeout, and how soon a deleted agent is noticed."""
_OLDEST: Final = (0, 0)
_SEQUENCE_MAX: Final = 2**64 - 1
_Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where the stream of an existing agent begins and ends, and what a watcher with a gap must know."""

    oldest: _Position
    newest: _Position
    snapshot: Event

    def lost(self, position: _Position) -> bool:
        """Whether events after this position may be missing: it was trimmed, or Redis never had it."""
        return position != _OLDEST and not self.oldest <= position <= self.newest


class EventStream:
    """The events of agents; use one for each watcher, since it remembers how far it has looked."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._looked: tuple[tuple[str, str | None, str | None], _Position] | None = None

    async def exists(self, agent: str) -> bool:
        """Whether the agent lives; a watcher's stream ends when it does not."""
        return await self._standing(agent) is not None

    async def last_id(self, agent: str) -> str:
        """Id of the newest event, to read on from; `0-0` when there is none."""
        standing = await self._standing(agent)
        return _id(standing.newest if standing else _OLDEST)

    async def place_before(self, agent: str, turn: str) -> str:
        """The id behind which all events of a turn lie that are still kept.

        A turn is named by its first message's id in the inbox, and the same clock numbers both streams.
        """
        standing = await self._standing(agent)
        if standing is None:
            return _id(_OLDEST)
        before = min(_before((position_of(turn)[0], 0)), standing.newest)
        return _id(_OLDEST if standing.lost(before) else before)

    async def read(
        self, agent: str, thread: str | None, after: str | None, wait_seconds: float
    ) -> list[StoredEvent]:
        """Return the events after an id, of one thread and of the agent as a whole, or of all threads (None).

        `after`: the last id seen, '0' for the oldest kept, None for only new ones (then ask with None again
        until there is an event). Waits so many seconds for the first one; empty when none came or the agent
        is gone (`exists`). An id that is no longer kept gives a CUSTOM `gap`, a STATE_SNAPSHOT and then what
        is kept. Raises ValueError for something that is not an id.
        """
        deadline = time.monotonic() + wait_seconds
        position = await self._start(agent, thread, after)
        while True:
            entries = await self._entries(agent, position, deadline - time.monotonic())
            standing = await self._standing(agent)
            # Looked at after the read: what was trimmed before it cannot go unnoticed.
            found: list[StoredEvent] = []
            if standing is not None and standing.lost(position):
                position = _before(standing.oldest)
                found = [_gap(position, after), StoredEvent(_id(position), standing.snapshot)]
                entries = await self._entries(agent, position, 0)
            if entries:
                position = position_of(text(entries[-1][0]))
            found += [_decoded(entry) for entry in entries if _concerns(entry, thread)]
            if found or standing is None or time.monotonic() >= deadline:
                self._looked = ((agent, thread, found[-1].id if found else after), position)
                return found

    async def _start(self, agent: str, thread: str | None, after: str | None) -> _Position:
        """Where to look from: past what this watcher has skipped already."""
        if self._looked is not None and self._looked[0] == (agent, thread, after):
            return self._looked[1]
        if after is not None:
            return position_of(after)
        return position_of(await self.last_id(agent))

    async def _entries(self, agent: str, position: _Position, seconds: float) -> list[Any]:
        block: list[Argument] = []
        if seconds > 0:
            block = ["BLOCK", max(1, int(min(seconds, BLOCK_SECONDS) * 1000))]
        where = ("STREAMS", self._bus.keys.events(agent), _id(position))
        answer = await self._bus.command("XREAD", "COUNT", AT_ONCE, *block, *where)
        return list(answer[0][1]) if answer else []

    async def _standing(self, agent: str) -> _Standing | None:
        answer = await self._bus.call("stream_bounds", [agent])
        if answer[0] == 0:
            return None
        oldest, newest = (position_of(text(end) or "0-0") for end in answer[1:3])
        return _Standing(oldest, newest, orjson.loads(answer[3]))


def position_of(event_id: str) -> tuple[int, int]:
    """Read the id of a stream's entry, so that two can be compared. Raises ValueError when it is none."""
    milliseconds, _, number = event_id.partition("-")
    if not milliseconds.isascii() or not milliseconds.isdigit() or not (number or "0").isdigit():
        raise ValueError(f"event id {event_id!r}: expected <milliseconds>-<number>")
    return int(milliseconds), int(number or "0")


def _id(position: _Position) -> str:
    return f"{position[0]}-{position[1]}"


def _before(position: _Position) -> _Position:
    milliseconds, number = position
    if number > 0:
        return milliseconds, number - 1
    return (milliseconds - 1, _SEQUENCE_MAX) if milliseconds > 0 else _OLDEST


def _gap(position: _Position, after: str | None) -> StoredEvent:
    return StoredEvent(_id(position), custom("gap", {"after": after}))


def _concerns(entry: Any, thread: str | None) -> bool:
    return thread is None or text(entry[1][b"t"]) in ("", thread)


def _decoded(entry: Any) -> StoredEvent:
    return StoredEvent(text(entry[0]), orjson.loads(entry[1][b"e"]), text(entry[1][b"t"]))
