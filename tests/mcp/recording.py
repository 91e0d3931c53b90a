"""The test's side of the servers in `raw_stdio`, and the processes that there are."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.mcp import raw_stdio
from tests.mcp.raw_stdio import Message, Told


@dataclass(frozen=True)
class RawStdio:
    """How to start such a server, and what its lives have heard."""

    folder: Path

    @classmethod
    def told(cls, folder: Path, *lives: Told) -> "RawStdio":
        """Say what it does, life by life."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "told.json").write_text(json.dumps(lives or ({},)))
        (folder / "heard.jsonl").touch()
        return cls(folder)

    @property
    def command(self) -> tuple[str, ...]:
        # Isolated and without `site`: it needs the standard library only and starts in 20 ms.
        return (sys.executable, "-IS", str(raw_stdio.__file__), str(self.folder))

    @property
    def heard(self) -> list[Message]:
        """All messages of all lives, and a line where each begins."""
        return [json.loads(line) for line in (self.folder / "heard.jsonl").read_text().splitlines()]

    @property
    def pids(self) -> list[int]:
        """The processes, in the order of their lives."""
        return [int(line["pid"]) for line in self.heard if "life" in line]

    def said(self, method: str) -> list[Message]:
        """The messages of one method."""
        return [message for message in self.heard if message.get("method") == method]

    def calls(self, tool: str) -> list[Message]:
        """The calls of one tool."""
        return [message for message in self.said("tools/call") if message["params"]["name"] == tool]

    @property
    def cancelled(self) -> list[Message]:
        """The calls that were taken back; what listens for changes is taken back at the end, too."""
        ids = [message["params"]["requestId"] for message in self.said("notifications/cancelled")]
        return [call for call in self.said("tools/call") if call["id"] in ids]

    def kill(self) -> None:
        """End the life of now, as the kernel does when memory is short."""
        os.kill(self.pids[-1], signal.SIGKILL)


def is_there(pid: int) -> bool:
    """Whether the kernel knows the process, be it only as a zombie."""
    return Path(f"/proc/{pid}").exists()


def children() -> set[int]:
    """The processes that this one has started and that are not gone, zombies among them."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name may have spaces; it ends with the last bracket.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(folder.name))
    return found


async def eventually(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until the condition holds; fails with `what` was expected."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)
