"""What a person is told while an agent has no process: it wakes up, its place in the queue, what is wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from horos.errors import HorosError
from horos.readiness import why_waiting
from horos.residency_words import waking_words
from horos.session import Session

LOOK_SECONDS: Final = 1.0
WHY_EVERY: Final = 5
"""A process that does not come within so many looks is asked about."""


class Places:
    """Says each sentence once, as long as it is true; `say` shows one."""

    def __init__(self, agent: str, say: Callable[[str], None]) -> None:
        self.agent = agent
        self._say = say
        self._said = ""
        self._trouble = ""

    def see(self, live: Mapping[str, Any]) -> bool:
        """Take how the agent stands; returns whether it waits for a process."""
        if live["residency"] != "queued":
            self.awake()
            return False
        words = waking_words(self.agent, live)
        # Whoever knows what is wrong is not told that it wakes up, but is told its place.
        if words != self._said and (live["queue"] or not self._trouble):
            self._say(words)
        self._said = words
        return True

    def awake(self) -> None:
        """Take that a process has the agent: what is said next is new."""
        self._said = self._trouble = ""

    def cannot(self, why: str) -> None:
        """Take what keeps the agent from getting a process, or from answering."""
        if why != self._trouble:
            self._say(f"{self.agent} cannot answer yet: {why}")
        self._trouble = why


class Watcher:
    """Looks at the agent as long as it waits for a process, beside whoever follows its events."""

    def __init__(self, session: Session, places: Places) -> None:
        self._session = session
        self._places = places
        self._waits = asyncio.Event()

    def see(self, live: Mapping[str, Any]) -> None:
        """Take how the agent was found."""
        if self._places.see(live):
            self._waits.set()

    def heard(self, event: Mapping[str, Any]) -> None:
        """Take the next event of the agent."""
        if event.get("name") == "wake":
            self._waits.set()
        elif event.get("name") == "resident":
            self._waits.clear()
            self._places.awake()

    async def run(self) -> None:
        """Look every second while it waits; without end."""
        looks = 0
        while True:
            looks = looks + 1 if self._waits.is_set() else 0
            await self._waits.wait()
            with suppress(HorosError):  # whoever follows the events tells it
                await self._look(ask=looks % WHY_EVERY == WHY_EVERY - 1)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, *, ask: bool) -> None:
        live = await self._session.client.agent(self._places.agent)
        if not self._waits.is_set():
            return  # an event was quicker
        if not self._places.see(live):
            self._waits.clear()
        elif ask and not live["queue"] and (why := await why_waiting(self._session, live)):
            self._places.cannot(why)


@asynccontextmanager
async def watched(session: Session, places: Places) -> AsyncIterator[Watcher]:
    """Tell of the agent's places beside what is done in this context."""
    watcher = Watcher(session, places)
    running = asyncio.ensure_future(watcher.run())
    try:
        yield watcher
    finally:
        running.cancel()
        await asyncio.wait({running})
