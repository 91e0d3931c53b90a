"""Events of an agent or a group as server-sent ones: resumable at any id, alive while nothing happens."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from horos_api.events import custom, placed
from horos_bus.event_stream import position_of
from horos_bus.records import StoredEvent
from horos_gateway.backend import Backend
from horos_gateway.event_hub import UNREADABLE, EventHub, Feed, Stream, Topic
from horos_gateway.metrics import Metrics

RETRY: Final = b"retry: 1000\n\n"
"""How many milliseconds an EventSource waits before it connects again."""
CAUGHT_UP: Final = b": caught up\n\n"
"""After the last event that was kept, before the first live one: who wants no more than that can leave."""
ALIVE: Final = b": alive\n\n"
GONE: Final = b"data: " + orjson.dumps(custom("deleted", {})) + b"\n\n"
HEADERS: Final = {
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",  # nginx and what is made of it hold nothing back
}

log = logging.getLogger("horos.gateway")


@dataclass(frozen=True)
class Watch:
    """What a watcher asked for. `thread` None = all; `after` None = only what comes from now on."""

    topic: Topic
    thread: str | None
    after: str | None


class EventResponse(StreamingResponse):
    """The stream itself; it watches from its first byte until its last, however it ends."""

    def __init__(self, watch: Watch, stream: Stream, hub: EventHub, newest: str, metrics: Metrics) -> None:
        super().__init__((), media_type="text/event-stream", headers=HEADERS)
        self._watcher = _Watcher(watch, stream, watch.after or newest, metrics)
        self._hub = hub
        self._newest = newest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        with self._hub.watching(self._watcher.watch.topic, self._newest) as feed:
            self.body_iterator = self._watcher.body(feed)
            await super().__call__(scope, receive, send)


async def event_response(watch: Watch, backend: Backend, hub: EventHub, metrics: Metrics) -> Response:
    """Begin the stream; raises NotFoundError when there is no such agent."""
    newest = await backend.newest_event(watch.topic.namespace, watch.topic.name)
    return EventResponse(watch, backend.stream_of(watch.topic), hub, newest, metrics)


class _Watcher:
    """One stream's place in the events."""

    def __init__(self, watch: Watch, stream: Stream, after: str, metrics: Metrics) -> None:
        self.watch = watch
        self._stream = stream
        self._after = after
        self._metrics = metrics

    async def body(self, feed: Feed) -> AsyncIterator[bytes]:
        """Yield the bytes of the stream; it ends early when the events cannot be read."""
        opening = RETRY
        try:
            async for part in self._parts(feed):
                yield opening + part
                opening = b""
        except UNREADABLE as error:
            # The client connects again, and is told the problem then or goes on where it was.
            topic = self.watch.topic
            log.warning("a stream of %s/%s ends: %r", topic.namespace, topic.name, error)

    async def _parts(self, feed: Feed) -> AsyncIterator[bytes]:
        while True:
            if feed.behind:
                feed.behind = False
                async for part in self._missed():
                    yield part
                yield CAUGHT_UP
            events = await feed.take()
            fresh = [e for e in events if position_of(e.id) > position_of(self._after)]
            if part := self._frames(fresh):
                yield part
                self._metrics.written(fresh[0].id)
            if events or feed.behind:
                continue
            if feed.ended:
                break
            yield ALIVE
        if not await self._stream.exists(self.watch.topic.name):
            yield GONE

    async def _missed(self) -> AsyncIterator[bytes]:
        while events := await self._stream.read(self.watch.topic.name, None, self._after, 0):
            if part := self._frames(events):
                yield part

    def _frames(self, events: list[StoredEvent]) -> bytes:
        if events:
            self._after = events[-1].id
        wanted = (e for e in events if self.watch.thread is None or e.thread in ("", self.watch.thread))
        return b"".join(_frame(event) for event in wanted)


def _frame(event: StoredEvent) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (event.id.encode(), orjson.dumps(placed(event.id, event.event)))
