"""The operator's /healthz and /readyz: two fixed answers, too small for a web framework."""

import asyncio
from collections.abc import Callable
from typing import Final

from horos_operator.vigil import Vigil

REQUEST_SECONDS: Final = 5.0


class Health:
    """What the probes are told. Alive: sweeps come through and watches tell; ready: it could lead at once.

    Who does lead makes no difference: were a follower not ready, no rollout beside a leader would end.
    """

    def __init__(self, clock: Callable[[], float], silence_seconds: float) -> None:
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._last_sweep = clock()
        self._problem = "the first sweep is not done"
        self.vigil = Vigil(clock)

    def swept(self) -> None:
        """A full sweep went well: Kubernetes and Redis answer."""
        self._last_sweep = self._clock()
        self._problem = ""

    def attempted(self, problem: str) -> None:
        """A sweep was tried and failed because of somebody else: alive, but not ready."""
        self._last_sweep = self._clock()
        self._problem = problem

    def stuck(self, problem: str) -> None:
        """A sweep failed for a cause that only a new process can end: not ready, and in time not alive."""
        self._problem = problem

    def answer(self, path: str) -> tuple[int, str]:
        """Status and text for one probe."""
        if path == "/healthz":
            silent = self._clock() - self._last_sweep
            if silent > self._silence_seconds:
                return 503, f"no sweep came through for {silent:.0f} s; the last problem: {self._problem}"
            problem = self.vigil.silent()
            return (503, problem) if problem else (200, "ok")
        if path == "/readyz":
            problem = self._problem or self.vigil.silent()
            return (503, problem) if problem else (200, "ok")
        return 404, "try /healthz or /readyz"


async def serve_health(health: Health, host: str, port: int) -> asyncio.Server:
    """Start answering probes; the caller closes the server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
            parts = request.split(b" ", 2)
            path = parts[1].decode("ascii", "replace") if len(parts) == 3 else ""
            status, text = health.answer(path)
            body = f"{text}\n".encode()
            head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: text/plain\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # a probe that gave up; the next one comes
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)
