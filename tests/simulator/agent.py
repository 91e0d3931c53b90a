"""One agent of a fake pod: the protocol as the real runtime speaks it, with a canned answer for a model's."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

import orjson

from horos_bus.connection import BusError
from horos_bus.message_service import MessageService
from horos_bus.operating import OrderKind
from horos_bus.records import (
    Effect,
    Ending,
    FencedError,
    GoneError,
    Idle,
    Leave,
    LostError,
    Next,
    StaleError,
    Turn,
    Usage,
)
from horos_runtime.health import Pulse
from horos_runtime.lifetime import ExitCode
from horos_runtime.pace import Pace
from horos_runtime.patience import Patience
from horos_runtime.records import dump, user_record
from tests.simulator.wakes import Ear, Wakes

NEVER: Final = 0
"""`idleSeconds` of an agent that does not retire by itself."""
_RESULTS: Final = {
    outcome: orjson.dumps({"role": "tool", "tool_call_id": "order", "content": outcome})
    for outcome in ("OK", "LIMIT", "NOAGENT", "LOOP", "RATE")
}


@dataclass(frozen=True)
class Manner:
    """How simulated agents behave: seconds of a turn, the answer, and the waits of the real runtime."""

    think: float = 0.0
    answer: str = "I am simulated."
    pace: Pace = field(default_factory=Pace)


def orders_in(turn: Turn) -> list[Effect]:
    """What people tell the agent to ask of the operator: `order <kind> <name> <arguments as JSON>`."""
    said = (each.body.split(" ", 3) for each in turn.inputs if each.from_person)
    return [
        Effect(kind="order", order=OrderKind(words[1]), to=words[2], body=words[3], results=_RESULTS)
        for words in said
        if words[0] == "order"
    ]


def _told(turn: Turn) -> list[bytes]:
    return [dump(user_record(message, turn.id)) for message in turn.inputs]


class SimulatedAgent:
    """One incarnation; `live` is its whole life, which `stop` ends as SIGTERM does."""

    def __init__(
        self, messages: MessageService, wakes: Wakes, agent: str, token: str, manner: Manner
    ) -> None:
        self._messages = messages
        self._wakes = wakes
        self._agent = agent
        self._token = token
        self._manner = manner
        self._patience = Patience(manner.pace, Pulse())
        self._stopping = asyncio.Event()
        self._ear: Ear | None = None
        self._retired = False
        self._version, self._idle_seconds = -1, NEVER
        self._busy_until = 0.0
        self.turns = 0

    @property
    def retired(self) -> bool:
        """Whether it has given the agent up itself; else another took it, or it was killed."""
        return self._retired

    def stop(self) -> None:
        """Ask for the end: between turns at once, during one when it is done or the grace is over."""
        self._stopping.set()
        if self._ear is not None:
            self._ear.heard.set()

    async def live(self, ticket: int | None) -> ExitCode:
        """Claim, take turn after turn, retire; how it ended is what the real process would exit with."""
        try:
            async with self._wakes.ear(self._agent) as self._ear:
                await self._live(self._ear, ticket)
        except (FencedError, GoneError, StaleError):
            return ExitCode.LEFT
        except LostError:
            return ExitCode.LOST
        except BusError:
            return ExitCode.BUS_REFUSED
        return ExitCode.LEFT

    async def _live(self, ear: Ear, ticket: int | None) -> None:
        await self._patience(lambda: self._wakes.subscribe(ear))
        await self._patience(lambda: self._messages.claim(ticket))
        self._rest_begins()
        unread = await self._all_unread(ear)
        while not self._retired:
            if self._stopping.is_set():
                await self._retire(force=True)
            elif isinstance(unread, Turn):
                unread = await self._take_turn(ear, unread)
            elif isinstance(unread, Leave) or await self._rested(ear, unread):
                await self._retire()
                unread = unread if self._retired else await self._all_unread(ear)
            else:
                unread = await self._all_unread(ear)

    async def _all_unread(self, ear: Ear) -> Next:
        ear.heard.clear()
        return await self._patience(self._messages.all_unread)

    async def _take_turn(self, ear: Ear, turn: Turn) -> Next:
        if turn.cancelled:
            ending = Ending(error="cancelled by a person")
            return await self._commit(ear, turn, ending, len(turn.journal))
        if not await self._think():
            return Leave("evict")
        self.turns += 1
        written = await self._ask_the_operator(turn)
        return await self._commit(ear, turn, Ending(text=self._manner.answer), written)

    async def _ask_the_operator(self, turn: Turn) -> int:
        """Do what people tell it to ask for, once; returns how many records of the turn are written."""
        effects = orders_in(turn)
        if turn.journal or not effects:
            return len(turn.journal)
        step = [*_told(turn), orjson.dumps({"role": "assistant", "content": "", "run": turn.id})]
        await self._patience(lambda: self._messages.append(turn.id, turn.base, step, effects))
        return len(step) + len(effects)

    async def _think(self) -> bool:
        """Take the time of a turn; False when it was stopped and the grace was not enough."""
        if not self._manner.think:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._manner.think):
                await self._stopping.wait()
                await asyncio.sleep(self._manner.pace.grace)
                return False
        return True

    async def _commit(self, ear: Ear, turn: Turn, ending: Ending, written: int) -> Next:
        told = [] if written else _told(turn)
        text = ending.text or f"({ending.error})"
        said = {"role": "assistant", "content": text, "run": turn.id, "by": self._token}
        index = turn.base + written
        ear.heard.clear()
        following = await self._patience(
            lambda: self._messages.commit(turn.id, index, [*told, orjson.dumps(said)], ending, Usage(10, 5))
        )
        self._rest_begins()
        return following

    def _rest_begins(self) -> None:
        self._busy_until = asyncio.get_running_loop().time()

    async def _rested(self, ear: Ear, idle: Idle) -> bool:
        """Wait for something to do; True when the agent has had nothing to do for long enough."""
        if idle.version != self._version:
            self._idle_seconds = await self._read_idle_seconds()
            self._version = idle.version
        wait = self._manner.pace.poll
        if self._idle_seconds != NEVER:
            left = self._busy_until + self._idle_seconds - asyncio.get_running_loop().time()
            if left <= 0:
                return True
            wait = min(wait, left)
        await ear.after(wait)
        return False

    async def _read_idle_seconds(self) -> int:
        stored = await self._patience(self._messages.config)
        return int(orjson.loads(stored).get("idleSeconds", NEVER)) if stored else NEVER

    async def _retire(self, *, force: bool = False) -> None:
        self._retired = await self._patience(lambda: self._messages.retire(force))
