"""The owner of one tool server: connects, and connects again for as long as the agent uses it."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from mcp.client._transport import TransportStreams

from horos_api.server_report import ServerReport, ServerState
from horos_api.tool_servers import ResolvedServer
from horos_runtime.mcp_catalogue import Listing, Named, extras_of, named
from horos_runtime.mcp_elicitation import Questions
from horos_runtime.mcp_failures import why
from horos_runtime.mcp_http import HttpPlace, http_transport
from horos_runtime.mcp_pipes import StderrTail
from horos_runtime.mcp_questions import Elicit
from horos_runtime.mcp_secrets import Hiding, SecretFiles
from horos_runtime.mcp_session import Session, Terms
from horos_runtime.mcp_stdio import stdio_transport
from horos_runtime.pace import Backoff
from mcp import Client

log: Final = logging.getLogger(__name__)

RECONNECT: Final = Backoff(0.5, 60.0, jitter=False)
STEADY_SECONDS: Final = 30.0
"""A connection that lasted so long was a good one: the next try comes soon."""
GOODBYE_SECONDS: Final = 4.0
"""How long a connection may take to close, a process that ignores its end included."""
MOST_CONNECT_SECONDS: Final = 60.0
"""However long a call may take, connecting takes no longer."""


@dataclass(frozen=True)
class Surroundings:
    """What a connection is given: its Secrets, who hears of changes and of problems, who asks people."""

    secrets: SecretFiles
    changed: Callable[[], None]
    tell: Callable[[str], None]
    connect_seconds: float
    elicit: Elicit | None = None
    reconnect: Backoff = RECONNECT


class ServerConnection:
    """One server and how we stand with it; `run` is its whole life and the only task that touches the SDK."""

    def __init__(self, server: ResolvedServer, surroundings: Surroundings) -> None:
        self.server = server
        self._around = surroundings
        self._hiding = Hiding()
        self.questions = (
            Questions(server.name, surroundings.elicit, self.tell) if surroundings.elicit else None
        )
        self._tail = StderrTail()
        self._legacy = False
        self._session: Session | None = None
        self._leaving = False
        self._stir = asyncio.Event()
        self._news = asyncio.Event()
        self.settled = asyncio.Event()
        self.state = ServerState.CONNECTING
        self._since = self._now()
        self.error = ""
        self._error_at = 0
        self.losses = 0
        """How often the connection was lost, or could not be made."""
        self.listing = Listing()
        """The tools as the server listed them last."""
        self.offered = Named({})

    @property
    def client(self) -> Client | None:
        """The client of this moment, None while there is no connection."""
        return self._session.client if self._session else None

    def report(self) -> ServerReport:
        """Say how we stand with the server."""
        server = self.server
        return ServerReport(
            name=server.name,
            server_name=server.server_name or "",
            transport="stdio" if server.command else "http",
            state=self.state,
            since=self._since,
            tools=tuple(sorted(self.offered.offered)),
            hidden=self.offered.hidden,
            error=self.error,
            error_at=self._error_at,
            stderr=self._hiding(self._tail.text),
        )

    def tell(self, problem: str) -> None:
        """Say what is wrong, without the values of Secrets."""
        self._around.tell(self._hiding(problem))

    async def run(self) -> None:
        """Be connected until told to leave."""
        if self.server.problem:
            self._failed(self.server.problem)
            await self._told_to_leave()
        waits = self._waits()
        while not self._leaving:
            reason = await self._one_life()
            if self._leaving:
                return
            if (
                self.state is ServerState.CONNECTED
                and time.time() * 1000 - self._since > STEADY_SECONDS * 1000
            ):
                waits = self._waits()
            self._failed(reason)
            self._stir.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next(waits)):
                    await self._stir.wait()

    def leave(self) -> None:
        """Ask `run` to end."""
        self._leaving = True
        self._stir.set()
        self._news.set()
        if self._session is not None:
            self._session.leave()

    def lost(self, session_client: Client, reason: str) -> None:
        """Hear from a call that its connection is no good; one that was made since is left alone."""
        if self._session is not None and self._session.client is session_client:
            self._session.lost(reason)

    async def connected(self, seconds: float) -> Client | None:
        """Wait for a connection, at most so long; it is tried at once."""
        if self.client is None:
            self._stir.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.client is None and not self._leaving:
                    self._news.clear()
                    await self._news.wait()
        return self.client

    async def gone(self, losses: int, seconds: float) -> str:
        """Wait until one more loss than `losses` is known, at most so long, and say why it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.losses == losses:
                    self._news.clear()
                    await self._news.wait()
        return self.error if self.losses != losses else ""

    async def fresh(self, seconds: float) -> None:
        """Wait until the list is as new as the last change heard of, at most so long."""
        if self._session is not None:
            await self._session.fresh(seconds)

    def suspect(self) -> None:
        """Ask the server for its list, as after a change; if there is no connection any more, it shows."""
        if self._session is not None:
            self._session.stale()

    async def _one_life(self) -> str:
        """Connect once and stay; returns why it ended."""
        life = asyncio.create_task(self._live(), name=f"tool server {self.server.name}")
        leaving = asyncio.create_task(self._told_to_leave())
        try:
            await asyncio.wait({life, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not life.done():
                connecting = self.client is None
                await asyncio.wait({life}, timeout=0 if connecting else GOODBYE_SECONDS)
        finally:
            life.cancel()
            leaving.cancel()
            await asyncio.wait({life, leaving})
            self._session = None
        if life.cancelled():
            return "it was cancelled"
        error = life.exception()
        return why(error) if error is not None else ""

    async def _told_to_leave(self) -> None:
        while not self._leaving:
            self._stir.clear()
            await self._stir.wait()

    async def _live(self) -> None:
        patience = max(self.server.timeout_seconds, self._around.connect_seconds)
        terms = Terms(
            min(patience, MOST_CONNECT_SECONDS),
            polls=self.server.command is None,
            legacy=self._legacy,
        )
        session = self._session = Session(terms, self.questions, self._changed)
        await session.run(self._transport(session))

    def _transport(self, session: Session) -> AbstractAsyncContextManager[TransportStreams]:
        server, secrets = self.server, self._around.secrets
        if server.command is not None:
            environment = secrets.environment(server)
            self._hiding.add(environment[each.name] for each in server.env if each.value_from)
            return stdio_transport(server.command, environment, self._tail, session.lost)
        assert server.url is not None
        headers, client = secrets.headers(server), secrets.client(server)
        self._hiding.add(headers.values())
        self._hiding.add([client["clientSecret"]] if client else ())
        place = HttpPlace(server.url, headers, client)
        return http_transport(place, session.stale)

    def _changed(self, session: Session) -> None:
        client = session.client
        assert client is not None
        self.listing = session.listing
        self.offered = named(self.server, session.listing, extras_of(client.server_capabilities))
        if self.offered.problems:
            self._note("; ".join(self.offered.problems))
        if self.state is not ServerState.CONNECTED:
            log.info("tool server %s: connected, %d tools", self.server.name, len(self.offered.offered))
        self._to(ServerState.CONNECTED)

    def _failed(self, reason: str) -> None:
        # One that was connected is tried again before it is called failed.
        was, reason = self.state, self._hiding(reason)
        self.losses += 1
        if was is not ServerState.CONNECTED:
            self._legacy = not self._legacy  # some end at once when they are asked the newer way
        if reason != self.error or was is not ServerState.FAILED:
            log.warning("tool server %s: %s", self.server.name, reason)
        self._note(reason)
        if was is ServerState.CONNECTED:
            self.tell(f"the connection to the tool server {self.server.name} was lost: {reason}")
            self._to(ServerState.CONNECTING)
        else:
            if was is ServerState.CONNECTING:
                self.tell(f"the tool server {self.server.name} cannot be used: {reason}")
            self.listing, self.offered = Listing(), Named({})
            self._to(ServerState.FAILED)

    def _note(self, error: str) -> None:
        self.error = self._hiding(error)
        self._error_at = self._now()

    def _to(self, state: ServerState) -> None:
        if state is not self.state:
            self.state = state
            self._since = self._now()
        if state is not ServerState.CONNECTING:
            self.settled.set()
        self._news.set()
        self._around.changed()

    def _waits(self) -> Iterator[float]:
        return (wait * random.random() for wait in self._around.reconnect.waits())

    @staticmethod
    def _now() -> int:
        return time.time_ns() // 1_000_000
