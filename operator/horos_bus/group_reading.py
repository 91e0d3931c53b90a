"""What one incarnation of an agent reads of groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from horos_api.mentions import Wake
from horos_api.messages import Message
from horos_bus.connection import Bus
from horos_bus.decoding import checked, text
from horos_bus.group_records import GroupPost, group_post
from horos_bus.records import Identity

POSTS: Final = 64
"""How many messages of a group a mention shows at most."""
POSTS_BYTES: Final = 64 * 1024
"""How many bytes these may take; the one that mentions the agent is shown in any case."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What a member has not read, the newest last; `missed` older messages are not among it.

    Nothing at all when the group is gone, or the message is no longer kept.
    """

    posts: tuple[GroupPost, ...] = ()
    missed: int = 0


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group as an agent sees it; `member` says whether it belongs to it."""

    name: str
    wake: Wake
    members: int
    member: bool


class GroupReading:
    """The groups as one agent may see them."""

    def __init__(self, bus: Bus, identity: Identity) -> None:
        self._bus = bus
        self._identity = identity

    async def unread(self, mention: Message, before: Sequence[Message] = ()) -> Unread:
        """Read what lies behind what the agent has read, up to the message that mentions it.

        `before` are the other mentions of its group in the same turn that come first; they tell of what lies
        before them. Reading changes nothing: the commit of the turn does. Raises FencedError.
        """
        pointers = [each.re for each in before if each.group_uid == mention.group_uid]
        where = (mention.group, mention.group_uid, mention.re, pointers[-1] if pointers else "")
        answer = await self._call("unread", self._identity.token, *where, POSTS, POSTS_BYTES)
        return Unread(tuple(map(group_post, answer[1])), answer[0])

    async def groups(self) -> list[GroupLine]:
        """List the groups of the namespace, in order."""
        found = await self._bus.call("group_list", [self._identity.agent])
        lines = (
            GroupLine(text(name), Wake(text(wake)), members, member == 1)
            for name, wake, members, member in found
        )
        return sorted(lines, key=lambda line: line.name)

    async def _call(self, script: str, *args: str | int) -> Sequence[Any]:
        return checked(await self._bus.call(script, [self._identity.agent, *args]), self._identity.agent)
