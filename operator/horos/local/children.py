"""Processes that `horos run` starts for itself: out of the terminal's reach, and never left behind."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
GRACE_SECONDS: Final = 10.0
TAIL_LINES: Final = 5


@dataclass(frozen=True)
class Command:
    """What to start: `program` when it is called by another name; `given` is its standard input.

    Its output goes to the end of `log`, standard output too unless it is `heard`. `keeps` are open files that
    it inherits.
    """

    words: Sequence[str]
    log: Path
    folder: Path
    program: str = ""
    environment: Mapping[str, str] | None = None
    given: bytes = b""
    heard: bool = False
    keeps: Sequence[int] = ()


async def start(command: Command) -> asyncio.subprocess.Process:
    """Start a process that gets SIGTERM when this one ends, however it ends. Raises OSError.

    It has a session of its own: Ctrl-C is for this process, which ends it in its own time.
    """
    with command.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command.words,
            executable=command.program or None,
            cwd=command.folder,
            env=None if command.environment is None else dict(command.environment),
            stdin=asyncio.subprocess.PIPE if command.given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if command.heard else log,
            stderr=log,
            pass_fds=tuple(command.keeps),
            start_new_session=True,
            preexec_fn=_dying_with(os.getpid()),
        )
    if process.stdin is not None:
        with suppress(ConnectionError):  # a process that ends at once is told by its log
            process.stdin.write(command.given)
            await process.stdin.drain()
        process.stdin.close()
    return process


def _dying_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    # Looked up before the fork, where no lock can be held by a thread that is not there any more.
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # it has ended meanwhile, and no signal will come

    return ask


async def stop(process: asyncio.subprocess.Process, seconds: float = GRACE_SECONDS) -> None:
    """Ask it to end, and kill it after so many seconds."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Read the last lines of a log, in one line."""
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        return f"its log cannot be read: {error}"
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
