"""What waits for the person in a chat, and the lines that decide it: /approve and /deny."""

import asyncio
import os
import shlex
import sys
from typing import Final

from horos.errors import HorosError, UsageError
from horos.options import Judgement, checked_approval_id, checked_values
from horos.session import Session
from horos.tool_commands import decided
from horos.tool_tables import decision_line
from horos.transcript import Piece, PieceKind
from horos_api.messages import Verdict

APPROVE: Final = "/approve"
DENY: Final = "/deny"
HOW: Final = "decide here: /approve, with NAME=VALUE for what a question asks, or /deny and why"


def is_command(line: str) -> bool:
    """Say whether a line decides something and is no message."""
    return line.partition(" ")[0].strip() in (APPROVE, DENY)


async def typed_line() -> str:
    """Wait for a line at the terminal, without a thread that nothing could end; '' = no more will come."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sys.stdin, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return os.read(sys.stdin.fileno(), 4096).decode(errors="replace")


class Undecided:
    """The ids of what is asked and not decided, the oldest first."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._ids: dict[str, None] = {}
        self._news = asyncio.Event()
        self._here: set[str] = set()

    def told(self, piece: Piece) -> bool:
        """Whether this is the event of a decision that was made here, of which the person knows."""
        return piece.kind == PieceKind.DECIDED and piece.key in self._here

    def see(self, piece: Piece) -> None:
        """Take note of what is asked or decided."""
        if piece.kind == PieceKind.ASK:
            self._ids[piece.key] = None
            self._news.set()
        elif piece.kind == PieceKind.DECIDED:
            self._ids.pop(piece.key, None)
            if not self._ids:
                self._news.clear()

    async def any(self) -> None:
        """Wait until something is asked."""
        await self._news.wait()

    async def obey(self, session: Session, line: str) -> str:
        """Decide as a line says, and say what that means; raises a HorosError."""
        verdict, approval_id, rest = self._read(line)
        reason, texts = rest, {}
        if verdict is Verdict.APPROVE:
            reason, texts = "", _values(rest)
        self._here.add(approval_id)  # its event may come before the answer does
        try:
            done = await decided(session, Judgement(approval_id, reason), verdict, texts)
        except HorosError:
            self._here.discard(approval_id)
            raise
        self.see(Piece(PieceKind.DECIDED, key=approval_id))
        return decision_line(done)

    def _read(self, line: str) -> tuple[Verdict, str, str]:
        command, _, rest = line.strip().partition(" ")
        named, _, more = rest.strip().partition(" ")
        verdict = Verdict.APPROVE if command == APPROVE else Verdict.DENY
        if named.startswith(f"{self._agent}/"):
            return verdict, checked_approval_id(named), more.strip()
        if not self._ids:
            raise UsageError(f"{command}: nothing waits for a decision in this chat")
        if len(self._ids) > 1:
            raise UsageError(f"{command}: say which: {', '.join(self._ids)}")
        return verdict, next(iter(self._ids)), rest.strip()


def _values(rest: str) -> dict[str, str]:
    try:
        return checked_values(shlex.split(rest), APPROVE)
    except ValueError as error:
        raise UsageError(f"{APPROVE}: {error}") from None
