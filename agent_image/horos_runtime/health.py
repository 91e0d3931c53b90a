"""Tells the kubelet whether the runtime is alive: a pulse that every step renews, and an HTTP port to ask."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

STILL_SECONDS: Final = 90.0


class Pulse:
    """When the runtime last showed life, and for how long it said that it would be busy."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock()

    def beat(self, busy_seconds: float = 0.0) -> None:
        """Show life; the next beat may be late by `busy_seconds`."""
        self._until = self._clock() + busy_seconds

    @property
    def alive(self) -> bool:
        """Whether the last beat is recent enough."""
        return self._clock() - self._until < STILL_SECONDS


class HealthServer:
    """Answers every HTTP request with 200 while the pulse is alive, else with 503."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    async def serve(self, host: str, port: int) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._answer, host, port, limit=8192)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                status, text = (
                    ("200 OK", b"alive\n") if self._pulse.alive else ("503 Service Unavailable", b"still\n")
                )
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + text)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()
