"""What the commands about groups do once they are connected: list them, post, watch what is said."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

from horos.client import Interruption, WatchedEvent
from horos.conversation import new_key
from horos.errors import HorosError, NotFoundError, RefusedError, TimedOutError
from horos.group_lines import groups_table, post_lines, posted_words, why_not_well
from horos.group_silence import LOOK_BACK, take_out_silent, until_one_ends
from horos.identity import who_decides
from horos.options import GroupWatch, Lines, Output, Question
from horos.readiness import KNOWN_SECONDS
from horos.session import Session
from horos.terminal import Terminal
from horos_api.mentions import Wake

_LOOK_SECONDS: Final = 0.5


async def list_groups(session: Session, output: Output) -> None:
    """Print the groups of the session's namespace."""
    terminal = Terminal()
    found = await session.client.groups()
    if terminal.document(found, output):
        return
    manifests = await _manifests(session)
    if found or manifests:
        terminal.table(groups_table(found, manifests, time.time()))
    else:
        terminal.note(f"no groups in namespace {session.namespace}")


async def post_message(session: Session, question: Question, output: Lines) -> None:
    """Post a message to a group and say whom it woke."""
    terminal = Terminal()
    posted = await _hand_in(session, question)
    if output == Lines.JSON:
        terminal.json(posted)
        return
    for line in posted_words(question.agent, posted):
        terminal.note(line)


async def post_and_wait(session: Session, question: Question, seconds: float, output: Lines) -> None:
    """Post a message, show each answer as it comes, and end when no more will come.

    Raises TimedOutError after `seconds` (0: never), and RefusedError when one of those who were woken cannot
    answer.
    """
    terminal = Terminal()
    group = question.agent
    after = (await known_group(session, group))["newest"]
    posted = await _hand_in(session, question)
    for line in posted_words(group, posted) if output == Lines.TEXT else ():
        terminal.note(line)
    woken = posted["woken"]
    if posted["duplicate"]:
        woken, after = await _woken_before(session, group, posted["id"])
    owed = {f"{posted['id']}@{name}": name for name in woken}
    answers: list[dict[str, Any]] = []

    def seen(post: dict[str, Any]) -> bool:
        if not owed.keys() & set(post["answers"]):
            return False
        for each in post["answers"]:
            owed.pop(each, None)
        answers.append(post)
        if output == Lines.TEXT:
            _print(terminal, post)
        return not owed

    if owed:
        async with _in_time(group, owed, seconds):
            hearing = _follow(session, terminal, group, after, seen)
            await until_one_ends(hearing, take_out_silent(session.client, group, owed, terminal.note))
    if output == Lines.JSON:
        terminal.json({**posted, "answers": answers})
    if failed := [each["sender"] for each in answers if each["error"]]:
        raise RefusedError(f"no answer from {', '.join(sorted(set(failed)))}")


@asynccontextmanager
async def _in_time(group: str, owed: Mapping[str, str], seconds: float) -> AsyncIterator[None]:
    """Name those who have not answered when the time is over (0: it never is)."""
    try:
        async with asyncio.timeout(seconds or None):
            yield
    except TimeoutError as error:
        silent = ", ".join(sorted(owed.values()))
        raise TimedOutError(
            f"no answer from {silent} within {seconds:g} s; see `horos watch {group}`"
        ) from error


async def watch_group(session: Session, watch: GroupWatch, output: Lines) -> None:
    """Print what was said last in a group, and what is said from then on."""
    terminal = Terminal()
    await known_group(session, watch.group)
    page = await session.client.messages(watch.group, watch.last)
    for post in page["items"] if watch.last else ():
        _show(terminal, post, output)
    if not watch.follow:
        return

    def seen(post: dict[str, Any]) -> bool:
        _show(terminal, post, output)
        return False

    await _follow(session, terminal, watch.group, page["newest"], seen)


async def known_group(session: Session, group: str) -> dict[str, Any]:
    """Get a group as the gateway knows it; a Group that was applied a moment ago is waited for.

    Raises NotFoundError when there is none, or when it cannot be known, with the cause.
    """
    deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
    while True:
        try:
            return await session.client.group(group)
        except NotFoundError as error:
            manifests = {each["metadata"]["name"]: each for each in await _manifests(session)}
            manifest = manifests.get(group.removeprefix("@"))
            if manifest is None:
                raise
            if asyncio.get_running_loop().time() >= deadline:
                raise NotFoundError(f"{group} takes no messages: {why_not_well(manifest)}") from error
        await asyncio.sleep(_LOOK_SECONDS)


async def _hand_in(session: Session, question: Question) -> dict[str, Any]:
    await known_group(session, question.agent)
    who = await who_decides(session, None)
    return await session.client.post(question.agent, question.text, who, question.key or new_key())


async def _woken_before(session: Session, group: str, message: str) -> tuple[list[str], str]:
    """Whom a message woke that was posted earlier, and its place; nobody when it is no longer kept.

    Who has joined since then is among them when each message wakes all.
    """
    known = await session.client.group(group)
    members = [each["name"] for each in known["members"]]
    page = await session.client.messages(group, LOOK_BACK)
    for post in page["items"]:
        if post["messageId"] == message:
            all_of_them = known["wake"] == Wake.ALL
            return [name for name in members if all_of_them or name in post["mentions"]], post["id"]
    return [], page["newest"]


async def _follow(
    session: Session, terminal: Terminal, group: str, after: str, seen: Callable[[dict[str, Any]], bool]
) -> None:
    """Read on until `seen` says that it was enough; raises NotFoundError when the group is deleted."""
    # It was there a moment ago: who is told that there is no such group would wonder.
    with suppress(NotFoundError):
        async with aclosing(session.client.events(group, None, after)) as stream:
            async for each in stream:
                if isinstance(each, Interruption) and each.seconds >= 1:
                    terminal.note(f"{each.cause}; trying again in {each.seconds:g} s")
                if not isinstance(each, WatchedEvent):
                    continue
                name = each.event.get("name")
                if name == "gap":
                    terminal.note("messages in between are no longer kept")
                if name == "post" and seen(each.event["value"]):
                    return
    raise NotFoundError(f"{group} was deleted")


def _show(terminal: Terminal, post: dict[str, Any], output: Lines) -> None:
    if output == Lines.JSON:
        terminal.json(post, indent=None)
    else:
        _print(terminal, post)


def _print(terminal: Terminal, post: dict[str, Any]) -> None:
    for line in post_lines(post):
        terminal.line(line)


async def _manifests(session: Session) -> list[dict[str, Any]]:
    """Read all Groups of the namespace; none without a cluster or without the right to."""
    if session.kube is None:
        return []
    # Only needed on the way that has loaded the Kubernetes client already.
    from horos.proxy import read_groups  # noqa: PLC0415

    try:
        return await read_groups(session.kube, session.namespace)
    except HorosError:
        return []
