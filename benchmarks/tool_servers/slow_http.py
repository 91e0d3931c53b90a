"""MCP servers over HTTP that need a while to start, all in one process: `slow_http PORT TOOLS`.

The path of each says how many seconds: `/1.5/mcp`.
"""

import asyncio
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.tool_servers.slow_stdio import answer


async def serve(request: Request) -> Response:
    message = await request.json()
    if "id" not in message:
        return Response(status_code=202)
    if message["method"] == "server/discover":
        await asyncio.sleep(request.path_params["seconds"])
    return JSONResponse(answer(message, int(sys.argv[2])))


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{seconds:float}/mcp", serve, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
