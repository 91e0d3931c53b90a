"""What comes in on the wake channel: the one reader of it, and who has to hear of it during a turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from horos_api.agent_state import AgentState
from horos_bus.connection import BusError
from horos_bus.message_service import MessageService
from horos_bus.records import GoneError, Standing, Turn
from horos_runtime.pace import Pace

_LEAVING: Final = frozenset({AgentState.PAUSED, AgentState.TERMINATED})


class CutTurnError(Exception):
    """The turn was cancelled, or is this process' turn no more; what is to be done now, Redis knows."""


class Wakes:
    """Counts the wakes; `run` is a task that lives as long as the runtime and begins with `begin`.

    Nobody else reads the channel: a reader that is cancelled could take a wake with it.
    """

    def __init__(self, messages: MessageService, pace: Pace) -> None:
        self._messages = messages
        self._pace = pace
        self._begun = asyncio.Event()
        self._heard = asyncio.Event()
        self.count = 0

    def begin(self) -> None:
        """Start reading: the channel is subscribed."""
        self._begun.set()

    async def run(self) -> None:
        """Read until cancelled."""
        await self._begun.wait()
        waits = self._pace.redis.waits()
        while True:
            if await self._messages.wait_for_wake(self._pace.poll):
                waits = self._pace.redis.waits()
            else:
                await asyncio.sleep(next(waits))
            self.nudge()

    def nudge(self) -> None:
        """Let everybody look."""
        self.count += 1
        self._heard.set()
        self._heard = asyncio.Event()

    async def after(self, count: int, seconds: float) -> None:
        """Return when there have been more than `count` wakes, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.count == count:
                    await self._heard.wait()


class TurnWatch:
    """Cuts the open turn when a wake tells that it shall not go on; `run` is a task like that of `Wakes`."""

    def __init__(self, messages: MessageService, wakes: Wakes, poll_seconds: float) -> None:
        self._messages = messages
        self._wakes = wakes
        self._poll_seconds = poll_seconds
        self._open: tuple[Turn, asyncio.Timeout] | None = None

    @contextlib.asynccontextmanager
    async def over(self, turn: Turn, look: int) -> AsyncIterator[None]:
        """Watch over the block that works on a turn; raises CutTurnError when it was cut.

        `look` is how many wakes there had been before the turn was read.
        """
        scope = asyncio.Timeout(None)
        try:
            async with scope:
                self._open = (turn, scope)
                if self._wakes.count != look:
                    self._wakes.nudge()
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise CutTurnError from None
        finally:
            self._open = None

    async def run(self) -> None:
        """Look after each wake until cancelled."""
        while True:
            count = self._wakes.count
            if self._open is not None:
                await self._look(*self._open)
            await self._wakes.after(count, self._poll_seconds)

    async def _look(self, turn: Turn, scope: asyncio.Timeout) -> None:
        try:
            cut = is_over(turn, await self._messages.standing())
        except GoneError:
            cut = True
        except BusError:
            return  # whoever works on the turn meets it too, and knows what to do
        # Once only: what is cut may take its time to end, and more wakes may come meanwhile.
        if cut and self._open is not None and self._open[1] is scope and not scope.expired():
            scope.reschedule(asyncio.get_running_loop().time())

    async def error_ends(self, turn: Turn, seconds: float) -> bool:
        """Wait in state error; True when something changed that is worth a look before the time is up."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while (left := deadline - clock()) > 0:
            count = self._wakes.count
            now = await self._messages.standing()
            if is_over(turn, now) or now.evict or now.version != turn.version or now.state in _LEAVING:
                return True
            await self._wakes.after(count, left)
        return False


def is_over(turn: Turn, now: Standing) -> bool:
    """Whether a process that works on this turn should stop."""
    return now.cancelled or now.turn != turn.id or not now.held
