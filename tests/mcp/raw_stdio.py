"""An MCP server without any SDK, which misbehaves as it is told and writes down what it hears.

Started as `python raw_stdio.py FOLDER`, it speaks JSON-RPC by the line. `FOLDER/told.json` is a list of
Told, one for each life of the process, the last for all further ones; `FOLDER/heard.jsonl` gets a line when
a life begins and one for each message.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

Message = dict[str, Any]
LEGACY, MODERN = "2025-11-25", "2026-07-28"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
METHOD_NOT_FOUND = -32601
SCHEMAS: dict[str, Message] = {
    "echo": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    }
}
ANYTHING: Message = {"type": "object"}
ELICITED: Message = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "green"], "default": "green"},
        "count": {"type": "integer", "default": 3},
    },
    "required": ["colour"],
}


class Told(TypedDict, total=False):
    """What one life does: all that is missing is what a server should do."""

    dies_at_start: str
    waits_for: str
    """A file that must be there before the server reads anything."""
    era: str
    tools: list[str]
    schemas: dict[str, Message]
    on: dict[str, str]
    """By method: die, hang, garbage, error, wrong."""
    on_later: dict[str, str]
    """The same, but only from the second such request of this life on."""
    plain: bool
    """Tools named after what they do do nothing of the kind."""
    changes_seconds: float
    """How often the list of tools changes."""
    endless: bool
    """The list of tools has always one page more."""
    page: int
    """How many tools a page of the list has."""
    resources: dict[str, str]
    prompts: dict[str, str]
    idempotent: list[str]


def described(name: str, told: Told) -> Message:
    """What tools/list says of a tool."""
    schema = told.get("schemas", {}).get(name) or SCHEMAS.get(name, ANYTHING)
    hint = {"annotations": {"idempotentHint": True}} if name in told.get("idempotent", []) else {}
    return {"name": name, "description": f"It does {name}.", "inputSchema": schema, **hint}


def capabilities(told: Told) -> Message:
    found: Message = {"tools": {"listChanged": True}}
    if "resources" in told:
        found["resources"] = {}
    if "prompts" in told:
        found["prompts"] = {}
    return found


def introduction(told: Told) -> Message:
    """The result of `initialize`."""
    info = {"name": "raw", "version": "1"}
    return {"protocolVersion": LEGACY, "capabilities": capabilities(told), "serverInfo": info}


def discovery(told: Told) -> Message:
    """The result of `server/discover`."""
    return {"supportedVersions": [MODERN], "capabilities": capabilities(told), **COMPLETE, **UNCACHED}


COMPLETE: Message = {"resultType": "complete"}
UNCACHED: Message = {"ttlMs": 0, "cacheScope": "private"}


def said(text: str, **more: Any) -> Message:
    """The result of a tool call."""
    return {"content": [{"type": "text", "text": text}], **more}


def listed(method: str, told: Told, tools: list[str]) -> Message | None:
    """Results of the methods that only list or read."""
    match method:
        case "tools/list":
            return {"tools": [described(name, told) for name in tools]}
        case "resources/list":
            found = [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in told.get("resources", {})]
            return {"resources": found}
        case "resources/templates/list":
            return {"resourceTemplates": []}
        case "prompts/list":
            return {"prompts": [{"name": name, "arguments": []} for name in told.get("prompts", {})]}
        case "ping":
            return {}
    return None


def paged(start: int, told: Told, tools: list[str]) -> Message:
    """One page of the tools."""
    if told.get("endless"):
        names = [f"tool-{number}" for number in range(start, start + 100)]
        return {"tools": [described(name, told) for name in names], "nextCursor": str(start + 100)}
    end = start + told.get("page", len(tools) or 1)
    more = {"nextCursor": str(end)} if end < len(tools) else {}
    return {"tools": [described(name, told) for name in tools[start:end]], **more}


class Server:
    """One life: reads until stdin ends."""

    def __init__(self, folder: Path) -> None:
        self._heard = (folder / "heard.jsonl").open("a")
        lives = json.loads((folder / "told.json").read_text())
        past = sum('"life"' in line for line in (folder / "heard.jsonl").read_text().splitlines())
        self.told: Told = lives[min(past, len(lives) - 1)]
        self.modern = self.told.get("era") == MODERN
        self._tools = list(self.told.get("tools", ["echo"]))
        self._out = threading.Lock()
        self._answers: dict[Any, Message] = {}
        self._arrived = threading.Condition()
        self._cancelled: set[Any] = set()
        self._listening: Any = None
        self._counts: Counter[str] = Counter()
        self.write_down({"life": past + 1, "pid": os.getpid()})

    def write_down(self, what: Message) -> None:
        self._heard.write(json.dumps(what) + "\n")
        self._heard.flush()

    def run(self) -> None:
        if words := self.told.get("dies_at_start"):
            print(words, file=sys.stderr, flush=True)
            os._exit(3)
        while (gate := self.told.get("waits_for")) and not Path(gate).exists():
            time.sleep(0.02)
        if self.told.get("changes_seconds"):
            threading.Thread(target=self._change, daemon=True).start()
        for line in sys.stdin:
            message = json.loads(line)
            self.write_down(message)
            self._take(message)
        self.write_down({"end": "stdin was closed"})

    def _take(self, message: Message) -> None:
        if "method" not in message:
            with self._arrived:
                self._answers[message["id"]] = message
                self._arrived.notify_all()
        elif message["method"] == "notifications/cancelled":
            with self._arrived:
                self._cancelled.add(message["params"]["requestId"])
                self._arrived.notify_all()
        elif "id" in message:
            threading.Thread(target=self._answer, args=[message], daemon=True).start()

    def _answer(self, request: Message) -> None:
        method = request["method"]
        params = request.get("params", {})
        if (fault := self._fault(method)) is not None:
            self.misbehave(fault, request)
        elif method == "initialize":
            self.result(request, introduction(self.told))
        elif method == "server/discover" and self.modern:
            self.result(request, discovery(self.told))
        elif method == "subscriptions/listen" and self.modern:
            self._listening = request["id"]
            self._notify("notifications/subscriptions/acknowledged", notifications=params["notifications"])
        elif method == "tools/call":
            self._call(request, params["name"], params.get("arguments") or {})
        elif method == "resources/read":
            text = self.told.get("resources", {}).get(params["uri"], "")
            self.result(request, {"contents": [{"uri": params["uri"], "text": text}]})
        elif method == "prompts/get":
            text = self.told.get("prompts", {}).get(params["name"], "")
            content = {"type": "text", "text": text}
            self.result(request, {"messages": [{"role": "user", "content": content}]})
        elif method == "tools/list":
            self.result(request, paged(int(params.get("cursor", 0)), self.told, self._tools))
        elif (found := listed(method, self.told, self._tools)) is not None:
            self.result(request, found)
        else:
            self.error(request, METHOD_NOT_FOUND, f"Method not found: {method}")

    def _fault(self, method: str) -> str | None:
        self._counts[method] += 1
        first = self.told.get("on", {}).get(method)
        return first if self._counts[method] == 1 else self.told.get("on_later", {}).get(method, first)

    def _call(self, request: Message, tool: str, arguments: Message) -> None:
        if tool not in self._tools:
            self.error(request, -32602, f"Unknown tool: {tool}")
            return
        deed = plain if self.told.get("plain") else DEEDS.get(tool, plain)
        deed(self, request, arguments)

    def misbehave(self, fault: str, request: Message) -> None:
        match fault:
            case "die":
                print(f"I die of {request['method']}", file=sys.stderr, flush=True)
                os._exit(9)
            case "garbage":
                self.line("Segmentation fault, says the server that is none {")
            case "wrong":
                self.result(request, {"unexpected": [1, 2, 3]})
            case "error":
                self.error(request, -32603, "it is broken inside")
            case "hang":
                return

    def ask(self, method: str, params: Message) -> Message:
        """Send a request to the client and wait for its answer."""
        own = f"server-{time.monotonic_ns()}"
        self.send({"jsonrpc": "2.0", "id": own, "method": method, "params": params})
        with self._arrived:
            self._arrived.wait_for(lambda: own in self._answers)
            return self._answers[own]

    def wait_for_cancel(self, request: Message) -> None:
        with self._arrived:
            self._arrived.wait_for(lambda: request["id"] in self._cancelled)

    def result(self, request: Message, result: Message) -> None:
        if self.modern:
            result = {**COMPLETE, **(UNCACHED if request["method"] != "tools/call" else {}), **result}
        self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def error(self, request: Message, code: int, text: str) -> None:
        self.send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": text}})

    def change_tools(self, tools: list[str]) -> None:
        """Offer other tools from now on, and say so in the form of the era."""
        self._tools = tools
        if not self.modern or self._listening is not None:
            self._notify("notifications/tools/list_changed")

    @property
    def tools(self) -> list[str]:
        return list(self._tools)

    def _notify(self, method: str, **params: Any) -> None:
        if self.modern:
            params["_meta"] = {SUBSCRIPTION: self._listening}
        self.send({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})

    def send(self, message: Message) -> None:
        self.line(json.dumps(message))

    def line(self, text: str) -> None:
        with self._out, contextlib.suppress(BrokenPipeError):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _change(self) -> None:
        own = list(self._tools)
        number = 0
        while True:
            time.sleep(self.told["changes_seconds"])
            number += 1
            self.change_tools([*own, f"tick-{number}"])


Deed = Callable[[Server, Message, Message], None]


def plain(server: Server, request: Message, arguments: Message) -> None:
    server.result(request, said(f"{request['params']['name']} {json.dumps(arguments, sort_keys=True)}"))


def echo(server: Server, request: Message, arguments: Message) -> None:
    server.result(request, said(str(arguments["text"])))


def fail(server: Server, request: Message, _: Message) -> None:
    server.result(request, said("there is no such thing", isError=True))


def environment(server: Server, request: Message, _: Message) -> None:
    server.result(request, said(json.dumps(dict(os.environ), sort_keys=True)))


def pid(server: Server, request: Message, _: Message) -> None:
    server.result(request, said(str(os.getpid())))


def big(server: Server, request: Message, arguments: Message) -> None:
    server.result(request, said("x" * int(arguments["size"])))


def ping(server: Server, request: Message, _: Message) -> None:
    server.result(request, said(json.dumps(server.ask("ping", {}))))


def unknown(server: Server, request: Message, _: Message) -> None:
    """Say what no client knows: a notification is passed over, a request refused."""
    server.send({"jsonrpc": "2.0", "method": "notifications/of/tomorrow", "params": {"a": 1}})
    server.result(request, said(json.dumps(server.ask("tomorrow/ask", {}))))


def sample(server: Server, request: Message, _: Message) -> None:
    asked = {"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}], "maxTokens": 5}
    server.result(request, said(json.dumps(server.ask("sampling/createMessage", asked))))


def elicit(server: Server, request: Message, _: Message) -> None:
    asked = {"message": "Which colour?", "requestedSchema": ELICITED}
    if not server.modern:
        answer = server.ask("elicitation/create", asked)
        server.result(request, said(json.dumps(answer.get("result", answer.get("error")))))
        return
    given = request["params"].get("inputResponses")
    if given is None:
        wanted = {"colour": {"method": "elicitation/create", "params": {"mode": "form", **asked}}}
        server.result(request, {"resultType": "input_required", "inputRequests": wanted, "requestState": "s"})
    else:
        server.result(request, said(json.dumps(given["colour"])))


def progress(server: Server, request: Message, _: Message) -> None:
    token = request["params"].get("_meta", {}).get("progressToken")
    for step in (1, 2, 3):
        told = {"progressToken": token, "progress": step, "total": 3, "message": f"step {step}"}
        server.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
    server.result(request, said(f"done by {token}"))


def twice(server: Server, request: Message, _: Message) -> None:
    server.result(request, said("the first answer"))
    server.result(request, said("the second answer"))


def late(server: Server, request: Message, _: Message) -> None:
    """Answer only when nobody waits any more."""
    server.wait_for_cancel(request)
    server.result(request, said("too late"))


def grow(server: Server, request: Message, arguments: Message) -> None:
    server.change_tools([*server.tools, str(arguments["name"])])
    server.result(request, said("grown"))


def shrink(server: Server, request: Message, arguments: Message) -> None:
    server.change_tools([name for name in server.tools if name != arguments["name"]])
    server.result(request, said("shrunk"))


def drift(server: Server, request: Message, _: Message) -> None:
    """The list still says that this is a tool, the call says that there is none."""
    server.error(request, -32602, "Unknown tool: drift")


def child(server: Server, request: Message, _: Message) -> None:
    """Leave a grandchild behind, as a server that starts a browser does."""
    born = os.fork()
    if born == 0:
        with contextlib.suppress(OSError):
            os.execvp("sleep", ["sleep", "600"])
        os._exit(1)
    server.result(request, said(str(born)))


def misbehaving(fault: str) -> Deed:
    return lambda server, request, arguments: server.misbehave(fault, request)


DEEDS: dict[str, Deed] = {
    "echo": echo,
    "fail": fail,
    "environment": environment,
    "pid": pid,
    "big": big,
    "ping": ping,
    "unknown": unknown,
    "sample": sample,
    "elicit": elicit,
    "progress": progress,
    "twice": twice,
    "late": late,
    "grow": grow,
    "shrink": shrink,
    "drift": drift,
    "child": child,
    **{fault: misbehaving(fault) for fault in ("die", "hang", "garbage", "wrong", "error")},
}

if __name__ == "__main__":
    Server(Path(sys.argv[1])).run()
