"""Values of groups that cross the bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from horos_api.mentions import Wake
from horos_bus.decoding import fields, text


@dataclass(frozen=True, slots=True)
class NewPost:
    """A message to a group from outside the bus.

    `mid` is the sender's id of it: a repeat with the same id is the same message. `who` names the person
    ('' = somebody). `mentions` are members to wake beside those that the text mentions as `@name`.
    `group_uid`: refuse any other group of the name (for retries).
    """

    group: str
    mid: str
    who: str
    body: str
    mentions: tuple[str, ...] = ()
    group_uid: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a post. OK and DUP both mean: accepted, exactly once. NOGROUP: there is no such group.

    `woken` got it into their inboxes; the inboxes of `full` were full, so they read it when somebody mentions
    them the next time; `strangers` were mentioned and are no members, or are gone. Of a DUP all are empty.
    """

    outcome: Literal["OK", "DUP", "NOGROUP"]
    id: str = ""
    woken: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupPost:
    """One message of a group's log. `id` is `<milliseconds since 1970>-<number>`; numbers grow by 1.

    `sender` is the agent that wrote it, '' = a person, whom `who` names if somebody said. `mentions` are the
    members that it woke or would have. `answers` are the mentions that it answers (it woke nobody then);
    `error`: it says why there is no answer.
    """

    id: str
    mid: str
    sender: str
    who: str
    body: str
    mentions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    error: bool = False

    @property
    def number(self) -> int:
        """Which message of the group it is, counted from 1."""
        return int(self.id.partition("-")[2])

    @property
    def milliseconds(self) -> int:
        """When it was posted, since 1970."""
        return int(self.id.partition("-")[0])


@dataclass(frozen=True, slots=True)
class GroupView:
    """What the bus knows of a group, seen at one moment.

    `members` are names with the id in the log behind which each may read. `oldest` and `last` are ids in the
    log (`0-0` = nothing was ever posted), `length` how many messages are kept, `unread` how many of these
    each member has not read.
    """

    name: str
    uid: str
    wake: Wake
    retain: int
    members: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)
    length: int = 0
    oldest: str = "0-0"
    last: str = "0-0"


@dataclass(frozen=True, slots=True)
class GroupSpan:
    """Which messages of a group are kept: from the id of the oldest one to that of the newest.

    `0-0` = nothing was ever posted.
    """

    oldest: str
    last: str


def group_post(entry: Any) -> GroupPost:
    """Decode one message of a group's log, as Redis gives it in a script or outside."""
    found = entry[1]
    flat = [word for pair in found.items() for word in pair] if isinstance(found, dict) else found
    values = fields(flat)
    return GroupPost(
        id=text(entry[0]),
        mid=values["mid"],
        sender=values["from"],
        who=values["who"],
        body=values["body"],
        mentions=tuple(values["mentions"].split()),
        answers=tuple(values.get("answers", "").split()),
        error="error" in values,
    )
