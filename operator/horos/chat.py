"""`horos chat`: read a line, follow the answer, again; Ctrl-C cancels an answer, a second one leaves.

What a person has to decide meanwhile is decided here, too, while the answer waits for it or later.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from horos.chat_decisions import HOW, Undecided, is_command, typed_line
from horos.client import GatewayClient
from horos.conversation import Exchange, follow, new_key
from horos.errors import CannotReachError, HorosError, RefusedError, UsageError
from horos.options import Place, checked_text
from horos.places import Places
from horos.readiness import known_agent, why_waiting
from horos.session import Session, connected
from horos.terminal import Terminal
from horos.transcript import Piece, PieceKind, decision_piece


class Chat:
    """A conversation in one thread of one agent, from a terminal or, line by line, from a pipe."""

    def __init__(self, agent: str, thread: str) -> None:
        self._agent = agent
        self._thread = thread
        self._terminal = Terminal()
        self._places = Places(agent, self._terminal.note)
        self._by_person = sys.stdin.isatty()
        self._exchange_now: Exchange | None = None
        self._undecided = Undecided(agent)
        self._ahead: list[str] = []
        """Lines that were typed while a decision was waited for."""

    def run(self, place: Place) -> None:
        """Talk until the input ends, or until Ctrl-C at the prompt. Raises HorosError."""
        # A runner per chat, and not one long coroutine: Ctrl-C cancels one exchange, not the chat.
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                session = runner.run(stack.enter_async_context(connected(place)))
                self._greet(runner, session)
                self._talk(runner, session)
            finally:
                runner.run(stack.aclose())

    def _greet(self, runner: asyncio.Runner, session: Session) -> None:
        live = runner.run(known_agent(session, self._agent))
        if self._by_person:
            import readline  # noqa: F401, PLC0415 - gives `input` its line editing

            hint = "Ctrl-C stops an answer, Ctrl-D leaves."
            self._terminal.note(f"{self._agent} is {live['state']}; thread {self._thread}. {hint}")
        if why := runner.run(why_waiting(session, live)):
            self._places.cannot(why)
        else:
            self._places.see(live)
        for asked in runner.run(session.client.approvals(self._agent)):
            if asked["status"] == "pending" and asked["thread"] == self._thread:
                self._show(decision_piece(asked, asked["secondsLeft"] * 1000))

    def _talk(self, runner: asyncio.Runner, session: Session) -> None:
        while (line := self._line()) is not None:
            if not line.strip():
                continue
            try:
                if self._by_person and is_command(line):
                    runner.run(self._late(session, line))
                else:
                    runner.run(self._say(session, line))
            except KeyboardInterrupt:
                self._interrupted(runner, session.client)
            except (CannotReachError, RefusedError, UsageError) as error:
                if not self._by_person:
                    raise
                self._terminal.show(Piece(PieceKind.ERROR, str(error)))

    async def _say(self, session: Session, text: str) -> None:
        sent = await session.client.send(self._agent, checked_text(text), self._thread, new_key())
        await self._follow(session, Exchange.of(self._agent, sent))

    async def _late(self, session: Session, line: str) -> None:
        """Decide at the prompt; the answer that waited for it is followed from here on."""
        newest = (await session.client.agent(self._agent))["newest"]
        left = self._exchange_now
        if await self._decide(session, line) and left and not left.is_over:
            await self._follow(session, left.from_here(newest))

    async def _follow(self, session: Session, exchange: Exchange) -> None:
        self._exchange_now = exchange
        async with self._listening(session):
            await follow(session, exchange, self._show, self._places)
        self._terminal.end_line()

    def _show(self, piece: Piece) -> None:
        if not self._undecided.told(piece):
            self._terminal.show(piece)
        self._undecided.see(piece)
        if self._by_person and piece.kind == PieceKind.ASK:
            self._terminal.note(HOW)

    @asynccontextmanager
    async def _listening(self, session: Session) -> AsyncIterator[None]:
        """Let a person decide while an answer is followed: it may be waiting for just that."""
        if not self._by_person:
            yield
            return
        listening = asyncio.ensure_future(self._listen(session))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self, session: Session) -> None:
        while True:
            await self._undecided.any()
            line = await typed_line()
            if not line:
                return
            if is_command(line):
                await self._decide(session, line)
            elif line.strip():
                self._ahead.append(line.strip())
                self._terminal.note(f"said when this is decided; {HOW}")

    async def _decide(self, session: Session, line: str) -> bool:
        try:
            self._terminal.note(await self._undecided.obey(session, line))
        except HorosError as error:
            self._terminal.show(Piece(PieceKind.ERROR, str(error)))
            return False
        return True

    def _line(self) -> str | None:
        if self._ahead:
            return self._ahead.pop(0)
        try:
            return input(f"{self._thread}> " if self._by_person else "")
        except UnicodeDecodeError as error:
            raise UsageError("standard input is not UTF-8") from error
        except (EOFError, KeyboardInterrupt) as end:
            if self._by_person:
                self._terminal.note("")
            elif isinstance(end, KeyboardInterrupt):
                raise
            return None

    def _interrupted(self, runner: asyncio.Runner, client: GatewayClient) -> None:
        self._terminal.end_line()
        if not self._by_person:
            raise KeyboardInterrupt
        self._terminal.note(f"{runner.run(self._cancel(client))} Ctrl-C again leaves the chat.")

    async def _cancel(self, client: GatewayClient) -> str:
        """End the turn that has the message, and no other."""
        run = self._exchange_now.transcript.run if self._exchange_now else ""
        if run:
            try:
                await client.cancel(self._agent, run)
            except HorosError as error:
                return f"not cancelled: {error}."
            return "cancelled."
        return f"left; {self._agent} answers it later."
