"""An OpenAI-compatible server on loopback: reads whole requests, streams what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.crash.mind import Thought

Answer = Callable[[str, list[dict[str, Any]]], Awaitable[Thought | int]]
"""From an API key and the conversation to what is said; a number is an HTTP error."""
Done = Callable[[str], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class ModelServer:
    """Listens until stopped. `done` hears the key of whoever has its whole answer."""

    def __init__(self, answer: Answer, done: Done) -> None:
        self._answer = answer
        self._done = done
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 22)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                request = json.loads(await reader.readexactly(int(fields["content-length"])))
                key = fields["authorization"].removeprefix("bearer ")
                said = await self._answer(key, request["messages"])
                if isinstance(said, int):
                    _refuse(writer, said)
                else:
                    writer.write(HEAD)
                    async for chunk in _chunks(said):
                        _write(writer, chunk)
                        await writer.drain()
                    writer.write(b"0\r\n\r\n")
                await writer.drain()
                self._done(key)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)


def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    error = {"message": "refused once", "code": "model_not_found", "type": "invalid_request_error"}
    data = json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _chunks(said: Thought) -> AsyncIterator[bytes]:
    """Stream one completion."""
    parts: list[dict[str, Any]] = []
    if said.calls:
        # Ids repeat from step to step, as those of some providers do.
        calls = [
            {
                "index": index,
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(said.calls)
        ]
        parts.append({"tool_calls": calls})
    else:
        half = len(said.text) // 2
        parts += [{"content": said.text[:half]}, {"content": said.text[half:]}]
    for part in parts:
        yield _event(part, None)
        await asyncio.sleep(0)
    yield _event({}, "tool_calls" if said.calls else "stop")
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2} if finish else None
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps({**chunk, "usage": usage}).encode() + b"\n\n"
