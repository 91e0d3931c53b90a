"""The gateway of `horos run`: the same one, in this process, on a port of this machine only."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import SecretStr
from starlette.applications import Starlette

from horos.errors import RefusedError
from horos_gateway.app import gateway_app
from horos_gateway.server import GatewayServer, ListenError, listening
from horos_gateway.settings import Settings

HOST: Final = "127.0.0.1"


def open_port(port: int) -> socket.socket:
    """Listen on a port of this machine (0: a free one). Raises RefusedError when it is taken."""
    try:
        return listening(HOST, port)
    except ListenError as error:
        raise RefusedError(f"{error}; choose another --port, or 0 for a free one") from error


class _Server(GatewayServer):
    """Ends when it is told to: signals are for the process around it."""

    def __init__(self, app: Starlette, port: int) -> None:
        super().__init__(app, HOST, port)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell that it can be asked."""
        await super().startup(sockets)
        self.ready.set()


class LocalGateway:
    """Serves on an open port until it is stopped."""

    def __init__(self, door: socket.socket, redis_url: str, install: str, token: str) -> None:
        self._door = door
        port = int(door.getsockname()[1])
        self.url = f"http://{HOST}:{port}"
        settings = Settings(redis_url=redis_url, install=install, token=SecretStr(token), port=port)
        self._server = _Server(gateway_app(settings), port)

    async def serve(self) -> None:
        """Answer requests until `stop`."""
        await self._server.serve([self._door])

    async def ready(self) -> None:
        """Wait until it can be asked."""
        await self._server.ready.wait()

    def stop(self) -> None:
        """End the streams of events now, and the rest when it is answered."""
        self._server.should_exit = True
