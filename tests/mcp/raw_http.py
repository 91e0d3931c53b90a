"""An MCP server over streamable HTTP without any SDK, in a thread of the test, and what a test does to it.

It has sessions and keeps all that it hears with its headers. Tools named as in DEEDS misbehave on the wire.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.mcp.raw_stdio import (
    COMPLETE,
    ELICITED,
    METHOD_NOT_FOUND,
    MODERN,
    UNCACHED,
    Message,
    Told,
    discovery,
    introduction,
    listed,
    said,
)

SESSION = "mcp-session-id"
END: Message = {}


@dataclass
class Heard:
    """One HTTP request; `message` is None when it had no body."""

    verb: str
    headers: dict[str, str]
    message: Message | None
    at: float

    @property
    def method(self) -> str:
        """Of JSON-RPC; empty for answers."""
        return str((self.message or {}).get("method", ""))


@dataclass
class RawHttp:
    """The server; the test reads and writes its fields while it runs."""

    told: Told = field(default_factory=Told)
    heard: list[Heard] = field(default_factory=list)
    refuse: dict[str, list[Response]] = field(default_factory=dict)
    """By method of JSON-RPC: answers to the next such requests instead of the right ones."""
    bearer: Callable[[str], bool] | None = None
    """Judges the token of each request."""
    metadata: str = ""
    """Where the metadata of the protected resource is, told with each 401."""
    retry_ms: int = 20
    tools: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    """Tools whose caller hung up before there was an answer."""
    _sessions: dict[str, "asyncio.Queue[Message]"] = field(default_factory=dict)
    _kept: dict[str, Message] = field(default_factory=dict)
    _answers: dict[str, "asyncio.Future[Message]"] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.tools = self.tools or list(self.told.get("tools", ["echo"]))

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/mcp", self._serve, methods=["POST", "GET", "DELETE"])])

    def said(self, method: str) -> list[Heard]:
        """What came of one method of JSON-RPC."""
        return [each for each in self.heard if each.method == method]

    def forget_sessions(self) -> None:
        """What a restart does: whoever has a session is answered 404."""
        self._on_loop(self._forget)

    def end_streams(self) -> None:
        """End the stream of each session; the sessions stay."""
        self._on_loop(lambda: [queue.put_nowait(END) for queue in self._sessions.values()])

    def change_tools(self, *tools: str) -> None:
        """Offer other tools, and say so in each session's own stream."""
        self.tools = list(tools)
        changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        self._on_loop(lambda: [queue.put_nowait(changed) for queue in self._sessions.values()])

    def _forget(self) -> None:
        for queue in self._sessions.values():
            queue.put_nowait(END)
        self._sessions.clear()

    def _on_loop(self, act: Callable[[], object]) -> None:
        assert self._loop, "nobody has come yet"
        self._loop.call_soon_threadsafe(act)

    async def _serve(self, request: Request) -> Response:
        self._loop = asyncio.get_running_loop()
        body = await request.body()
        message: Message | None = json.loads(body) if body else None
        self.heard.append(Heard(request.method, dict(request.headers), message, time.monotonic()))
        if self.bearer and not self.bearer(request.headers.get("authorization", "").removeprefix("Bearer ")):
            told = f'Bearer resource_metadata="{self.metadata}"'
            return Response(status_code=401, headers={"www-authenticate": told})
        if faults := self.refuse.get((message or {}).get("method", request.method)):
            return faults.pop(0)
        session = request.headers.get(SESSION)
        if session is not None and session not in self._sessions:
            return Response("no such session", status_code=404)
        if request.method == "DELETE":
            if ended := self._sessions.pop(session or "", None):
                ended.put_nowait(END)
            return Response(status_code=204)
        if request.method == "GET":
            return self._stream_of(session, request.headers.get("last-event-id"))
        assert message is not None
        return await self._posted(message, request)

    def _stream_of(self, session: str | None, last: str | None) -> Response:
        if last is not None:
            return events(self._resumed(last))
        if session is None:
            return Response(status_code=405)
        return events(self._messages(self._sessions[session]))

    async def _messages(self, queue: "asyncio.Queue[Message]") -> AsyncIterator[str]:
        yield ": here\n\n"
        while (message := await queue.get()) is not END:
            yield event(message)

    async def _resumed(self, last: str) -> AsyncIterator[str]:
        yield event(self._kept[last], id=f"{last}-end")

    async def _posted(self, message: Message, request: Request) -> Response:
        if "method" not in message:
            self._answers.pop(str(message["id"])).set_result(message)
            return Response(status_code=202)
        if "id" not in message:
            return Response(status_code=202)
        if message["method"] == "initialize":
            session = uuid.uuid4().hex
            self._sessions[session] = asyncio.Queue()
            return result(message, introduction(self.told), {SESSION: session})
        if message["method"] == "tools/call":
            return await DEEDS.get(message["params"]["name"], plain)(self, message, request)
        if (found := self._known(message["method"])) is not None:
            return result(message, found)
        refused = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": refused})

    def _known(self, method: str) -> Message | None:
        if self.told.get("era") != MODERN:
            return listed(method, self.told, self.tools)
        if method == "server/discover":
            return discovery(self.told)
        found = listed(method, self.told, self.tools)
        return None if found is None else {**COMPLETE, **UNCACHED, **found}

    def keep(self, message: Message, words: str) -> str:
        """Keep the answer of a call for whoever comes back; returns the id of the event before it."""
        last = uuid.uuid4().hex
        self._kept[last] = {"jsonrpc": "2.0", "id": message["id"], "result": done(words)}
        return last

    async def ask(self, own: str) -> Message:
        """Wait for the client's answer to a request of the server."""
        self._answers[own] = asyncio.get_running_loop().create_future()
        return await self._answers[own]


