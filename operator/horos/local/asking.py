"""`horos run --ask`: a message to one agent, or to a group, of the society, and what is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from horos.client import WatchedEvent
from horos.conversation import Exchange, follow, new_key
from horos.errors import NotFoundError, RefusedError
from horos.group_lines import posted_words
from horos.group_silence import take_out_silent, until_one_ends
from horos.places import Places
from horos.session import Session
from horos_api.mentions import mentions_in

BIRTH_SECONDS: Final = 30.0
"""How long what is new may take to be known to the gateway."""
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Asked:
    """A question for one agent, or for a group (`@name`).

    `say` tells what is to be known beside the answer, `problems` what keeps agents from working.
    """

    of: str
    text: str
    say: Callable[[str], None]
    problems: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one of those who were asked has answered."""

    agent: str
    text: str


async def ask(session: Session, asked: Asked) -> list[Answer]:
    """Send a message and return its answers; who follows the agents shows what happens meanwhile.

    Raises RefusedError when somebody will not answer.
    """
    if asked.of.startswith("@"):
        return await _ask_group(session, asked)
    await _known(lambda: session.client.agent(asked.of), session, asked)
    sent = await session.client.send(asked.of, asked.text, None, new_key())
    places = Places(asked.of, asked.say)
    text = await follow(session, Exchange.of(asked.of, sent), lambda _: None, places)
    return [Answer(asked.of, text)]


async def _ask_group(session: Session, asked: Asked) -> list[Answer]:
    newest = await _members_there(session, asked)
    posted = await session.client.post(asked.of, asked.text, "", new_key())
    for line in posted_words(asked.of, posted):
        asked.say(line)
    owed = {f"{posted['id']}@{name}": name for name in posted["woken"]}
    answers: list[Answer] = []
    if owed:
        await until_one_ends(
            _hear(session, asked, newest, owed, answers),
            take_out_silent(session.client, asked.of, owed, asked.say),
        )
    return answers


async def _hear(
    session: Session, asked: Asked, after: str, owed: dict[str, str], answers: list[Answer]
) -> None:
    """Move what is owed to the answers as it comes. Raises RefusedError when somebody cannot answer."""
    async with aclosing(session.client.events(asked.of, None, after)) as stream:
        async for seen in stream:
            post: dict[str, Any] = seen.event.get("value") or {} if isinstance(seen, WatchedEvent) else {}
            paid = owed.keys() & set(post.get("answers", ()))
            if paid and post["error"]:
                raise RefusedError(f"{post['sender']} does not answer: {post['text']}")
            if paid:
                answers.append(Answer(post["sender"], post["text"]))
            for mention in paid:
                del owed[mention]
            if not owed:
                return
    raise RefusedError(f"{asked.of} was deleted; nobody will answer")


async def _members_there(session: Session, asked: Asked) -> str:
    """Wait until those who are mentioned belong to the group; returns its newest message.

    A group that was just made gets its members one look of the operator later, and a member can be woken when
    it is known itself. Who never comes is told as a stranger by the group itself.
    """
    wanted = set(mentions_in(asked.text))
    clock = asyncio.get_running_loop().time
    deadline = clock() + BIRTH_SECONDS
    while True:
        group = await _known(lambda: session.client.group(asked.of), session, asked)
        members = {each["name"] for each in group["members"]}
        there = {each["name"] for each in await session.client.agents()}
        if wanted <= members <= there or clock() >= deadline:
            return str(group["newest"])
        await asyncio.sleep(_LOOK_SECONDS)


async def _known(
    get: Callable[[], Awaitable[dict[str, Any]]], session: Session, asked: Asked
) -> dict[str, Any]:
    """Wait until the gateway knows it; RefusedError says what keeps it from that."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + BIRTH_SECONDS
    while True:
        try:
            return await get()
        except NotFoundError:
            if clock() >= deadline:
                unseen = "the operator has not looked at it"
                why = asked.problems().get(f"{session.namespace}/{asked.of}", unseen)
                raise RefusedError(f"{asked.of} takes no messages: {why}") from None
        await asyncio.sleep(_LOOK_SECONDS)
