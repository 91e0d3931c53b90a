"""One incarnation of an agent: the real runtime and model client, and two tools that leave marks."""

import asyncio
import json
import os
from pathlib import Path

import uvloop

from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.logs import log_as_json
from horos_runtime.pace import Backoff, Pace
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_registry import ToolRegistry, tool

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
        return await AgentRuntime(settings, ToolRegistry(charge, look_up), pace).run()

    return int(uvloop.run(live()))
