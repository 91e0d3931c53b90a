"""The operator's /healthz, /readyz and /metrics: three answers, too small for a web framework."""

import asyncio
from collections.abc import Callable
from typing import Final

from horos_operator.vigil import Vigil

REQUEST_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
"""How long a scraper may take to read; with ten thousand agents there are megabytes."""


class Health:
    """What the probes are told. Alive: sweeps come through and watches tell; ready: it could lead at once.

    Who does lead makes no difference: were a follower not ready, no rollout beside a leader would end.
    """

    def __init__(self, clock: Callable[[], float], silence_seconds: float) -> None:
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._last_sweep = self._went_well = clock()
        self._problem = "the first sweep is not done"
        self.vigil = Vigil(clock)

    def swept(self) -> None:
        """A full sweep went well: Kubernetes and Redis answer."""
        self._last_sweep = self._went_well = self._clock()
        self._problem = ""

    def attempted(self, problem: str) -> None:
        """A sweep was tried and failed because of somebody else: alive, but not ready."""
        self._last_sweep = self._clock()
        self._problem = problem

    def stuck(self, problem: str) -> None:
        """A sweep failed for a cause that only a new process can end: not ready, and in time not alive."""
        self._problem = problem

    def sweep_age(self) -> float:
        """Seconds since the last sweep that went well, or since the start."""
        return self._clock() - self._went_well

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
        return 404, "try /healthz, /readyz or /metrics"


async def serve_health(
    health: Health, host: str, port: int, metrics: Callable[[str], tuple[str, bytes]] | None = None
) -> asyncio.Server:
    """Start answering probes and scrapers; the caller closes the server.

    `metrics` gets what a scraper accepts and gives a media type and the text.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                path, accept = _asked(await reader.readuntil(b"\r\n\r\n"))
            if path == "/metrics" and metrics is not None:
                # In a thread: thousands of agents take their time, and probes do not wait.
                status, (media_type, body) = 200, await asyncio.to_thread(metrics, accept)
            else:
                status, text = health.answer(path)
                media_type, body = "text/plain", f"{text}\n".encode()
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(_head(status, media_type, len(body)) + body)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # somebody gave up; the next one comes
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)


def _asked(request: bytes) -> tuple[str, str]:
    """Path without its query, and the value of the header Accept."""
    first, *headers = request.decode("latin-1").split("\r\n")
    words = first.split(" ")
    path = words[1].partition("?")[0] if len(words) == 3 else ""
    accept = (line.partition(":")[2] for line in headers if line.lower().startswith("accept:"))
    return path, next(accept, "").strip()


def _head(status: int, media_type: str, length: int) -> bytes:
    reason = "OK" if status == 200 else "Error"
    headers = f"Content-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close"
    return f"HTTP/1.1 {status} {reason}\r\n{headers}\r\n\r\n".encode()
