"""How the simulator reaches a namespace's Redis: with the Secret that the operator made for its agents."""

import asyncio
import base64
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from horos_api.names import SECRET_BUS
from horos_bus.connection import Bus
from horos_operator.kube.connection import KubeConnection, KubeError
from tests.simulator.wakes import Wakes

AGAIN_SECONDS: Final = 0.5


class Door:
    """The bus of one namespace and the wake channels of its agents."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.wakes = Wakes(bus)


class Doors:
    """Opens each namespace once. `address`: `host:port` of Redis from here, if not as pods see it."""

    def __init__(self, connection: KubeConnection, tasks: asyncio.TaskGroup, address: str = "") -> None:
        self._connection = connection
        self._tasks = tasks
        self._address = address
        self._open: dict[str, asyncio.Task[Door]] = {}
        self._stack = AsyncExitStack()

    async def of(self, namespace: str) -> Door:
        """Wait for the namespace's Secret, as kubelet does, and open its bus."""
        if namespace not in self._open:
            self._open[namespace] = self._tasks.create_task(self._opened(namespace))
        return await asyncio.shield(self._open[namespace])

    async def aclose(self) -> None:
        """Close every connection to Redis."""
        await self._stack.aclose()

    async def _opened(self, namespace: str) -> Door:
        url, prefix = await self._credentials(namespace)
        door = Door(Bus.open(url, prefix))
        self._stack.push_async_callback(door.bus.aclose)
        self._tasks.create_task(door.wakes.run())
        return door

    async def _credentials(self, namespace: str) -> tuple[str, str]:
        path = f"/api/v1/namespaces/{namespace}/secrets/{SECRET_BUS}"
        while True:
            try:
                data = (await self._connection.request("GET", path))["data"]
                break
            except KubeError:
                await asyncio.sleep(AGAIN_SECONDS)
        url, prefix = (base64.b64decode(data[key]).decode() for key in ("url", "prefix"))
        return self._seen_from_here(url), prefix

    def _seen_from_here(self, url: str) -> str:
        if not self._address:
            return url
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{self._address}"))
