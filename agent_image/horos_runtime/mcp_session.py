"""One life of a connection to a server: opened, followed and closed in one task, as the SDK demands it."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from mcp.client._transport import TransportStreams
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import METHOD_NOT_FOUND, Implementation, ToolListChangedNotification

from horos_runtime.mcp_catalogue import Listing, listing
from horos_runtime.mcp_elicitation import Questions
from horos_runtime.mcp_failures import Fate, fate, first
from horos_runtime.pace import Backoff
from mcp import Client, MCPError

RELIST_SECONDS: Final = 0.5
"""A list that changes all the time is asked for this often."""
SETTLE_SECONDS: Final = 0.02
"""Changes come in bursts; so long one more is waited for."""
HEARTBEAT_SECONDS: Final = 60.0
"""How often a server over HTTP is asked for its list anyway: so a dead one is noticed, and a changed list."""
SHORTEST_TTL: Final = 5.0
RELISTEN: Final = Backoff(0.5, 60.0)


class ConnectionLostError(Exception):
    """The connection ended by itself; the message says how."""


class NoAnswerError(Exception):
    """A server did not answer in time; the message says within how many seconds."""


@dataclass(frozen=True)
class Terms:
    """How a connection is made.

    `seconds` is how long connecting, and each request but a call, may take; `polls` says that the list is
    asked for now and then; `legacy` that the server is not asked whether it speaks the newer protocol.
    """

    seconds: float
    polls: bool
    legacy: bool = False


class Session:
    """One connected life. `changed` hears that it is connected, and each time that its list is another."""

    def __init__(
        self, terms: Terms, questions: Questions | None, changed: Callable[["Session"], None]
    ) -> None:
        self._terms = terms
        self._questions = questions
        self._changed = changed
        self._stir = asyncio.Event()
        self._stale = self._leaving = False
        self._reason: str | None = None
        self._fresh = asyncio.Event()
        self._fresh.set()
        self.client: Client | None = None
        self.listing = Listing()

    def leave(self) -> None:
        """Ask the session to end."""
        self._leaving = True
        self._stir.set()

    def lost(self, reason: str) -> None:
        """Hear that there is no connection any more; the first reason counts."""
        if self._reason is None:
            self._reason = reason
        self._stir.set()

    def stale(self) -> None:
        """Hear that the server's list has changed, or may have."""
        self._stale = True
        self._fresh.clear()
        self._stir.set()

    async def fresh(self, seconds: float) -> None:
        """Wait until the list is as new as the last change heard of, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._fresh.wait()

    async def run(self, transport: AbstractAsyncContextManager[TransportStreams]) -> None:
        """Connect, follow until told to leave; raises what ends it, ConnectionLostError above all."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._terms.seconds) as limit:
                    client = await stack.enter_async_context(self._client_over(transport))
                    self.listing = await listing(client)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise NoAnswerError(f"it did not answer within {self._terms.seconds:g} s") from None
            except (MCPError, ExceptionGroup) as error:
                # A process that died says more than that its connection is closed.
                cause = first(error)
                if isinstance(cause, MCPError) and fate(cause) is Fate.UNKNOWN:
                    await self._reason_known()
                if self._reason is not None:
                    raise ConnectionLostError(self._reason) from error
                raise
            self.client = client
            self._changed(self)
            await self._stay(client)

    async def _stay(self, client: Client) -> None:
        tools = client.server_capabilities.tools
        try:
            async with asyncio.TaskGroup() as aside:
                listening = aside.create_task(
                    self._listen(client) if tools and tools.list_changed else _nothing()
                )
                await self._follow(client)
                listening.cancel()
        finally:
            self.client = None
            self._fresh.set()

    def _client_over(self, transport: AbstractAsyncContextManager[TransportStreams]) -> Client:
        return Client(
            transport,
            mode="legacy" if self._terms.legacy else "auto",
            read_timeout_seconds=self._terms.seconds,
            message_handler=self._hear,
            elicitation_callback=self._questions.answer if self._questions else None,
            client_info=Implementation(name="horos", version=version("horos")),
            cache=None,  # the list is kept here
        )

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.stale()

    async def _reason_known(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELIST_SECONDS):
                while self._reason is None:
                    self._stir.clear()
                    await self._stir.wait()

    async def _follow(self, client: Client) -> None:
        clock = asyncio.get_running_loop().time
        not_before = 0.0
        while not self._leaving:
            if self._reason is not None:
                raise ConnectionLostError(self._reason)
            self._stir.clear()
            if self._stale:
                await self._wait_out(max(SETTLE_SECONDS, not_before - clock()))
            elif await self._stirs(self._next_look()):
                continue
            if not self._leaving and self._reason is None:
                await self._list_again(client)
                not_before = clock() + RELIST_SECONDS

    async def _wait_out(self, seconds: float) -> None:
        """Wait, however often the list changes meanwhile."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while (left := end - clock()) > 0 and not self._leaving and self._reason is None:
            self._stir.clear()
            await self._stirs(left)

    async def _stirs(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stir.wait()
        except TimeoutError:
            return False
        return True

    def _next_look(self) -> float | None:
        """Say when to ask for the list though nobody said that it changed."""
        times = [HEARTBEAT_SECONDS] if self._terms.polls else []
        if self.listing.ttl is not None:
            times.append(max(SHORTEST_TTL, self.listing.ttl))
        return min(times) * random.uniform(0.8, 1.0) if times else None

    async def _list_again(self, client: Client) -> None:
        self._stale = False
        try:
            listed = await listing(client)
        except MCPError as error:
            if fate(error) is not Fate.ANSWERED:
                raise
            # The old list is better than none; whoever calls what is gone is told so.
            listed = self.listing
        if not self._stale:
            self._fresh.set()
        if listed != self.listing:
            self.listing = listed
            self._changed(self)

    async def _listen(self, client: Client) -> None:
        """Keep the subscription of the newer protocol open; the older one sends notifications by itself."""
        waits = RELISTEN.waits()
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    waits = RELISTEN.waits()
                    async for _ in changes:
                        self.stale()
            except ListenNotSupportedError:
                return
            except MCPError as error:
                if error.code == METHOD_NOT_FOUND:
                    return
            except (SubscriptionLost, TimeoutError):
                pass
            await asyncio.sleep(next(waits))
            self.stale()


async def _nothing() -> None:
    """Where there is nothing to listen to."""
