"""The wake channels of all simulated agents of a namespace, over one connection to Redis."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Final

from redis.asyncio.client import PubSub

from horos_bus.connection import Bus, BusError, BusUnavailableError
from horos_bus.message_service import SUBSCRIBE_SECONDS

AGAIN_SECONDS: Final = 0.2


class Ear:
    """What one agent hears: a wake, a confirmed subscription and a lost connection alike set `heard`."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.heard = asyncio.Event()

    async def after(self, seconds: float) -> None:
        """Return when something was heard since `heard` was cleared, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.heard.wait()


class Wakes:
    """Subscribes for many agents; `run` is a task beside them.

    An agent of its own process has a connection of its own, as MessageService does it. A thousand agents of
    one process would have a thousand of them.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._pubsub: PubSub = bus.pubsub()
        self._ears: defaultdict[str, set[Ear]] = defaultdict(set)
        self._asking = asyncio.Lock()
        self._asked = asyncio.Event()

    @contextlib.asynccontextmanager
    async def ear(self, agent: str) -> AsyncIterator[Ear]:
        """Listen for an agent; `subscribe` asks for it to begin."""
        ear = Ear(self._bus.keys.wake(agent))
        self._ears[ear.channel].add(ear)
        try:
            yield ear
        finally:
            self._ears[ear.channel].discard(ear)
            if not self._ears[ear.channel]:
                del self._ears[ear.channel]
                with contextlib.suppress(BusError):
                    await self._ask(self._pubsub.unsubscribe, ear.channel)

    async def subscribe(self, ear: Ear) -> None:
        """Return when Redis has confirmed the subscription; raises BusUnavailableError."""
        ear.heard.clear()
        await self._ask(self._pubsub.subscribe, ear.channel)
        self._asked.set()
        await ear.after(SUBSCRIBE_SECONDS)
        if not ear.heard.is_set():
            raise BusUnavailableError("Redis did not confirm the subscription in time")

    async def run(self) -> None:
        """Read until cancelled; a connection that breaks is a wake for everybody."""
        await self._asked.wait()
        try:
            while True:
                try:
                    async with self._bus.translated():
                        self._tell(await self._pubsub.get_message(timeout=1.0))
                except BusError:
                    await self._begin_anew()
        finally:
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    def _tell(self, message: Any) -> None:
        if message is not None and message["type"] in {"message", "subscribe"}:
            for ear in self._ears.get(message["channel"].decode(), ()):
                ear.heard.set()

    async def _begin_anew(self) -> None:
        async with self._asking:
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            self._pubsub = self._bus.pubsub()
        await asyncio.sleep(AGAIN_SECONDS)
        with contextlib.suppress(BusError):
            if self._ears:
                await self._ask(self._pubsub.subscribe, *self._ears)
        for ear in [ear for ears in self._ears.values() for ear in ears]:
            ear.heard.set()

    async def _ask(self, what: Any, *channels: str) -> None:
        async with self._asking, self._bus.translated():
            await what(*channels)
