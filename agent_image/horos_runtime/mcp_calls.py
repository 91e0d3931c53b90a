"""Requests of the model to one server: whatever happens becomes a text that the model can act on."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import orjson
from mcp_types import REQUEST_TIMEOUT, CallToolResult, RequestParamsMeta
from pydantic import ValidationError

from horos_runtime.mcp_connection import ServerConnection
from horos_runtime.mcp_content import result_text
from horos_runtime.mcp_elicitation import RunningCall
from horos_runtime.mcp_failures import CLOSED, Fate, fate, why
from horos_runtime.mcp_http import REFUSED
from horos_runtime.tool_context import ToolContext
from mcp import Client, MCPError

T = TypeVar("T")

IDEMPOTENCY_KEY: Final = "horos.dev/idempotency-key"
"""Under this name the key of a call goes along in `_meta`."""
WAIT_SECONDS: Final = 10.0
"""How long a call waits for a connection that is being made anew."""
REASON_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 0.5
"""How long a result is held back until the list that the call has changed is read anew."""
LATER_SECONDS: Final = 5.0
"""The SDK's own limit of a call lies so much behind ours, which tells the model more."""


class ServerLostError(Exception):
    """The connection was lost while a call that may be repeated ran; the message says how."""


class Calls:
    """Sends what the model asks for to one server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._server = connection.server.name
        # Of a call's own time some is left to say that there was no connection.
        self._wait_seconds = min(WAIT_SECONDS, connection.server.timeout_seconds / 2)

    async def tool(
        self, name: str, arguments: Mapping[str, Any], context: ToolContext, *, repeatable: bool
    ) -> str:
        """Call a tool; raises ServerLostError if it is `repeatable` and was cut off."""
        known = self._connection.listing.tools.get(name)

        async def report(progress: float, total: float | None, message: str | None) -> None:
            context.progress(message or "", fraction=progress / total if total else None)

        async def send(client: Client) -> CallToolResult:
            with self._asking(name, context):
                return await client.call_tool(
                    name,
                    dict(arguments),
                    read_timeout_seconds=self._connection.server.timeout_seconds + LATER_SECONDS,
                    progress_callback=report,
                    meta=_meta(context),
                )

        outcome = await self.request(name, send, repeatable=repeatable)
        if isinstance(outcome, str):
            return outcome + await self._drift(name, known)
        await self._connection.fresh(FRESH_SECONDS)
        text = result_text(outcome)
        return f"error: {text}{await self._drift(name, known)}" if outcome.is_error else text

    async def request(
        self, name: str, send: Callable[[Client], Awaitable[T]], *, repeatable: bool = True
    ) -> T | str:
        """Return what `send` does, or the text of what went wrong.

        What the server has certainly not begun is sent once more, over a new connection. Raises
        ServerLostError.
        """
        for last in (False, True):
            client = await self._connection.connected(self._wait_seconds)
            if client is None:
                return self._not_connected(name)
            losses = self._connection.losses
            try:
                return await send(client)
            except MCPError as error:
                failure = error
            except (RuntimeError, ValidationError) as error:
                # The answer is not as the protocol, or the tool's own schema, wants it.
                return (
                    f"error: {name} was carried out, but the answer of the server {self._server} cannot be "
                    f"understood: {why(error)}. Check what it has done before you call it again."
                )
            if last or fate(failure) is not Fate.NOT_DONE:
                break
            self._connection.lost(client, why(failure))
            await self._connection.gone(losses, REASON_SECONDS)
        return await self._failed(name, failure, losses, repeatable=repeatable)

    @contextlib.contextmanager
    def _asking(self, name: str, context: ToolContext) -> Iterator[None]:
        questions = self._connection.questions
        with questions.during(RunningCall(name, context)) if questions else contextlib.nullcontext():
            yield

    def _not_connected(self, name: str) -> str:
        reason = self._connection.error
        return (
            f"error: {name} was not called: the server {self._server} is not connected"
            f"{f' ({reason})' if reason else ''}; it is tried again all the time"
        )

    async def _failed(self, name: str, failure: MCPError, losses: int, *, repeatable: bool) -> str:
        said = why(failure)
        if failure.code == REQUEST_TIMEOUT:
            return f"error: the server {self._server} did not answer {name} in time"
        match fate(failure):
            case Fate.ANSWERED if failure.code != REFUSED:
                return f"error: the server {self._server} refused {name}: {_refusal(failure)}"
            case Fate.ANSWERED | Fate.NOT_DONE:
                return f"error: {name} was not carried out: the server {self._server}: {said}"
        # Over HTTP one request may be cut off where the others go on; asking for the list shows which it is.
        self._connection.suspect()
        reason = await self._connection.gone(losses, REASON_SECONDS) if said == CLOSED else said
        cut = f"the connection to the server {self._server} was lost while {name} ran: {reason or said}"
        self._connection.tell(cut)
        if repeatable:
            raise ServerLostError(cut)
        return f"error: {cut}. Whether it took effect is unknown: check before you call it again."

    async def _drift(self, name: str, known: object) -> str:
        """Say what the model must know when the tool is not what it was when the model read of it."""
        if known is None:
            return ""
        self._connection.suspect()
        await self._connection.fresh(FRESH_SECONDS)
        tools = self._connection.listing.tools
        if not tools or self._connection.client is None:
            return ""
        if name not in tools:
            return f"\n[the server {self._server} has no tool {name} any more; your tools are listed anew]"
        if getattr(known, "input_schema", None) == tools[name].input_schema:
            return ""
        schema = orjson.dumps(tools[name].input_schema).decode()
        return f"\n[the server has changed this tool meanwhile; its arguments are now: {schema}]"


def _meta(context: ToolContext) -> RequestParamsMeta | None:
    key = context.idempotency_key
    return cast(RequestParamsMeta, {IDEMPOTENCY_KEY: key}) if key else None


def _refusal(error: MCPError) -> str:
    said = why(error)
    if error.data:
        with contextlib.suppress(TypeError):
            return f"{said} {orjson.dumps(error.data).decode()[:500]}"
    return said
