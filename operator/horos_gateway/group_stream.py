"""A group's messages as a stream of events, read on from any place."""

from typing import Final

from horos_api.events import custom
from horos_bus.event_stream import position_of
from horos_bus.group_records import GroupPost, GroupSpan
from horos_bus.group_service import GroupService
from horos_bus.records import StoredEvent
from horos_gateway.group_bodies import post_body

AT_ONCE: Final = 100
"""How many messages are read at once; each may be as long as a message can be."""


class GroupStream:
    """What watchers of a group read, as they read an agent's events."""

    def __init__(self, service: GroupService) -> None:
        self._service = service

    async def exists(self, group: str) -> bool:
        """Whether there is such a group; a watcher's stream ends when there is none."""
        return await self._service.span(group) is not None

    async def read(
        self, group: str, thread: str | None, after: str, wait_seconds: float
    ) -> list[StoredEvent]:
        """Return the messages behind a place ('0' = from the oldest kept) as events; a group has no threads.

        Waits so many seconds for the first one. A place behind which messages are missing gives a CUSTOM
        `gap`, then what is kept. Raises ValueError for something that is no place.
        """
        found = await self._service.read(group, after, AT_ONCE, wait_seconds)
        # Looked at after the read: what was dropped before it cannot go unnoticed.
        span = await self._service.span(group)
        if span is None or not misses(span, after):
            return [_event(each) for each in found]
        begin = before_oldest(span)
        kept = await self._service.read(group, begin, AT_ONCE)
        return [StoredEvent(begin, custom("gap", {"after": after})), *(_event(each) for each in kept)]


def misses(span: GroupSpan, after: str) -> bool:
    """Whether messages behind this place are no longer kept, or it is a place of another group's life."""
    place, oldest, newest = position_of(after), position_of(span.oldest), position_of(span.last)
    if place == (0, 0):
        return False
    if place > newest:
        return True
    return place < oldest and oldest[1] != place[1] + 1


def before_oldest(span: GroupSpan) -> str:
    """The place behind which all lies that is kept."""
    milliseconds, number = position_of(span.oldest)
    return f"{milliseconds}-{max(0, number - 1)}"


def _event(post: GroupPost) -> StoredEvent:
    return StoredEvent(post.id, custom("post", post_body(post).model_dump(by_alias=True)))
