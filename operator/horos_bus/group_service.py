"""Groups of agents on the bus: who belongs to them, and what is said there."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from horos_api.mentions import MEMBERS_AT_MOST, Wake, mentions_in
from horos_api.names import INBOX_CAP, agent_name_error
from horos_bus.connection import Argument, Bus
from horos_bus.decoding import text
from horos_bus.event_stream import BLOCK_SECONDS
from horos_bus.group_records import GroupPost, GroupSpan, GroupView, NewPost, Posted, group_post
from horos_bus.sender import REMEMBER_MS

_ID: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_OUTCOMES: Final = {b"DUP": Posted("DUP"), b"NOGROUP": Posted("NOGROUP")}


class GroupService:
    """The groups of one namespace. Every order may be repeated."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, group: str, uid: str, wake: Wake, retain: int, members: Mapping[str, str]) -> str:
        """Project a Group: OK, SAME, or EXISTS when another uid has the name (delete that first).

        `members` are names with the uid of the life that belongs to the group. Who is new reads what is
        posted from now on; who is missing has left. Of the messages the newest `retain` are kept.
        """
        words = [word for pair in members.items() for word in pair]
        return text(await self._bus.call("group_put", [group, uid, wake, retain, *words]))

    async def delete(self, group: str, uid: str) -> str:
        """End a group and drop all its keys: OK or GONE."""
        return text(await self._bus.call("group_delete", [group, uid]))

    async def groups(self) -> dict[str, str]:
        """All groups of the namespace: name to uid."""
        found = await self._bus.command("HGETALL", self._bus.keys.groups)
        return {text(name): text(uid) for name, uid in found.items()}

    async def view(self, group: str) -> GroupView | None:
        """Look at one group; None = the bus does not know it."""
        answer = await self._bus.call("group_view", [group, 1])
        if not answer:
            return None
        uid, wake, retain, last, oldest, length, *members = answer
        names = [text(name) for name in members[::3]]
        return GroupView(
            name=group,
            uid=text(uid),
            wake=Wake(text(wake)),
            retain=int(retain),
            members=dict(zip(names, map(text, members[1::3]), strict=True)),
            unread=dict(zip(names, members[2::3], strict=True)),
            length=length,
            oldest=text(oldest),
            last=text(last),
        )

    async def span(self, group: str) -> GroupSpan | None:
        """Look at what is kept of one group's messages; None = the bus does not know it."""
        answer = await self._bus.call("group_view", [group, ""])
        return GroupSpan(oldest=text(answer[4]), last=text(answer[3])) if answer else None

    async def post(self, post: NewPost) -> Posted:
        """Post from outside the bus, once for each `mid`; NOGROUP remembers nothing of it.

        Raises ValueError for a mention that is no agent's name, and BusUnavailableError: then it is unknown
        whether it was accepted, and posting again is safe.
        """
        for name in post.mentions:
            if error := agent_name_error(name):
                raise ValueError(f"mentions: {error}")
        mentions = dict.fromkeys((*post.mentions, *mentions_in(post.body)))
        words: list[Argument] = [post.group, post.group_uid, post.mid, post.who, post.body]
        answer = await self._bus.call(
            "post", [*words, INBOX_CAP, REMEMBER_MS, *list(mentions)[:MEMBERS_AT_MOST]]
        )
        if answer[0] in _OUTCOMES:
            return _OUTCOMES[answer[0]]
        woken, full, strangers = (tuple(map(text, names)) for names in answer[2:5])
        return Posted("OK", text(answer[1]), woken, full, strangers)

    async def read(
        self, group: str, after: str = "", count: int = 100, wait_seconds: float = 0.0
    ) -> list[GroupPost]:
        """Read the messages behind an id of the log ('' = from the oldest kept), the newest last.

        Waits so many seconds for the first one; empty when none came or there is no such group. Raises
        ValueError for something that is no id.
        """
        if after and not _ID.fullmatch(after):
            raise ValueError(f"id {after!r}: expected <milliseconds>-<number>")
        deadline = time.monotonic() + wait_seconds
        while True:
            left = deadline - time.monotonic()
            entries = await self._entries(group, after or "0-0", count, left)
            if entries or left <= 0:
                return [group_post(entry) for entry in entries]

    async def latest(self, group: str, count: int = 100, before: str = "") -> list[GroupPost]:
        """Read the newest messages before an id of the log ('' = of all), the newest last.

        Empty when there are none, or no such group. Raises ValueError for something that is no id.
        """
        if before and not _ID.fullmatch(before):
            raise ValueError(f"id {before!r}: expected <milliseconds>-<number>")
        if before and not any(map(int, before.split("-"))):
            return []  # nothing lies before the beginning, and Redis takes `(0-0` for no id
        end = f"({before}" if before else "+"
        found = await self._bus.command(
            "XREVRANGE", self._bus.keys.group_log(group), end, "-", "COUNT", count
        )
        return [group_post(entry) for entry in reversed(found)]

    async def _entries(self, group: str, after: str, count: int, seconds: float) -> list[Any]:
        block: list[Argument] = []
        if seconds > 0:
            block = ["BLOCK", max(1, int(min(seconds, BLOCK_SECONDS) * 1000))]
        where = ("STREAMS", self._bus.keys.group_log(group), after)
        answer = await self._bus.command("XREAD", "COUNT", count, *block, *where)
        return list(answer[0][1]) if answer else []
