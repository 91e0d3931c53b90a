"""One incarnation of an agent: the real runtime and model client, and tools that leave marks."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import uvloop

from horos_api.names import Env
from horos_bus.approvals import Approval, Elicitation
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.logs import log_as_json
from horos_runtime.pace import Backoff, Pace
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_registry import ToolRegistry, tool

_Answer = TypeVar("_Answer")
MARKS = "CRASH_MARKS"
CONTROL = "CRASH_CONTROL"
POLL = "CRASH_POLL"


async def say(port: int, words: dict[str, object]) -> dict[str, object]:
    """Tell the harness something and wait for what it says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        writer.write(json.dumps(words).encode() + b"\n")
        answer: dict[str, object] = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()


def _leave_mark(line: str) -> None:
    with Path(os.environ[MARKS]).open("a") as file:
        file.write(line)


async def _work(name: str, tag: str) -> str:
    token = os.environ["HOROS_TOKEN"]
    _leave_mark(f"{name} {tag} {token}\n")
    await say(int(os.environ[CONTROL]), {"say": "tool", "token": token, "tool": name, "tag": tag})
    return f"{name} did {tag}"


@tool
async def charge(tag: str) -> str:
    """Take the money; not to be repeated."""
    return await _work("charge", tag)


@tool(idempotent=True)
async def look_up(tag: str) -> str:
    """Read something; may be repeated."""
    return await _work("look_up", tag)


@tool(approval=True, approval_timeout_seconds=600)
async def wipe(tag: str) -> str:
    """Delete something, if a person allows it; not to be repeated."""
    return await _work("wipe", tag)


@tool(approval=True, approval_timeout_seconds=7200)
async def wipe_later(tag: str) -> str:
    """Delete something, if a person allows it within two hours; not to be repeated."""
    return await _work("wipe_later", tag)


@tool(approval=True, approval_timeout_seconds=1)
async def wipe_soon(tag: str) -> str:
    """Delete something, if a person allows it at once; not to be repeated."""
    return await _work("wipe_soon", tag)


@tool
async def wonder(tag: str, context: ToolContext) -> str:
    """Ask a person in the middle of the call, as a tool server would; not to be repeated."""
    done = await _work("wonder", tag)
    bus = Bus.open(os.environ[Env.REDIS_URL], os.environ[Env.PREFIX])
    identity = Identity(context.agent, os.environ[Env.UID], os.environ[Env.TOKEN])
    try:
        answer = await _ask_a_person(MessageService(bus, identity), tag, context)
    finally:
        await bus.aclose()
    return f"{done}: {answer.status} by {answer.who}" if answer else done


TOOLS = (charge, look_up, wipe, wipe_later, wipe_soon, wonder)


async def _ask_a_person(messages: MessageService, tag: str, context: ToolContext) -> Approval | None:
    """Report, ask, wait, withdraw: what the manager of tool servers does."""
    asked = Elicitation(f"{context.idempotency_key}!ask1", "wonder", "crash", f"why {tag}?", "{}", 30)
    await _patiently(lambda: messages.report_servers(b'{"at":0,"servers":[]}'))
    await _patiently(lambda: messages.elicit(context.turn, asked))
    while True:
        seen = await _patiently(lambda: messages.answer(asked.id))
        if seen is None or seen.verdict:
            return await _patiently(lambda: messages.withdraw(asked.id))
        await asyncio.sleep(0.02)


async def _patiently(script: Callable[[], Awaitable[_Answer]]) -> _Answer:
    while True:
        try:
            return await script()
        except BusUnavailableError:
            await asyncio.sleep(0.02)


def main() -> int:
    """Live until told to leave."""
    settings = RuntimeSettings.from_env(os.environ)
    log_as_json(settings.agent)
    pace = Pace(
        poll=float(os.environ[POLL]),
        coalesce=0.005,
        grace=2.0,
        model=Backoff(0.01, 0.05),
        redis=Backoff(0.01, 0.1),
        error=Backoff(0.2, 0.5, jitter=False),
    )

    async def live() -> int:
        return await AgentRuntime(settings, ToolRegistry(*TOOLS), pace).run()

    return int(uvloop.run(live()))
