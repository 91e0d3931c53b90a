"""What the routes do about groups: look at them, post, and read what was said."""

import asyncio
from typing import Final

from horos_bus.event_stream import position_of
from horos_bus.group_records import GroupView, NewPost
from horos_gateway.backend import Backend
from horos_gateway.group_bodies import (
    GroupDetailBody,
    GroupListBody,
    GroupMessageBody,
    GroupPostedBody,
    GroupPostsBody,
    group_body,
    group_detail_body,
    post_body,
    posted_body,
)
from horos_gateway.inputs import Page
from horos_gateway.problems import NotFoundError

_AT_ONCE: Final = 20
"""How many groups are looked at side by side."""


class Groups:
    """Looks, posts and reads. Every method may raise BusError, and NotFoundError where it names a group."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def of_namespace(self, namespace: str) -> GroupListBody:
        """All groups of the namespace by name; none when there is no such namespace."""
        service = self._backend.group_service(namespace)
        names = sorted(await service.groups())
        views: list[GroupView | None] = []
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            views += await asyncio.gather(*(service.view(name) for name in part))
        return GroupListBody(items=[group_body(view) for view in views if view is not None])

    async def one(self, namespace: str, group: str) -> GroupDetailBody:
        """One group with its members."""
        return group_detail_body(await self.view(namespace, group))

    async def post(self, namespace: str, group: str, mid: str, message: GroupMessageBody) -> GroupPostedBody:
        """Post a message once for each `mid`, and say whom it woke."""
        post = NewPost(
            group=group,
            mid=mid,
            who=message.who,
            body=message.text,
            mentions=tuple(dict.fromkeys(message.mentions)),
        )
        posted = await self._backend.group_service(namespace).post(post)
        if posted.outcome == "NOGROUP":
            raise no_group(namespace, group)
        return posted_body(mid, posted)

    async def messages(self, namespace: str, group: str, page: Page) -> GroupPostsBody:
        """What was said, the oldest first: behind a place, or else the newest before one."""
        service = self._backend.group_service(namespace)
        # Looked at before the read: whoever watches from `newest` on misses nothing that is not among these.
        span = await service.span(group)
        if span is None:
            raise no_group(namespace, group)
        if page.after is not None:
            found = await service.read(group, page.after, page.limit)
        else:
            found = await service.latest(group, page.limit, page.before or "")
        newest = max((span.last, *(each.id for each in found[-1:])), key=position_of)
        return GroupPostsBody(items=[post_body(e) for e in found], oldest=span.oldest, newest=newest)

    async def view(self, namespace: str, group: str) -> GroupView:
        """Look at one group as the bus knows it."""
        view = await self._backend.group_service(namespace).view(group)
        if view is None:
            raise no_group(namespace, group)
        return view


def no_group(namespace: str, group: str) -> NotFoundError:
    """Build the problem of a group that the bus does not know."""
    return NotFoundError(f"there is no group {group} in namespace {namespace}", "group")
