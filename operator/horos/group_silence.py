"""Members of a group that were woken and have nothing to say, which the group itself does not tell."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from horos.client import GatewayClient
from horos.errors import HorosError, NotFoundError

LOOK_BACK: Final = 1000
"""Among how many of the newest messages one is looked for."""
_LOOK_SECONDS: Final = 1.0


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of these until one has ended; raises what that one raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in ended:
        task.result()


async def take_out_silent(
    client: GatewayClient, group: str, owed: MutableMapping[str, str], say: Callable[[str], None]
) -> None:
    """Take out of `owed` (mention to member) who is done with it and has posted nothing, until it is empty.

    A turn that ends without a text pays what it owes and posts nothing. `say` hears of each such member.
    """
    while owed:
        await asyncio.sleep(_LOOK_SECONDS)
        # Who cannot be looked at now is looked at the next time.
        with suppress(HorosError):
            for mention in await _silent(client, group, dict(owed)):
                if name := owed.pop(mention, ""):
                    say(f"{name} has nothing to say")


async def _silent(client: GatewayClient, group: str, owed: dict[str, str]) -> list[str]:
    done = [mention for mention, name in owed.items() if await _is_done(client, name)]
    if not done:
        return []
    # Read after that look: whoever is done has posted by then what it had to say.
    page = await client.messages(group, LOOK_BACK)
    answered = _answered(page["items"])
    return [mention for mention in done if mention not in answered]


def _answered(posts: Iterable[dict[str, Any]]) -> set[str]:
    return {mention for post in posts for mention in post["answers"]}


async def _is_done(client: GatewayClient, name: str) -> bool:
    """Whether nothing waits for it and it owes nothing: then the mention, too, is read and paid."""
    try:
        agent = await client.agent(name)
    except NotFoundError:
        return True
    return not agent["waiting"] and not agent["owed"]
