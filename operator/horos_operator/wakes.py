"""Which namespaces' pools to look at: the bell that doorbells, watches and passes ring for one duty."""

import asyncio
import contextlib
from dataclasses import dataclass, field


@dataclass(slots=True)
class Wakes:
    """What has happened since it was taken. All of it is a hint: each second everything is looked at."""

    _touched: set[str] = field(default_factory=set)
    _rung: set[str] = field(default_factory=set)
    _freed: set[str] = field(default_factory=set)
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def touch(self, namespace: str) -> None:
        """Something that decides about slots may have changed."""
        self._touched.add(namespace)
        self._event.set()

    def ring(self, namespace: str) -> None:
        """An agent has gained work."""
        self._rung.add(namespace)
        self._event.set()

    def free(self, namespace: str) -> None:
        """A pod has ended, or a quota was counted: there may be room where there was none."""
        self._freed.add(namespace)
        self._event.set()

    def take(self) -> tuple[set[str], set[str], set[str]]:
        """Take what was touched, rung and freed."""
        taken = (self._touched, self._rung, self._freed)
        self._touched, self._rung, self._freed = set(), set(), set()
        self._event.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait until something happens, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
