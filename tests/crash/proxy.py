"""Between one process and Redis: sees which script passes; there it can kill, cut, swallow, hold, freeze."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final, Literal, Protocol

import hiredis

When = Literal["before", "lost", "after", "again", "stop"]
"""Kill when the command arrives; when it was executed, without its reply; at the command after the reply.
`again`: nobody is killed, but the reply is lost and the client sends it a second time.
`stop`: the process is stopped and its pod written off; both go on after another has claimed."""
READ_BYTES: Final = 1 << 16


class Gate(Protocol):
    """Who decides what happens to a command."""

    async def arrives(self, event: str) -> int:
        """Count it and return its number; 0 = it does not pass, since the process has just been killed."""

    async def executed(self, event: str, number: int) -> Literal["deliver", "swallow"]:
        """Say what happens to its reply."""

    def unknown(self, event: str) -> None:
        """Take the count back: Redis did not know the script, and it will come again."""

    async def delivered(self, event: str, number: int) -> None:
        """Hear that the reply is out."""

    async def closed(self, listening: bool) -> None:
        """Hear that a connection is over, one that listened to a channel or one for commands."""


class SwallowedError(Exception):
    """The reply of this command is lost, and the connection with it."""


@cache
def _sources() -> dict[str, str]:
    folder = resources.files("horos_bus") / "scripts"
    return {
        entry.name.removesuffix(".lua"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".lua")
    }


@cache
def _names() -> dict[bytes, str]:
    """Names by what EVALSHA says; a script is joined behind the parts that its first line names."""
    sources, names = _sources(), dict[bytes, str]()
    for name, own in sources.items():
        first, _, _ = own.partition("\n")
        parts = first.removeprefix("-- NEEDS ").split() if first.startswith("-- NEEDS ") else []
        text = "\n".join([*(sources[part] for part in ("prelude", *parts)), own])
        names[hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode()] = name
    return names


def event_of(words: list[bytes]) -> str:
    """Name what a command is: a script by its name, else the command."""
    verb = words[0].upper()
    if verb == b"EVALSHA":
        return _names().get(words[1], "unknown")
    return verb.decode().lower()


async def read_command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Read one command as clients send it: raw, and in words."""
    head = await reader.readuntil(b"\r\n")
    raw, words = [head], []
    for _ in range(int(head[1:-2])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:-2]) + 2)
        raw += [size, word]
        words.append(word[:-2])
    return b"".join(raw), words


async def read_reply(reader: asyncio.StreamReader) -> bytes:
    """Read one reply, raw."""
    parser, raw = hiredis.Reader(notEnoughData=Ellipsis), b""
    while True:
        data = await reader.read(READ_BYTES)
        if not data:
            raise ConnectionError("Redis closed the connection")
        raw += data
        parser.feed(data)
        if parser.gets() is not Ellipsis:
            return raw


@dataclass
class Proxy:
    """One listening port for one process; `frozen` stops what Redis pushes, and keeps the connection open."""

    redis_port: int
    gate: Gate
    frozen: bool = False
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        redis_writer, listening = None, False
        try:
            redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self.redis_port)
            self._writers.add(redis_writer)
            async for event in self._carry(reader, writer, redis_reader, redis_writer):
                listening = event == "subscribe"
        except (OSError, EOFError, SwallowedError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, redis_writer):
                if each is not None:
                    each.transport.abort()
                    self._writers.discard(each)
            await self.gate.closed(listening)
            self._tasks.discard(task)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        redis_reader: asyncio.StreamReader,
        redis_writer: asyncio.StreamWriter,
    ) -> AsyncIterator[str]:
        while True:
            raw, words = await read_command(reader)
            event = event_of(words)
            number = await self.gate.arrives(event)
            if not number:
                raise SwallowedError
            redis_writer.write(raw)
            reply = await read_reply(redis_reader)
            if reply.startswith(b"-NOSCRIPT"):
                self.gate.unknown(event)
                writer.write(reply)
                continue
            if await self.gate.executed(event, number) == "swallow":
                raise SwallowedError
            writer.write(reply)
            await self.gate.delivered(event, number)
            yield event
            if event == "subscribe":
                break
        await _both(
            _pump(reader, redis_writer, lambda: False),
            _pump(redis_reader, writer, lambda: self.frozen),
        )


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drops: Callable[[], bool]
) -> None:
    while data := await reader.read(READ_BYTES):
        if not drops():
            writer.write(data)


async def _both(*ways: Awaitable[None]) -> None:
    """Carry both ways until one of them ends."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
