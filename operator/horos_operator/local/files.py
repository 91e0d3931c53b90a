"""The folder's files: each is written in one step, so that a process may die between any two lines."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from horos_operator.cluster import ClusterError

LEFT_SECONDS: Final = 10.0
"""How long what a killed process has left may take to end: agents' processes end with it, but not at once."""
LOOK_SECONDS: Final = 0.1


class FolderInUseError(Exception):
    """Another process runs agents from this folder, or agents that it left are still ending."""


class FolderUnusableError(Exception):
    """The folder cannot be made, read or written; the message names it and says why."""


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Say of a file that cannot be changed what an API server would that cannot store: try again later."""
    try:
        yield
    except OSError as error:
        raise ClusterError(f"{path} cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, content: bytes, *, surely: bool = True) -> None:
    """Write a file that only its owner can read; whoever reads it sees all of it, or what it was before.

    `surely`: also after a loss of power. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"..{path.name}.unfinished")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        if surely:
            file.flush()
            os.fsync(file.fileno())
    unfinished.replace(path)
    if surely:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is the folder's
        finally:
            os.close(folder)


def make_folder(folder: Path) -> None:
    """Make the folder for its owner alone, and try to write into it. Raises FolderUnusableError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(folder / "writable", b"", surely=False)
    except OSError as error:
        why = error.strerror or str(error)
        raise FolderUnusableError(f"the folder {folder} cannot be written: {why}") from error


class FolderLock:
    """Lets one operator at a time run agents from a folder.

    The lock goes with the last process that has its file open, and every agent's process has: whoever gets it
    knows that none of those that a killed operator left is alive.
    """

    def __init__(self, file: int) -> None:
        self.file = file

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Take it, after waiting for what a dead process has left. Raises FolderInUseError."""
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        patience = time.monotonic() + LEFT_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _holder(file)
                if _lives(holder) or time.monotonic() > patience:
                    os.close(file)
                    raise FolderInUseError(_in_use(folder, holder)) from None
                time.sleep(LOOK_SECONDS)
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        return cls(file)

    def release(self) -> None:
        """Give it back."""
        os.close(self.file)


def _holder(file: int) -> int:
    """Read who took the lock last; 0 when that is not known."""
    text = os.pread(file, 20, 0)
    return int(text) if text.isdigit() else 0


def _lives(process: int) -> bool:
    if not process:
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(folder: Path, holder: int) -> str:
    if _lives(holder):
        who = f"another process (number {holder})"
        return f"the folder {folder} is used by {who}: end it, or take another folder"
    return f"the folder {folder} is still used by agents of a process that has ended (number {holder})"
