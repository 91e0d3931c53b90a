"""The harness' side of the zygote: starts processes, and hears when they end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass
class Child:
    """One process of its own; `ended` is set when it is gone."""

    pid: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)


class Cradle:
    """A running zygote."""

    def __init__(self, zygote: asyncio.subprocess.Process) -> None:
        self._zygote = zygote
        self._starting: deque[asyncio.Future[Child]] = deque()
        self._children: dict[int, Child] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path, module: str = "tests.crash.zygote") -> AsyncIterator["Cradle"]:
        """Run a zygote beside the block."""
        command = (sys.executable, "-m", module, str(folder / "zygote.pid"))
        pipe = asyncio.subprocess.PIPE
        zygote = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=PROJECT)
        cradle = cls(zygote)
        listening = asyncio.create_task(cradle._listen())
        try:
            yield cradle
        finally:
            assert zygote.stdin is not None
            zygote.stdin.close()
            await zygote.wait()
            await listening

    async def start(self, program: str, environment: Mapping[str, str], log: Path) -> Child:
        """Fork one process that runs a program of the zygote's list."""
        started: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._starting.append(started)
        assert self._zygote.stdin is not None
        order = {"program": program, "environment": dict(environment), "log": str(log)}
        self._zygote.stdin.write(json.dumps(order).encode() + b"\n")
        return await started

    async def _listen(self) -> None:
        assert self._zygote.stdout is not None
        while line := await self._zygote.stdout.readline():
            said = json.loads(line)
            if "started" in said:
                child = self._children[said["started"]] = Child(said["started"])
                starting = self._starting.popleft()
                if not starting.done():  # whoever asked for it may have been cancelled
                    starting.set_result(child)
            else:
                child = self._children.pop(said["ended"])
                child.code = said["code"]
                child.ended.set()
        for waiting in self._starting:
            waiting.set_exception(RuntimeError("the zygote ended"))