def event(message: Message | None, **fields: Any) -> str:
    """One server-sent event; without a message it only carries its id and how long to wait."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\n".join([*lines, f"data: {json.dumps(message) if message else ''}", "", ""])


def done(text: str) -> Message:
    """The result of a call, as both eras read it."""
    return said(text, resultType="complete")


def events(stream: AsyncIterator[str]) -> Response:
    return StreamingResponse(stream, media_type="text/event-stream")


def result(message: Message, found: Message, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": found}, headers=headers)


Deed = Callable[[RawHttp, Message, Request], Awaitable[Response]]


async def plain(server: RawHttp, message: Message, _: Request) -> Response:
    arguments = json.dumps(message["params"].get("arguments", {}), sort_keys=True)
    return result(message, done(f"{message['params']['name']} {arguments}"))


async def cut(server: RawHttp, message: Message, _: Request) -> Response:
    """Break the stream behind an event with an id; the answer is for whoever comes back with it."""

    async def stream() -> AsyncIterator[str]:
        yield event(None, id=server.keep(message, "the rest"), retry=server.retry_ms)

    return events(stream())


async def cut_off(server: RawHttp, message: Message, _: Request) -> Response:
    """Break the stream in the middle without an id: nothing can be asked for again."""

    async def stream() -> AsyncIterator[str]:
        yield ": soon\n\n"

    return events(stream())


async def hang(server: RawHttp, message: Message, request: Request) -> Response:
    """Never answer; note when the caller hangs up."""

    async def stream() -> AsyncIterator[str]:
        try:
            while True:
                yield ": wait\n\n"
                await asyncio.sleep(0.02)
        finally:
            server.abandoned.append(message["params"]["name"])

    return events(stream())


async def garbage(server: RawHttp, message: Message, _: Request) -> Response:
    return Response("{ this is no JSON", media_type="application/json")


async def garbage_event(server: RawHttp, message: Message, _: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield "data: { this is no JSON\n\n"

    return events(stream())


async def page(server: RawHttp, message: Message, _: Request) -> Response:
    return Response("<html>It works!</html>", media_type="text/html")


async def big(server: RawHttp, message: Message, _: Request) -> Response:
    return result(message, done("x" * int(message["params"]["arguments"]["size"])))


async def half(server: RawHttp, message: Message, _: Request) -> Response:
    """Break off in the middle of an answer that is no stream."""

    async def stream() -> AsyncIterator[str]:
        yield '{"jsonrpc": "2.0", '

    headers = {"content-length": "1000"}
    return StreamingResponse(stream(), media_type="application/json", headers=headers)


async def endless(server: RawHttp, message: Message, _: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield '{"jsonrpc": "2.0", "result": "'
        while True:
            yield "x" * 100_000
            await asyncio.sleep(0)  # or the end of the caller is never noticed

    return StreamingResponse(stream(), media_type="application/json")


async def big_event(server: RawHttp, message: Message, _: Request) -> Response:
    text = "x" * int(message["params"]["arguments"]["size"])

    async def stream() -> AsyncIterator[str]:
        yield event({"jsonrpc": "2.0", "id": message["id"], "result": done(text)})

    return events(stream())


async def elicit(server: RawHttp, message: Message, _: Request) -> Response:
    own = uuid.uuid4().hex
    asked = {"message": "Which colour?", "requestedSchema": ELICITED}

    async def stream() -> AsyncIterator[str]:
        yield event({"jsonrpc": "2.0", "id": own, "method": "elicitation/create", "params": asked})
        answer = await server.ask(own)
        text = json.dumps(answer.get("result", answer.get("error")))
        yield event({"jsonrpc": "2.0", "id": message["id"], "result": done(text)})

    return events(stream())


async def progress(server: RawHttp, message: Message, _: Request) -> Response:
    token = message["params"].get("_meta", {}).get("progressToken")

    async def stream() -> AsyncIterator[str]:
        for step in (1, 2, 3):
            told = {"progressToken": token, "progress": step, "total": 3, "message": f"step {step}"}
            yield event({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
        yield event({"jsonrpc": "2.0", "id": message["id"], "result": done("done")})

    return events(stream())


DEEDS: dict[str, Deed] = {
    "cut": cut,
    "cut_off": cut_off,
    "hang": hang,
    "garbage": garbage,
    "garbage_event": garbage_event,
    "page": page,
    "big": big,
    "big_event": big_event,
    "half": half,
    "endless": endless,
    "elicit": elicit,
    "progress": progress,
}
