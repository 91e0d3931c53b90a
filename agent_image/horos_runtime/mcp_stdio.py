"""A tool server that is a child process: JSON lines on its stdin and stdout, in a process group of its own.

It gets exactly the environment that the spec names: not even PATH or HOME of the agent. Its program is looked
for in the agent's PATH. Not the transport of the SDK, which hands on six variables of the agent's own.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from horos_runtime.mcp_pipes import ServerPipes, StderrTail

LEAVE_SECONDS: Final = 1.0
"""How long a server may take to end when its stdin is closed, and again when it is told to by a signal."""
LOOK_SECONDS: Final = 0.01


class StdioError(Exception):
    """A server's process cannot be started; the message says why."""


@contextlib.asynccontextmanager
async def stdio_transport(
    command: Sequence[str],
    environment: Mapping[str, str],
    tail: StderrTail,
    ended: Callable[[str], None],
) -> AsyncIterator[TransportStreams]:
    """Run a server beside the block; `ended` hears when it ends by itself, and how. Raises StdioError."""
    pipes = ServerPipes(tail)
    transport = await _spawn(command, environment, pipes)
    family = _Family(transport, pipes)
    try:
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks, from_server, to_server:
            tasks.start_soon(_read, pipes, to_session, ended)
            tasks.start_soon(_write, pipes, from_session)
            try:
                yield from_server, to_server
            finally:
                tasks.cancel_scope.cancel()
    finally:
        await family.stop()


async def _spawn(
    command: Sequence[str], environment: Mapping[str, str], pipes: ServerPipes
) -> asyncio.SubprocessTransport:
    program = shutil.which(command[0])
    if program is None:
        raise StdioError(f"there is no program {command[0]!r} in this agent's image (PATH {_path()})")
    try:
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: pipes,
            program,
            *command[1:],
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise StdioError(f"{command[0]} cannot be started: {error}") from error
    return transport


def _path() -> str:
    return os.environ.get("PATH") or os.defpath


async def _read(
    pipes: ServerPipes,
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
    ended: Callable[[str], None],
) -> None:
    async with to_session:
        while (line := await pipes.line()) is not None:
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                pipes.tail.noise(line)
                await asyncio.sleep(0)  # however much it prints, others have their turn
                continue
            try:
                await to_session.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return  # the session is gone
        ended(pipes.ending)  # before the session learns that there is an end


async def _write(pipes: ServerPipes, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with from_session:
        async for sent in from_session:
            text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
            await pipes.write(text.encode(errors="replace") + b"\n")


class _Family:
    """A server's process and what it started: its process group."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: ServerPipes) -> None:
        self._transport = transport
        self._pipes = pipes
        pid = transport.get_pid()
        assert pid is not None
        self._group = pid

    async def stop(self) -> None:
        """Close its stdin, then ask by a signal, then kill; nothing of the group is left, nor a zombie."""
        try:
            if (stdin := self._transport.get_pipe_transport(0)) is not None:
                stdin.close()
            if not await self._leader_ends(LEAVE_SECONDS):
                self._signal(signal.SIGTERM)
                await self._leader_ends(LEAVE_SECONDS)
            if self._alive():
                self._signal(signal.SIGTERM)
                await self._all_end(LEAVE_SECONDS)
        finally:
            # Without a wait before it: whatever cancels this must not leave a process behind.
            self._signal(signal.SIGKILL)
            self._transport.close()
        await self._leader_ends(LEAVE_SECONDS)
        await self._all_end(LEAVE_SECONDS)

    async def _leader_ends(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pipes.exited.wait()
        return self._pipes.exited.is_set()

    async def _all_end(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:  # nobody tells when a grandchild ends
                    if not self._alive():
                        return
                    await asyncio.sleep(LOOK_SECONDS)

    def _alive(self) -> bool:
        if self._pipes.exited.is_set():
            # What it left behind is ours to reap where we are the first process, as in a pod. Not
            # before: the loop waits for the leader itself.
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self._group, os.WNOHANG)[0]:
                    pass
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self._group, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True
