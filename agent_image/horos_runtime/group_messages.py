"""What a member reads of a group when it is called there: one record for all that it has not read. Pure."""

from collections.abc import Iterator

from horos_api.messages import Message
from horos_bus.group_reading import Unread
from horos_bus.group_records import GroupPost
from horos_runtime.records import Record

GONE = (
    "[What was said there is no longer kept, or the group is gone. If it is, nobody will read what you say.]"
)


def mention_record(message: Message, unread: Unread, run: str, agent: str) -> Record:
    """Turn a mention into what the model reads; the agent's own posts are left out, since it knows them."""
    return {
        "role": "user",
        "content": "\n".join(_lines(unread, agent)) or GONE,
        "mid": message.mid,
        "from": message.sender,
        "run": run,
        "kind": message.kind,
        "re": message.re,
        "group": message.group,
    }


def _lines(unread: Unread, agent: str) -> Iterator[str]:
    if unread.missed:
        yield f"[{unread.missed} earlier messages are not shown.]"
    for post in unread.posts:
        if post.sender != agent:
            # Set in, so that no text can look like the beginning of another's.
            said = post.body.replace("\n", "\n    ")
            yield f"{post.number}. {_author(post)}: {said}"


def _author(post: GroupPost) -> str:
    if not post.sender:
        return f"person {post.who}" if post.who else "a person"
    return f"agent {post.sender} has no answer" if post.error else f"agent {post.sender}"
