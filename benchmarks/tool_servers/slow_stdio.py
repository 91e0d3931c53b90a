"""An MCP server over stdio that needs a while to start: `slow_stdio.py SECONDS TOOLS`.

Without an SDK, so that fifty of them fit on a small machine.
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


if __name__ == "__main__":
    stdio(float(sys.argv[1]), int(sys.argv[2]))
