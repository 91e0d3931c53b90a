"""One message and the way to its answer: send, watch, and look for the reply when watching fails."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Self

from horos.client import GatewayClient, Interruption, Sent, WatchedEvent
from horos.errors import CannotReachError, RefusedError, TimedOutError
from horos.places import Places, Watcher, watched
from horos.session import Session
from horos.transcript import Piece, PieceKind, Transcript


def new_key() -> str:
    """Make the idempotency key of a message that its sender did not name."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Exchange:
    """A message that an agent has, and how far its answer has come."""

    agent: str
    sent: Sent
    transcript: Transcript

    @classmethod
    def of(cls, agent: str, sent: Sent) -> Self:
        """Begin with a message that was just sent."""
        return cls(agent, sent, Transcript(sent.id))

    @property
    def is_over(self) -> bool:
        """Whether its answer is there, or none will come."""
        return self.transcript.reply is not None or bool(self.transcript.refused)

    def from_here(self, after: str) -> Self:
        """Go on with a message that a turn has taken, behind event `after`."""
        return replace(
            self, sent=replace(self.sent, after=after), transcript=Transcript(self.sent.id, taken=True)
        )


async def follow(
    session: Session,
    exchange: Exchange,
    show: Callable[[Piece], None],
    places: Places,
    seconds: float = 0,
) -> str:
    """Show what happens with a message until its reply is there, and return the reply.

    While the agent has no process, `places` tells where it stands. Errors of the agent are shown and waited
    out, since a person may repair them meanwhile. Raises TimedOutError after `seconds` (0: never) and
    RefusedError when nobody can answer any more.
    """
    agent = exchange.agent
    try:
        async with asyncio.timeout(seconds or None), watched(session, places) as watcher:
            return await _follow(session.client, exchange, show, watcher)
    except TimeoutError as error:
        message = f"{agent} has not answered within {seconds:g} s and goes on: see `horos events {agent}`"
        raise TimedOutError(message) from error


async def _follow(
    client: GatewayClient, exchange: Exchange, show: Callable[[Piece], None], watcher: Watcher
) -> str:
    agent, sent, transcript = exchange.agent, exchange.sent, exchange.transcript
    live = await client.agent(agent)
    watcher.see(live)
    for piece in transcript.find(live):
        show(piece)
    # A message sent again may have been answered before the events that are still kept.
    found = await _asked_reply(client, agent, transcript) if sent.duplicate else None
    for piece in transcript.answered(found) if found is not None else []:
        show(piece)
    if _is_over(transcript):
        return transcript.reply or ""
    async with aclosing(client.events(agent, sent.thread, sent.after or "0")) as stream:
        async for seen in stream:
            if isinstance(seen, WatchedEvent):
                watcher.heard(seen.event)
                pieces = transcript.feed(seen.event)
            else:
                pieces = _told(seen) if isinstance(seen, Interruption) else []
                # Its event may be on the way behind the last tokens: only a reply found before counts.
                if found is not None:
                    pieces += transcript.answered(found)
                found = await _asked_reply(client, agent, transcript)
            for piece in pieces:
                show(piece)
            if _is_over(transcript):
                return transcript.reply or ""
    raise RefusedError("the agent was deleted; nobody will answer this message")


def _is_over(transcript: Transcript) -> bool:
    if transcript.refused:
        raise RefusedError(f"{transcript.refused}; nobody will answer this message")
    return transcript.reply is not None


async def _asked_reply(client: GatewayClient, agent: str, transcript: Transcript) -> str | None:
    """Ask for the reply itself, in case the event that tells it was missed; RefusedError = never."""
    try:
        return await client.reply(agent, transcript.message)
    except CannotReachError:
        return None


def _told(interruption: Interruption) -> list[Piece]:
    if interruption.seconds < 1:
        return []  # a short break is nobody's business
    return [Piece(PieceKind.NOTE, f"{interruption.cause}; trying again in {interruption.seconds:g} s")]
