"""A tool server over HTTP for the e2e tests: its tools tell the scripted model that they have begun."""

import asyncio
import json
import os
import sys
import urllib.request

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("e2e")


def begun(what: str) -> None:
    """Leave a request with the scripted model, where the test counts it."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": f"{what} has begun"}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        os.environ["MODEL_URL"] + "/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@server.tool()
async def weigh(thing: str) -> str:
    """Weigh a thing."""
    return f"{thing} weighs {len(thing)} kg"


@server.tool()
async def pay(amount: int) -> str:
    """Pay; not to be repeated."""
    await asyncio.to_thread(begun, f"payment of {amount}")
    return f"paid {amount}"


@server.tool()
async def hang() -> str:
    """Begin and never end."""
    await asyncio.to_thread(begun, "hanging")
    await asyncio.Event().wait()
    return "never"


if __name__ == "__main__":
    # The tests reach it by names that no list of allowed hosts could know.
    server.run(
        "streamable-http",
        host="0.0.0.0",
        port=int(sys.argv[1]),
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
