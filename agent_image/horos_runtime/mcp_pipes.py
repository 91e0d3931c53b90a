"""The pipes of a server's process: lines of its stdout, the end of its stderr, and how it ended."""

import asyncio
import contextlib
import signal
from collections import deque
from typing import Final, cast

from horos_api.server_report import STDERR_BYTES

LINE_BYTES: Final = 32 * 1024 * 1024
"""The longest line that a server may write; a longer one ends the connection."""
WAITING_BYTES: Final = 4 * 1024 * 1024
"""So much of a server's stdout waits for us at most before the pipe itself has to hold it."""
LINE_COST: Final = 100
"""What a line that waits takes beside its own bytes: empty ones count, too."""
AFTERWARDS_SECONDS: Final = 0.3
"""How long what a server wrote may still come in when it ended, or its end when it closed its stdout."""
NOISE_BYTES: Final = 200


class StderrTail:
    """The last bytes of a server's stderr, with what it wrote to stdout that was no message."""

    def __init__(self) -> None:
        self._kept = b""

    def add(self, data: bytes) -> None:
        """Take in what comes."""
        self._kept = (self._kept + data)[-STDERR_BYTES:]

    def noise(self, line: bytes) -> None:
        """Note a line of stdout that is no message: many servers print there by mistake."""
        if line.strip():
            self.add(b"[on stdout] " + line[:NOISE_BYTES].rstrip() + b"\n")

    @property
    def text(self) -> str:
        """What is kept, cut where a character begins."""
        text = self._kept.decode(errors="ignore")
        while len(text.encode()) > STDERR_BYTES:
            text = text[1:]
        return text.replace("\x00", "")


class ServerPipes(asyncio.SubprocessProtocol):
    """Follows one process; `exited` is set when it has ended, whoever else holds its pipes."""

    def __init__(self, tail: StderrTail) -> None:
        self.tail = tail
        self.exited = asyncio.Event()
        self.ending = ""
        self._transport: asyncio.SubprocessTransport | None = None
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._part: list[bytes] = []
        self._part_bytes = 0
        self._over = self._paused = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: called by the loop."""
        # uvloop's is none of asyncio's classes, so nothing can be asserted.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take in what the server wrote: called by the loop."""
        if fd != 1:
            self.tail.add(data)
            return
        if self._over:
            return  # it may go on writing while it is stopped
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._lines.append(b"".join([*self._part, end]))
            self._waiting += len(self._lines[-1]) + LINE_COST
            self._part, self._part_bytes = [], 0
        if rest:
            self._part.append(rest)
            self._part_bytes += len(rest)
        if self._part_bytes > LINE_BYTES:
            self._part = []
            self._end(f"it wrote a line of more than {LINE_BYTES >> 20} MiB")
        if self._waiting > WAITING_BYTES and not self._paused:
            self._paused = True
            self._stdout().pause_reading()
        self._news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Hear that a pipe was closed: called by the loop."""
        self._writable.set()
        if fd == 1:
            if self.exited.is_set():
                self._end("")
            else:
                self._end_soon("it closed its stdout")

    def process_exited(self) -> None:
        """Hear that the process has ended: called by the loop."""
        self.exited.set()
        self._writable.set()
        # A grandchild may hold stdout open for good.
        self._end_soon("")

    def pause_writing(self) -> None:
        """Hear that the server does not read what we write: called by the loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Hear that it does again: called by the loop."""
        self._writable.set()

    async def line(self) -> bytes | None:
        """Return the next line of stdout, None at the end; then `ending` says what happened."""
        while not self._lines:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        line = self._lines.popleft()
        self._waiting -= len(line) + LINE_COST
        if self._paused and self._waiting <= WAITING_BYTES // 2:
            self._paused = False
            self._stdout().resume_reading()
        return line

    async def write(self, data: bytes) -> None:
        """Write to the server's stdin, and wait when it does not read."""
        assert self._transport is not None
        stdin = self._transport.get_pipe_transport(0)
        if stdin is None or stdin.is_closing():
            return  # its end is told by `line`
        cast(asyncio.WriteTransport, stdin).write(data)
        await self._writable.wait()

    def _stdout(self) -> asyncio.ReadTransport:
        assert self._transport is not None
        return cast(asyncio.ReadTransport, self._transport.get_pipe_transport(1))

    def _end_soon(self, otherwise: str) -> None:
        asyncio.get_running_loop().call_later(AFTERWARDS_SECONDS, self._end, otherwise)

    def _end(self, reason: str) -> None:
        if self._over:
            return
        self._over = True
        self.ending = self._how_it_ended() or reason or "its process ended"
        self._news.set()

    def _how_it_ended(self) -> str:
        code = self._transport.get_returncode() if self._transport is not None else None
        if code is None:
            return ""
        if code >= 0:
            return f"its process ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process was ended by signal {-code}"
