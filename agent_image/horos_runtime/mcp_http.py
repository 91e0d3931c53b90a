"""A tool server over streamable HTTP: the SDK's transport, with errors that say what happened.

What the SDK does itself: a response whose stream breaks is asked for again with Last-Event-ID after the
server's `retry`, twice; the stream of notifications too, and then given up for good. Here it is opened again
for as long as the connection lasts, and a request that fails costs this request only, not the connection.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import anyio
import httpx2
import orjson
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import MCP_SESSION_ID, StreamableHTTPTransport, StreamWriter
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage

from horos_runtime.pace import Backoff

NOT_REACHED: Final = -32050
"""The request has not reached the server (a code of ours, of the range that JSON-RPC leaves to programs)."""
BROKEN_OFF: Final = -32051
"""The request was sent and nobody knows what became of it."""
REFUSED: Final = -32052
"""The server answered with an HTTP status instead of a message and did not carry the request out."""
LOCKED_OUT: Final = -32053
"""The same, since it does not take what we show it; a Secret may have been changed meanwhile."""
CONNECT_SECONDS: Final = 10.0
GOODBYE_SECONDS: Final = 1.0
MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest message that a server may send; a longer one ends its request."""
SAID_CHARACTERS: Final = 300
EVENTS: Final = "text/event-stream"
_OF_THE_WIRE: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers of an answer that hold no longer when it has been read."""
REOPEN: Final = Backoff(1.0, 60.0)
KEEPALIVE: Final = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]
"""A stream may be silent for hours; a peer that is gone is noticed within a minute all the same."""


@dataclass(frozen=True)
class HttpPlace:
    """Where a server is, and what opens it."""

    url: str
    headers: dict[str, str]
    client: dict[str, str] | None


@contextlib.asynccontextmanager
async def http_transport(place: HttpPlace, missed: Callable[[], None]) -> AsyncIterator[TransportStreams]:
    """Talk to a server during the block; `missed` hears when notifications may have been lost."""
    certificates = await asyncio.to_thread(_CERTIFICATES)
    wire = _Wire(httpx2.AsyncHTTPTransport(verify=certificates, socket_options=KEEPALIVE), missed)
    async with httpx2.AsyncClient(
        transport=wire,
        headers=place.headers,
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=None),  # each call has its own time
        auth=_oauth(place),
    ) as client:
        transport = _Transport(place.url, wire)
        to_session, from_server = create_context_streams[SessionMessage | Exception](0)
        to_server, from_session = create_context_streams[SessionMessage](0)
        async with to_session, from_server, to_server, from_session, anyio.create_task_group() as tasks:

            def listen() -> None:
                tasks.start_soon(transport.handle_get_stream, client, to_session)

            tasks.start_soon(
                transport.post_writer, client, from_session, to_session, to_server, listen, tasks
            )
            try:
                yield from_server, to_server
            finally:
                with anyio.move_on_after(GOODBYE_SECONDS):
                    if transport.session_id:
                        await transport.terminate_session(client)
                tasks.cancel_scope.cancel()


class _Certificates:
    """Whom to trust, read once for all servers: it takes up to 80 ms, and a megabyte each time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: ssl.SSLContext | None = None

    def __call__(self) -> ssl.SSLContext:
        with self._lock:  # servers connect at the same time
            self._read = self._read or httpx2.create_ssl_context()
            return self._read


_CERTIFICATES: Final = _Certificates()


def _oauth(place: HttpPlace) -> httpx2.Auth | None:
    if place.client is None:
        return None
    # It brings 8 MiB of cryptography, which servers with plain headers do not need.
    from horos_runtime.mcp_oauth import oauth_of  # noqa: PLC0415

    return oauth_of(place.url, place.client)


class _Transport(StreamableHTTPTransport):
    def __init__(self, url: str, wire: "_Wire") -> None:
        super().__init__(url, max_sse_event_size=MESSAGE_BYTES)
        self._wire = wire

    async def handle_get_stream(self, client: httpx2.AsyncClient, read_stream_writer: StreamWriter) -> None:
        """Keep the stream of notifications open, if the server has one."""
        waits = REOPEN.waits()
        while True:
            self._wire.listened = False
            await super().handle_get_stream(client, read_stream_writer)
            if self._wire.listened:
                waits = REOPEN.waits()
            elif not self._wire.listens:
                return
            await anyio.sleep(next(waits))


class _Wire(httpx2.AsyncBaseTransport):
    """The HTTP connections of a server: what goes wrong on them becomes the answer to the one request.

    `listens` is True once the server has opened a stream of notifications, `listened` since it was cleared.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, missed: Callable[[], None]) -> None:
        self._inner = inner
        self._missed = missed
        self.listens = self.listened = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        if request.method != "POST" or EVENTS not in request.headers.get("accept", ""):  # OAuth posts, too
            response = await self._inner.handle_async_request(request)
            if request.method == "GET" and EVENTS in response.headers.get("content-type", ""):
                if self.listens:
                    self._missed()  # not every server repeats what it told while nobody listened
                self.listens = self.listened = True
            return response
        try:
            response = await _read(await self._inner.handle_async_request(request))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _answered(502, NOT_REACHED, f"it cannot be reached: {_said(error)}")
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return _answered(502, BROKEN_OFF, f"the connection broke off: {_said(error)}")
        return _explained(request, response) if _is_unexplained(response) else response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _read(response: httpx2.Response) -> httpx2.Response:
    """Read an answer that is no stream here, so that one without an end, or that breaks off, is noticed."""
    if response.is_success and EVENTS in response.headers.get("content-type", ""):
        return response
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MESSAGE_BYTES:
                return _answered(502, BROKEN_OFF, f"its answer is larger than {MESSAGE_BYTES >> 20} MiB")
    finally:
        await response.aclose()
    headers = [each for each in response.headers.multi_items() if each[0].lower() not in _OF_THE_WIRE]
    extensions = response.extensions
    return httpx2.Response(response.status_code, headers=headers, content=bytes(body), extensions=extensions)


def _is_unexplained(response: httpx2.Response) -> bool:
    # 404 is the SDK's: the way in which a server says that it does not know the session, or the method.
    return response.status_code >= 400 and response.status_code != 404


def _explained(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """Say the status of an answer that is no message; one that is a message passes as it is."""
    body = response.content
    if response.status_code == 400 and MCP_SESSION_ID in request.headers and b"session" in body.lower():
        return httpx2.Response(404)  # it has forgotten the session; 404 is how the protocol says so
    with contextlib.suppress(orjson.JSONDecodeError):
        if isinstance(said := orjson.loads(body), dict) and "jsonrpc" in said:
            return response
    status = response.status_code
    text = body.decode(errors="replace").strip()[:SAID_CHARACTERS]
    code = LOCKED_OUT if status in (401, 403) else BROKEN_OFF if status >= 500 else REFUSED
    answer = _answered(status, code, f"HTTP {status} {response.reason_phrase}{': ' if text else ''}{text}")
    # How to get in is said in a header, which OAuth reads.
    if (way_in := response.headers.get("www-authenticate")) is not None:
        answer.headers["www-authenticate"] = way_in
    return answer


def _answered(status: int, code: int, message: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(status, json=body)
