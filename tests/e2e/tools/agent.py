"""An agent with two tools that tell the scripted model that they have begun, and then never end."""

import asyncio
import json
import os
import sys
import urllib.request

from horos import AgentRuntime, ToolRegistry, tool
from horos_runtime.settings import RuntimeSettings


def tell(what: str) -> None:
    """Leave a request with the scripted model, where the test counts it."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": f"{what} has begun"}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        os.environ["MODEL_URL"] + "/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@tool(timeout_seconds=600)
async def charge() -> str:
    """Take the money; not to be repeated."""
    await asyncio.to_thread(tell, "charge")
    await asyncio.Event().wait()
    return "never"


@tool(idempotent=True, timeout_seconds=600)
async def look_up() -> str:
    """Read something; may be repeated."""
    await asyncio.to_thread(tell, "look_up")
    await asyncio.Event().wait()
    return "never"


async def main() -> int:
    return await AgentRuntime(RuntimeSettings.from_env(os.environ), ToolRegistry(charge, look_up)).run()


sys.exit(asyncio.run(main()))
