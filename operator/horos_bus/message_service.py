"""The runtime's side of the bus for one agent: its inbox, its turns, its events."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson
from redis.asyncio.client import PubSub

from horos_api.agent_state import AgentState
from horos_api.budgets import day_of
from horos_api.events import Event
from horos_api.names import INBOX_CAP
from horos_bus.approvals import Approval, Elicitation, approval
from horos_bus.connection import Argument, Bus, BusUnavailableError
from horos_bus.decoding import (
    charge_words,
    charged,
    checked,
    effect_words,
    message,
    next_of,
    standing,
    stretch,
    text,
)
from horos_bus.group_reading import GroupReading
from horos_bus.records import (
    Appended,
    Charge,
    Charged,
    Claimed,
    Effect,
    Ending,
    Identity,
    Next,
    Standing,
    Stretch,
    Usage,
)

SUBSCRIBE_SECONDS: Final = 5.0
MAX_ATTEMPTS: Final = 5
NOTHING_USED: Final = Usage()
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,14}")
NOTHING_OFFLOADED: Final[Mapping[str, bytes]] = MappingProxyType({})


class MessageService:
    """One incarnation of one agent. Every change is fenced by its token.

    All methods raise BusUnavailableError when Redis cannot be reached for some seconds; those that change
    something raise FencedError when another process holds the agent and LostError when the turn is not open.
    """

    def __init__(self, bus: Bus, identity: Identity) -> None:
        self._bus = bus
        self._identity = identity
        self._agent = identity.agent
        self._pubsub: PubSub | None = None
        self._emitting = asyncio.Lock()
        self._emitted = 0
        self._unsure: Sequence[Event] | None = None
        self._charged = 0
        self._unsure_charge: Charge | None = None
        self.groups = GroupReading(bus, identity)
        """What this incarnation reads of groups."""

    async def subscribe(self) -> None:
        """Listen on the wake channel; returns when the server has confirmed it.

        Comes before `claim`: a message sent in between would be heard by nobody. Raises BusUnavailableError.
        """
        await self.unsubscribe()  # a try before this one may have left a connection
        self._pubsub = self._bus.pubsub()
        async with self._bus.translated():
            await self._pubsub.subscribe(self._bus.keys.wake(self._agent))
            confirmation = await self._pubsub.get_message(timeout=SUBSCRIBE_SECONDS)
        if confirmation is None:
            raise BusUnavailableError("Redis did not confirm the subscription in time")

    async def claim(self, ticket: int | None, max_attempts: int = MAX_ATTEMPTS) -> Claimed:
        """Become the agent's one process. `ticket` is the epoch that the operator saw; None takes any.

        Raises GoneError for another life of the name, StaleError when somebody claimed since the ticket.
        """
        seen = "" if ticket is None else str(ticket)
        answer = await self._call("claim", self._identity.uid, self._identity.token, seen, max_attempts)
        return Claimed(epoch=answer[1], reason=text(answer[2]))

    async def all_unread(self) -> Next:
        """Take all unread messages of the next thread as a turn; the open turn again if there is one."""
        return next_of(await self._call("next", self._identity.token), self._agent)

    async def charge(self, turn: str, charge: Charge) -> Charged:
        """Reserve what the next model call will use about, unless a limit of the day is reached already.

        The `append` or `commit` behind the call puts its usage in the place of the reservation; without a
        usage the reservation stays charged. Another charge takes the place of one whose call came to nothing.
        After a BusUnavailableError call again with the same object, which is then charged once.
        """
        # Counted before the call: a number whose fate is unknown must not be given to another charge.
        if charge is not self._unsure_charge:
            self._charged += 1
            self._unsure_charge = charge
        words = charge_words(charge)
        answer = await self._call("charge", self._identity.token, turn, self._charged, *words)
        self._unsure_charge = None
        return charged(answer)

    async def append(  # noqa: PLR0913 - what is behind the star is rare
        self,
        turn: str,
        ix: int,
        entries: Sequence[bytes],
        effects: Sequence[Effect] = (),
        *,
        usage: Usage = NOTHING_USED,
        day: int | None = None,
        offloaded: Mapping[str, bytes] = NOTHING_OFFLOADED,
    ) -> Appended:
        """Write one step ahead at the absolute index `ix`, with its effects, in one atomic move.

        `usage` is what model calls used that no append has told of yet, on `day` (None = today). `offloaded`
        keeps long results of tools beside the context: each under the absolute index of the record that
        stands for it, as decimal text. Raises ValueError for another name.
        """
        for ref in offloaded:
            if not _INDEX.fullmatch(ref):
                raise ValueError(f"offloaded: name {ref!r}: expected the absolute index of a record")
        args: list[Argument] = [self._identity.token, turn, ix, INBOX_CAP, *_usage_words(usage, day)]
        args += [len(entries), len(offloaded), *entries]
        for ref, result in offloaded.items():
            args += [ref, result]
        for effect in effects:
            args += effect_words(effect)
        answer = await self._call("append", *args)
        duplicate = answer[0] == b"DUP"
        return Appended(
            outcome="DUP" if duplicate else "OK",
            state=AgentState(text(answer[1])),
            cancel=answer[2] == 1,
            joined=tuple(message(entry) for entry in answer[3]),
            stored=tuple(answer[4]) if duplicate else (*entries, *answer[4]),
        )

    async def emit(self, turn: str, events: Sequence[Event]) -> None:
        """Publish streamed events of the open turn, in order and each once.

        After a BusUnavailableError call again with the same list, which is then written once.
        """
        async with self._emitting:
            # Counted before the call: a number whose fate is unknown must not be given to other events.
            if events is not self._unsure:
                self._emitted += 1
                self._unsure = events
            encoded = [orjson.dumps(event) for event in events]
            await self._call("emit", self._identity.token, turn, self._emitted, *encoded)
            self._unsure = None

    async def commit(  # noqa: PLR0913 - what is behind the star is rare
        self,
        turn: str,
        ix: int,
        entries: Sequence[bytes],
        ending: Ending,
        usage: Usage = NOTHING_USED,
        *,
        day: int | None = None,
        keep_from: int | None = None,
    ) -> Next:
        """Close the turn: last records, answers, acknowledgements. Returns the next turn, if there is one.

        `ending` goes to everybody whom the thread owes an answer, unless own requests of the agent are
        still open there: then a later turn answers. An error goes to the turn's own requests in any case.
        `usage` and `day` are those of `append`. Records before the absolute index `keep_from` are dropped
        with what was offloaded for them, but none of the turn that closes; the others keep their indexes.
        """
        how = ("error", ending.error) if ending.error else ("text", ending.text)
        kept = "" if keep_from is None else keep_from
        words = (*_usage_words(usage, day), kept, *how, *entries)
        answer = await self._call("commit", self._identity.token, turn, ix, *words)
        return next_of(answer, self._agent)

    async def elicit(self, turn: str, asked: Elicitation) -> bool:
        """Ask a person in the middle of a call; False = the turn has asked too often."""
        what = (asked.tool, asked.server, asked.message, asked.schema, int(asked.seconds * 1000))
        answer = await self._call("elicit", self._identity.token, turn, asked.id, *what)
        return bool(answer[0] == b"OK")

    async def answer(self, elicitation_id: str) -> Approval | None:
        """Read what a person decided; None = nobody has yet. A decision comes with a wake (`c`).

        Raises LostError when there is no such question (any more): stop waiting.
        """
        stored = (await self._call("answer", self._identity.token, elicitation_id))[1]
        return approval(elicitation_id, "elicitation", stored) if stored else None

    async def withdraw(self, elicitation_id: str) -> Approval | None:
        """Stop waiting. What a person decided at the last moment is returned, and counts."""
        stored = (await self._call("withdraw", self._identity.token, elicitation_id))[1]
        return approval(elicitation_id, "elicitation", stored) if stored else None

    async def report_servers(self, report: bytes) -> None:
        """Tell how the agent's tool servers are; the same report again changes nothing."""
        await self._call("report", self._identity.token, report)

    async def standing(self) -> Standing:
        """Look at what may have changed during a turn, or while the agent is in state error."""
        names = ("state", "turn", "cancel", "version", "evict", "holder")
        return standing(
            await self._bus.command("HMGET", self._bus.keys.state(self._agent), *names),
            self._agent,
            self._identity.token,
        )

    async def fail(self, turn: str, reason: str, message: str) -> None:
        """Put the agent in state error; the turn stays open and `all_unread` starts it again."""
        await self._call("fail", self._identity.token, turn, reason, message)

    async def retire(self, force: bool = False) -> bool:
        """Give the agent up. False = there is something to do first; `force` hands an open turn on."""
        answer = await self._call("retire", self._identity.token, int(force))
        return bool(answer[0] == b"OK")

    async def wait_for_wake(self, seconds: float) -> bool:
        """Sleep until something may have happened. Any return means: look at the inbox again.

        False = Redis could not be reached; wait a little before the next call.

        It returns on a wake, a timeout, a lost connection and the confirmation of a new subscription, since a
        wake may have been missed in between. The next call opens a new connection.
        """
        try:
            if self._pubsub is None:
                await self.subscribe()
                return True
            async with self._bus.translated():
                heard = await self._pubsub.get_message(timeout=seconds)
                while heard is not None:  # One look answers every wake that came before it.
                    heard = await self._pubsub.get_message(timeout=0)
        except BusUnavailableError:
            await self.unsubscribe()
            return False
        return True

    async def unsubscribe(self) -> None:
        """Close the wake connection; `wait_for_wake` opens a new one."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def config(self) -> bytes:
        """Read what the operator projected of the spec; empty before the first time."""
        stored = await self._bus.command("GET", self._bus.keys.config(self._agent))
        return bytes(stored or b"")

    async def stretch(self, thread: str, start: int = 0, count: int | None = None) -> Stretch:
        """Read so many records of a thread (None = all) from an absolute index on.

        They begin later when the older ones are no longer kept.
        """
        most = () if count is None else (count,)
        return stretch(await self._call("context", thread, start, 1, *most))

    async def offloaded(self, thread: str, ref: str) -> bytes | None:
        """Read a long result of a tool, by the absolute index of its record; None = not kept (any more)."""
        found = await self._bus.command("HGET", self._bus.keys.results(self._agent, thread), ref)
        return None if found is None else bytes(found)

    async def agents(self) -> list[str]:
        """Names of the agents of the namespace, in order."""
        return sorted(text(name) for name in await self._bus.command("HKEYS", self._bus.keys.agents))

    async def _call(self, script: str, *args: Argument) -> Sequence[Any]:
        answer = await self._bus.call(script, [self._agent, *args])
        return checked(answer, self._agent)


def _usage_words(usage: Usage, day: int | None) -> tuple[int, ...]:
    today = day_of(time.time()) if day is None else day
    return today, usage.prompt_tokens, usage.completion_tokens, usage.cost
