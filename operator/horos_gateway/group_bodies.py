"""Groups as the gateway takes and gives them."""

from pydantic import Field, StrictStr

from horos_api.budgets import utc_time
from horos_api.mentions import MEMBERS_AT_MOST, Wake
from horos_api.names import BODY_BYTES
from horos_bus.group_records import GroupPost, GroupView, Posted
from horos_gateway.bodies import WireBody
from horos_gateway.decision_bodies import WHO_LENGTH


class GroupMemberBody(WireBody):
    """An agent that belongs to a group."""

    name: str = Field(description="The agent's name.")
    unread: int = Field(description="How many of the messages that it may read it has not read.")


class GroupBody(WireBody):
    """A group as the bus knows it."""

    name: str = Field(description="The group's name.")
    wake: Wake = Field(description="Whom a message wakes: Mentioned, or All but its sender.")
    members: int = Field(description="How many agents belong to it.")
    messages: int = Field(description="How many messages are kept.")
    retain: int = Field(description="How many messages are kept at most, the newest.")
    last_at: str | None = Field(description="When somebody last posted (RFC 3339, UTC); null: nobody has.")


class GroupListBody(WireBody):
    """All groups of a namespace."""

    items: list[GroupBody] = Field(description="The groups by name.")


class GroupDetailBody(WireBody):
    """One group with its members."""

    name: str = Field(description="The group's name.")
    wake: Wake = Field(description="Whom a message wakes: Mentioned, or All but its sender.")
    members: list[GroupMemberBody] = Field(description="Who belongs to it, by name.")
    messages: int = Field(description="How many messages are kept.")
    retain: int = Field(description="How many messages are kept at most, the newest.")
    last_at: str | None = Field(description="When somebody last posted (RFC 3339, UTC); null: nobody has.")
    oldest: str = Field(description="Id of the oldest message that is kept; 0-0: there is none.")
    newest: str = Field(description="Id of the newest message: watch from here on; 0-0: there is none.")


class GroupMessageBody(WireBody):
    """What is said to a group."""

    text: StrictStr = Field(
        description=f"What to say: not empty, at most {BODY_BYTES} bytes of UTF-8. Members that it mentions "
        "as `@name` are woken."
    )
    mentions: list[StrictStr] = Field(
        default_factory=list,
        max_length=MEMBERS_AT_MOST,
        description="Members to wake besides those that the text mentions.",
    )
    who: StrictStr = Field(
        default="",
        description=f"Who says it, for the members and for people: at most {WHO_LENGTH} printable "
        "characters; empty: somebody.",
    )


class GroupPostedBody(WireBody):
    """A message that a group has: once, and in the same place for all."""

    id: str = Field(description="Names the message: its answers are to `<id>@<member>`.")
    place: str = Field(description="Its id in the group's messages; empty when it is a duplicate.")
    duplicate: bool = Field(description="True when this Idempotency-Key was accepted before.")
    woken: list[str] = Field(description="Members that were woken, by name; they will answer in the group.")
    full: list[str] = Field(
        description="Members that were to be woken and whose inboxes are full: they read it when they are "
        "woken the next time."
    )
    strangers: list[str] = Field(description="Who was mentioned and is no member, or is gone.")


class GroupPostBody(WireBody):
    """One message of a group."""

    id: str = Field(description="Its place: `<milliseconds since 1970>-<number>`; numbers grow by 1.")
    message_id: str = Field(description="The sender's id of the message.")
    sender: str = Field(description="The agent that wrote it; empty: a person.")
    who: str = Field(description="Of a person: who, if that was said.")
    at: str = Field(description="When it was posted (RFC 3339, UTC).")
    text: str = Field(description="What it says.")
    mentions: list[str] = Field(description="The members that it was to wake.")
    answers: list[str] = Field(description="What it answers, `<id of the message>@<member>` each.")
    error: bool = Field(description="Whether it says why there is no answer.")


class GroupPostsBody(WireBody):
    """Part of a group's messages, the oldest first."""

    items: list[GroupPostBody] = Field(description="The messages.")
    oldest: str = Field(description="Id of the oldest message that is kept; 0-0: there is none.")
    newest: str = Field(description="Id of the newest message; 0-0: there is none.")


def group_body(view: GroupView) -> GroupBody:
    """Build it of what the bus knows."""
    return GroupBody(
        name=view.name,
        wake=view.wake,
        members=len(view.members),
        messages=view.length,
        retain=view.retain,
        last_at=_moment(view.last),
    )


def group_detail_body(view: GroupView) -> GroupDetailBody:
    """Build it of what the bus knows."""
    return GroupDetailBody(
        name=view.name,
        wake=view.wake,
        members=[GroupMemberBody(name=n, unread=view.unread.get(n, 0)) for n in sorted(view.members)],
        messages=view.length,
        retain=view.retain,
        last_at=_moment(view.last),
        oldest=view.oldest,
        newest=view.last,
    )


def posted_body(mid: str, posted: Posted) -> GroupPostedBody:
    """Build it of what became of a post."""
    return GroupPostedBody(
        id=mid,
        place=posted.id,
        duplicate=posted.outcome == "DUP",
        woken=sorted(posted.woken),
        full=sorted(posted.full),
        strangers=sorted(posted.strangers),
    )


def post_body(post: GroupPost) -> GroupPostBody:
    """Build it of a message in the log."""
    return GroupPostBody(
        id=post.id,
        message_id=post.mid,
        sender=post.sender,
        who=post.who,
        at=utc_time(post.milliseconds / 1000),
        text=post.body,
        mentions=list(post.mentions),
        answers=list(post.answers),
        error=post.error,
    )


def _moment(place: str) -> str | None:
    milliseconds = int(place.partition("-")[0])
    return utc_time(milliseconds / 1000) if milliseconds else None
