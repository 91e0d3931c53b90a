"""Feeds all watchers of an agent or a group from one blocking read of Redis; slow ones catch up alone."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from horos_bus.connection import BusError
from horos_bus.records import StoredEvent

BLOCK_SECONDS: Final = 2.0
"""One blocking read; when nothing came in it, the reader asks whether the agent still exists."""
FEED_LIMIT: Final = 1000
"""How many events wait for a watcher before it has to read them from Redis again."""
UNREADABLE: Final = (BusError, ValueError, KeyError)
"""Redis is gone, or an agent wrote into its stream, with its own credentials, what is no event."""

log = logging.getLogger("horos.gateway")


@dataclass(frozen=True)
class Topic:
    """What is watched: an agent, or a group."""

    namespace: str
    name: str
    is_group: bool = False


class Stream(Protocol):
    """Events of agents or of groups, read on from any of them."""

    async def exists(self, name: str, /) -> bool:
        """Whether there is (still) such a one."""
        ...

    async def read(
        self, name: str, thread: str | None, after: str, wait_seconds: float, /
    ) -> list[StoredEvent]:
        """Return the events behind an id; waits so many seconds for the first one."""
        ...


class Feed:
    """The new events that one watcher has not taken yet."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self.behind = True
        """Events are missing here: clear it, then read them from Redis."""
        self.ended = False
        """No more will come: the agent is gone, Redis is gone, or the process ends."""
        self._events: list[StoredEvent] = []
        self._news = asyncio.Event()

    def put(self, events: list[StoredEvent]) -> None:
        """Hand over new events."""
        if len(self._events) + len(events) > FEED_LIMIT:
            self._events.clear()
            self.behind = True
        else:
            self._events += events
        self._news.set()

    def end(self) -> None:
        """Wake the watcher for the last time."""
        self.ended = True
        self._news.set()

    async def take(self) -> list[StoredEvent]:
        """Wait for news; returns nothing when none came for a heartbeat, or when only a flag changed."""
        if not self.ended:
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self._news.wait()
            except TimeoutError:
                return []
        self._news.clear()
        taken, self._events = self._events, []
        return taken


@dataclass
class _Watched:
    """One topic that somebody watches."""

    reader: asyncio.Task[None]
    feeds: list[Feed] = field(default_factory=list)


class EventHub:
    """Keeps one reader for each topic that is watched, for as long as it is. A context manager owns them."""

    def __init__(self, stream_of: Callable[[Topic], Stream], heartbeat_seconds: float) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._stream_of = stream_of
        self._watched: dict[Topic, _Watched] = {}
        self._readers = asyncio.TaskGroup()
        self._ended = False

    async def __aenter__(self) -> Self:
        await self._readers.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        await self._readers.__aexit__(kind, error, trace)

    def end(self) -> None:
        """Let every watcher finish: the process is about to."""
        self._ended = True
        for topic in list(self._watched):
            self._forget(topic)

    def watchers(self) -> int:
        """How many feeds are open."""
        return sum(len(watched.feeds) for watched in self._watched.values())

    @contextmanager
    def watching(self, topic: Topic, newest: str) -> Iterator[Feed]:
        """Open a feed of the events from now on; `newest` is the newest one's id, seen before this call."""
        feed = Feed(self._heartbeat_seconds)
        if self._ended:
            feed.end()
            yield feed
            return
        if topic not in self._watched:
            self._watched[topic] = _Watched(self._readers.create_task(self._read(topic, newest)))
        watched = self._watched[topic]
        watched.feeds.append(feed)
        try:
            yield feed
        finally:
            watched.feeds.remove(feed)
            if not watched.feeds and self._watched.get(topic) is watched:
                self._forget(topic)

    def _forget(self, topic: Topic) -> None:
        watched = self._watched.pop(topic)
        watched.reader.cancel()
        for feed in watched.feeds:
            feed.end()

    async def _read(self, topic: Topic, after: str) -> None:
        stream = self._stream_of(topic)
        watched = self._watched[topic]
        try:
            while True:
                events = await stream.read(topic.name, None, after, BLOCK_SECONDS)
                if events:
                    after = events[-1].id
                    for feed in watched.feeds:
                        feed.put(events)
                elif not await stream.exists(topic.name):
                    break
        except UNREADABLE as error:
            log.warning("the events of %s/%s cannot be read: %r", topic.namespace, topic.name, error)
        if self._watched.get(topic) is watched:
            self._forget(topic)
