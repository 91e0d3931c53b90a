"""All agents of some namespaces, followed from the bus as they come, speak and go."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from horos.local.follower import Follower, Line, LineKind
from horos_api.names import key_prefix
from horos_bus.connection import Bus, BusError
from horos_bus.control import Control
from horos_bus.event_stream import EventStream, position_of
from horos_bus.records import StoredEvent

LOOK_SECONDS: Final = 0.3
"""How soon an agent that was born is followed."""
CATCH_UP_SECONDS: Final = 5.0
"""How long is waited at most for what was written, and not yet shown."""
BLOCK_SECONDS: Final = 2.0
REST_SECONDS: Final = 1.0
_BEGINNING: Final = "0"

log = logging.getLogger("horos.run")


@dataclass(frozen=True, slots=True, order=True)
class Who:
    """One life of an agent."""

    namespace: str
    name: str
    uid: str


Listener: TypeAlias = Callable[[Who, StoredEvent], None]


class Audience:
    """Follows every agent of the namespaces; what is said goes to `show`, each event to `listeners`."""

    def __init__(
        self, bus: Bus, install: str, namespaces: Iterable[str], show: Callable[[Line], None]
    ) -> None:
        self.followers: dict[str, Follower] = {}
        self.listeners: list[Listener] = []
        self._buses = {each: bus.at(key_prefix(install, each)) for each in namespaces}
        self._show = show
        self._places: dict[Who, str] = {}
        """Up to where the events of each have been shown, or need not be."""
        self._moved = asyncio.Event()

    async def remember(self) -> list[str]:
        """Take who is there already: only what they do from now on is shown. Returns their names."""
        for who in await self._all():
            stream = EventStream(self._buses[who.namespace])
            self._places[who] = await stream.last_id(who.name)
        return [self._called(who) for who in self._places]

    async def follow(self) -> None:
        """Follow everybody, who is there and who comes; without end."""
        followed: set[Who] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    found = await self._all()
                except BusError as error:
                    log.warning("the agents cannot be listed: %s", error)
                    found = []
                for who in found:
                    if who not in followed:
                        followed.add(who)
                        tasks.create_task(self._read(who), name=f"events of {who.name}")
                await asyncio.sleep(LOOK_SECONDS)

    async def catch_up(self) -> None:
        """Wait until what had happened by now has been shown; a Redis that is away is not waited for."""
        with suppress(TimeoutError, BusError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                for who in await self._all():
                    newest = position_of(await EventStream(self._buses[who.namespace]).last_id(who.name))
                    while position_of(self._places.get(who, _BEGINNING)) < newest:
                        self._moved.clear()
                        await self._moved.wait()

    async def _all(self) -> list[Who]:
        return [
            Who(namespace, name, uid)
            for namespace, bus in self._buses.items()
            for name, uid in sorted((await Control(bus).agents()).items())
        ]

    async def _read(self, who: Who) -> None:
        """Follow one agent until it is gone; a Redis that is away is waited for."""
        called = self._called(who)
        follower = self.followers.setdefault(called, Follower(called))
        stream = EventStream(self._buses[who.namespace])
        if who not in self._places:
            self._places[who] = _BEGINNING
            self._show(Line(LineKind.NOTE, called, "is there"))
        while True:
            try:
                events = await stream.read(who.name, None, self._places[who], BLOCK_SECONDS)
                if not events and not await self._lives(who):
                    break
            except (BusError, ValueError, KeyError) as error:
                log.warning("the events of %s cannot be read: %r", called, error)
                await asyncio.sleep(REST_SECONDS)
                continue
            for event in events:
                self._heard(who, follower, event)
        if self.followers.get(called) is follower:
            del self.followers[called]
        self._show(Line(LineKind.NOTE, called, "is gone"))

    def _heard(self, who: Who, follower: Follower, event: StoredEvent) -> None:
        for listener in self.listeners:
            listener(who, event)
        for line in follower.feed(event.event):
            self._show(line)
        self._places[who] = event.id
        self._moved.set()

    async def _lives(self, who: Who) -> bool:
        return (await Control(self._buses[who.namespace]).agents()).get(who.name) == who.uid

    def _called(self, who: Who) -> str:
        """Name an agent, with its namespace where there are several."""
        return who.name if len(self._buses) == 1 else f"{who.namespace}/{who.name}"


def told(who: Who, event: StoredEvent) -> dict[str, Any]:
    """Build what programs read of one event: the event, whose it is and where it stands."""
    return {"agent": who.name, "namespace": who.namespace, "eventId": event.id, **event.event}
