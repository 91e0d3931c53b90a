"""The line between the browser and the gateway, which a test can cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Wire:
    """Forwards connections to one address until `cut`; from then on it refuses them until `mend`."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._target = (parts.hostname or "", parts.port or 80)
        self._lines: set[asyncio.Task[None]] = set()
        self._dead = False
        self.address = ""

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Wire"]:
        """Listen on a port of its own."""
        async with await asyncio.start_server(self._line, "127.0.0.1", 0) as server:
            self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            self.cut()

    def cut(self) -> None:
        """End everything, and let nobody in."""
        self._dead = True
        for line in self._lines:
            line.cancel()

    def mend(self) -> None:
        """Let connections in again."""
        self._dead = False

    async def _line(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        if self._dead:
            back.close()
            return
        self._lines.add(task)
        there, out = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(here, out))
                group.create_task(_pump(there, back))
        except* OSError:
            pass  # one of the two went away
        finally:
            self._lines.discard(task)
            out.close()
            back.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()
