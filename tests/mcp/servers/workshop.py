"""A server that does what tests ask of it, made with the SDK: over stdio, or over HTTP on a named port."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

server = MCPServer("workshop", instructions="For tests.", log_level="CRITICAL")
counts: dict[str, int] = {}


class Size(BaseModel):
    size: Annotated[int, Field(description="In centimetres")] = 7
    colour: str = "green"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def environment() -> dict[str, str]:
    """Show the environment."""
    return dict(os.environ)


@server.tool()
def pid() -> int:
    """Say which process this is."""
    return os.getpid()


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@server.tool()
def meta(ctx: Context[Any, Any]) -> str:
    """Show the key that came with the call."""
    return str(dict(ctx.request_context.meta or {}).get("horos.dev/idempotency-key"))


@server.tool()
async def slow(seconds: float, ctx: Context[Any, Any]) -> str:
    """Take a while, and tell how far it is."""
    try:
        for step in range(10):
            await ctx.report_progress(step, 10, f"step {step}")
            await asyncio.sleep(seconds / 10)
    except asyncio.CancelledError:
        counts["cancelled"] = counts.get("cancelled", 0) + 1
        raise
    return "done"


@server.tool()
def count(name: str) -> int:
    """Say how often something happened."""
    return counts.get(name, 0)


@server.tool()
def die(code: int = 3) -> str:
    """End the process in the middle of the call."""
    os.write(2, b"the workshop is on fire\n")
    os._exit(code)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def die_once(path: str) -> str:
    """End the process, but only the first time."""
    try:
        with Path(path).open("x"):
            os._exit(3)
    except FileExistsError:
        return "alive"


@server.tool()
async def ask(question: str, ctx: Context[Any, Any]) -> str:
    """Ask a person."""
    answer = await ctx.elicit(question, Size)
    return answer.model_dump_json()


@server.tool()
async def learn(name: str, ctx: Context[Any, Any]) -> str:
    """Offer one tool more."""

    def learned() -> str:
        return f"I am {name}"

    server.add_tool(learned, name=name, description="Learned.")
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return f"{name} is learned"


@server.resource("note://today")
def today() -> str:
    """What is to be done today."""
    return "water the plants"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
