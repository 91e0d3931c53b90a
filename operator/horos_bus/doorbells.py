"""The operator's ear for all namespaces: hears over one connection where agents need a process now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from horos_api.names import key_prefix
from horos_bus.connection import Argument, Bus, BusError
from horos_bus.decoding import text
from horos_bus.keys import Keys

BLOCK_MS: Final = 2000
"""One blocking read; well within what a command may take, so that a dead connection is noticed."""
AT_ONCE: Final = 1000
"""Entries of one namespace in one read; about as many as a doorbell keeps."""


class Doorbells:
    """Remembers how far each doorbell was heard. What it says is a hint; `Control.work` is the truth."""

    def __init__(self, bus: Bus, install: str) -> None:
        self._bus = bus.alone()
        self._install = install
        self._heard: dict[str, str] = {}
        self._wait: asyncio.Timeout | None = None

    async def ring(self, namespaces: Iterable[str], block_ms: int) -> set[str]:
        """Wait until an agent of these namespaces gains work without a process; say in which.

        A namespace that was not asked for the last time rings at once. Nobody rings within `block_ms`, or
        two seconds if that is sooner, or before `look_again`: empty. Raises BusUnavailableError when the
        connection is lost; rings may be lost with what Redis forgets, so the next time all of them ring.
        """
        wanted = set(namespaces)
        self._heard = {name: cursor for name, cursor in self._heard.items() if name in wanted}
        try:
            if new := wanted - self._heard.keys():
                await self._begin(new)
                return new
            return await self._listen(max(1, min(block_ms, BLOCK_MS)))
        except BusError:
            self._heard.clear()
            raise

    def look_again(self) -> None:
        """End a `ring` that waits: there are namespaces that it does not know of."""
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())

    async def aclose(self) -> None:
        """Close the connection."""
        await self._bus.aclose()

    async def _begin(self, namespaces: set[str]) -> None:
        """Listen from now on; what rang before is answered by a look at their work."""
        for name in sorted(namespaces):
            newest = await self._bus.command("XREVRANGE", self._key(name), "+", "-", "COUNT", 1)
            self._heard[name] = text(newest[0][0]) if newest else "0-0"

    async def _listen(self, wait_ms: int) -> set[str]:
        try:
            async with asyncio.timeout(None) as self._wait:
                entries = await self._read(wait_ms)
        except TimeoutError:
            return set()
        finally:
            self._wait = None
        names = {self._key(name): name for name in self._heard}
        rang = {names[text(key)]: text(found[-1][0]) for key, found in entries}
        self._heard |= rang
        return set(rang)

    async def _read(self, wait_ms: int) -> list[Any]:
        if not self._heard:
            await asyncio.sleep(wait_ms / 1000)
            return []
        streams = (*map(self._key, self._heard), *self._heard.values())
        words: list[Argument] = ["COUNT", AT_ONCE, "BLOCK", wait_ms, "STREAMS", *streams]
        return list(await self._bus.command("XREAD", *words) or [])

    def _key(self, namespace: str) -> str:
        return Keys(key_prefix(self._install, namespace)).doorbell
