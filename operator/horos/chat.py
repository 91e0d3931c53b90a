"""`horos chat`: read a line, follow the answer, again; Ctrl-C cancels an answer, a second one leaves."""

import asyncio
import sys
from contextlib import AsyncExitStack

from horos.client import GatewayClient
from horos.conversation import Exchange, follow, new_key
from horos.errors import CannotReachError, HorosError, RefusedError, UsageError
from horos.options import Place, checked_text
from horos.readiness import known_agent, why_waiting
from horos.session import Session, connected
from horos.terminal import Terminal
from horos.transcript import Piece, PieceKind


class Chat:
    """A conversation in one thread of one agent, from a terminal or, line by line, from a pipe."""

    def __init__(self, agent: str, thread: str) -> None:
        self._agent = agent
        self._thread = thread
        self._terminal = Terminal()
        self._by_person = sys.stdin.isatty()
        self._exchange_now: Exchange | None = None

    def run(self, place: Place) -> None:
        """Talk until the input ends, or until Ctrl-C at the prompt. Raises HorosError."""
        # A runner per chat, and not one long coroutine: Ctrl-C cancels one exchange, not the chat.
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                session = runner.run(stack.enter_async_context(connected(place)))
                self._greet(runner, session)
                self._talk(runner, session.client)
            finally:
                runner.run(stack.aclose())

    def _greet(self, runner: asyncio.Runner, session: Session) -> None:
        live = runner.run(known_agent(session, self._agent))
        if self._by_person:
            import readline  # noqa: F401, PLC0415 - gives `input` its line editing

            hint = "Ctrl-C stops an answer, Ctrl-D leaves."
            self._terminal.note(f"{self._agent} is {live['state']}; thread {self._thread}. {hint}")
        if why := runner.run(why_waiting(session, live)):
            self._terminal.note(f"{self._agent} cannot answer yet: {why}")

    def _talk(self, runner: asyncio.Runner, client: GatewayClient) -> None:
        while (line := self._line()) is not None:
            if not line.strip():
                continue
            try:
                runner.run(self._exchange(client, line))
            except KeyboardInterrupt:
                self._interrupted(runner, client)
            except (CannotReachError, RefusedError, UsageError) as error:
                if not self._by_person:
                    raise
                self._terminal.show(Piece(PieceKind.ERROR, str(error)))

    async def _exchange(self, client: GatewayClient, text: str) -> None:
        sent = await client.send(self._agent, checked_text(text), self._thread, new_key())
        self._exchange_now = Exchange.of(self._agent, sent)
        await follow(client, self._exchange_now, self._terminal.show)
        self._terminal.end_line()

    def _line(self) -> str | None:
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
