"""The programs of some people: each sends its messages one after the other, and each until it is accepted.

Killed and started again it begins anew, with the same ids.
"""

import asyncio
import os
from typing import Any

import uvloop

from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import Env
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from horos_bus.sender import reply, send
from tests.crash.agent_process import CONTROL, say

CAP = 6
"""Small, so that people meet full inboxes."""


async def _deliver(bus: Bus, message: NewMessage, *, refusable: bool) -> SendOutcome:
    while True:
        try:
            outcome = await send(bus, message, CAP)
        except BusUnavailableError:
            continue
        final = outcome in (SendOutcome.OK, SendOutcome.DUP)
        if final or (outcome == SendOutcome.NO_AGENT and refusable):
            return outcome
        await asyncio.sleep(0.02)


async def _post(bus: Bus, post: NewPost) -> str:
    while True:
        try:
            outcome = (await GroupService(bus).post(post)).outcome
        except BusUnavailableError:
            continue
        if outcome != "NOGROUP":
            return outcome
        await asyncio.sleep(0.02)


async def _person(bus: Bus, port: int, messages: list[dict[str, Any]]) -> None:
    for each in messages:
        if "post" in each:
            post = NewPost(**each["post"], who="yan")
            await say(port, {"say": "sent", "mid": post.mid, "outcome": await _post(bus, post)})
            continue
        message = NewMessage.model_validate(each["message"])
        outcome = await _deliver(bus, message, refusable=each["refusable"])
        await say(port, {"say": "sent", "mid": message.mid, "outcome": outcome})


async def _insist(bus: Bus, port: int, messages: list[dict[str, Any]]) -> None:
    """Send again what has no answer: Redis may have lost what it had accepted."""
    for each in messages:
        if "post" in each:
            continue
        message = NewMessage.model_validate(each["message"])
        while message.kind == "request" and not each["refusable"]:
            try:
                if await reply(bus, message.mid) is not None:
                    break
                await send(bus, message, CAP)
            except BusUnavailableError:
                pass
            await asyncio.sleep(0.2)


async def _live() -> int:
    port = int(os.environ[CONTROL])
    bus = Bus.open(os.environ[Env.REDIS_URL], os.environ[Env.PREFIX])
    plan: dict[str, Any] = await say(port, {"say": "plan"})
    insist = plan["insist"]
    async with asyncio.TaskGroup() as group:
        for messages in plan["people"].values():
            group.create_task(_person(bus, port, messages))
    if insist:
        for messages in plan["people"].values():
            await _insist(bus, port, messages)
    await say(port, {"say": "all sent"})
    await bus.aclose()
    return 0


def main() -> int:
    """Send everything, then end."""
    return uvloop.run(_live())
