"""MCP servers that need a while to start, without an SDK, so that fifty of them fit on a small machine.

Over stdio one a process: `slow.py SECONDS TOOLS`; over HTTP all in one: `slow.py http PORT TOOLS`, each at a path
that says its delay: `/1.5/mcp`.
"""

import json
import sys
import time
from typing import Any

VERSION = "2026-07-28"


def answer(request: dict[str, Any], tools: int) -> dict[str, Any]:
    """Build the response to one request."""
    cached = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    if request["method"] == "server/discover":
        found: dict[str, Any] = {"supportedVersions": [VERSION], "capabilities": {"tools": {}}, **cached}
    elif request["method"] == "tools/list":
        found = {"tools": [described(number) for number in range(tools)], **cached}
    else:
        refused = {"code": -32601, "message": "Method not found"}
        return {"jsonrpc": "2.0", "id": request["id"], "error": refused}
    return {"jsonrpc": "2.0", "id": request["id"], "result": found}


def described(number: int) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": f"What the {name} is."} for name in ("one", "two")}
    schema = {"type": "object", "properties": properties, "required": ["one"]}
    return {"name": f"tool_{number:02}", "description": "It does what it does.", "inputSchema": schema}


def stdio(seconds: float, tools: int) -> None:
    time.sleep(seconds)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            print(json.dumps(answer(request, tools)), flush=True)


def http(port: int, tools: int) -> None:
    import asyncio

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def serve(request: Request) -> Response:
        message = await request.json()
        if "id" not in message:
            return Response(status_code=202)
        if message["method"] == "server/discover":
            await asyncio.sleep(request.path_params["seconds"])
        return JSONResponse(answer(message, tools))

    app = Starlette(routes=[Route("/{seconds:float}/mcp", serve, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1] == "http":
        http(int(sys.argv[2]), int(sys.argv[3]))
    else:
        stdio(float(sys.argv[1]), int(sys.argv[2]))
