"""The data folder of `horos run`: made, tried, and locked as long as anything of this run writes there."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from horos.errors import RefusedError

LOCK: Final = "lock"
LEAVING_SECONDS: Final = 15.0
"""How long what an earlier run left behind may take to end by itself."""
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where everything is kept; `lock` is the open file with the lock, for processes that write there."""

    path: Path
    lock: int

    @property
    def redis(self) -> Path:
        """What was said and thought."""
        return self.path / "redis"

    @property
    def objects(self) -> Path:
        """What should exist: the store of the LocalCluster, and the logs of its processes."""
        return self.path / "cluster"

    @property
    def log(self) -> Path:
        """What operator and gateway log."""
        return self.path / "horos.log"

    @property
    def environment(self) -> Path:
        """Shell variables that point the other commands here."""
        return self.path / "env"

    def token(self) -> str:
        """Read the gateway's token; the first run makes it. Raises RefusedError."""
        file = self.path / "token"
        with _told(self.path):
            if file.exists() and (found := file.read_text().strip()):
                return found
            made = secrets.token_urlsafe(24)
            write_private(file, made + "\n")
        return made

    def point_here(self, url: str, token: str) -> None:
        """Write the shell variables. Raises RefusedError."""
        lines = {"HOROS_GATEWAY": url, "HOROS_TOKEN": token}
        with _told(self.path):
            write_private(
                self.environment, "".join(f"export {name}={value}\n" for name, value in lines.items())
            )


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody else may read, whole or not at all. Raises OSError."""
    new = file.with_name(file.name + ".new")
    with suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    new.replace(file)


@contextmanager
def data_folder(path: Path) -> Iterator[DataFolder]:
    """Make the folder if it is not there, and keep everybody else out of it.

    Raises RefusedError when it cannot be written, or another `horos run` uses it. What a run that was killed
    has left behind is given some seconds to end.
    """
    path = path.absolute()
    with _told(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock, path)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield DataFolder(path, lock)
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    deadline = time.monotonic() + LEAVING_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip()
            if _lives(owner) or time.monotonic() > deadline:
                raise RefusedError(
                    f"the data folder {path} is in use by another `horos run` (process {owner or 'unknown'});"
                    " end that one, or choose another folder with --data"
                ) from None
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _lives(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into words."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        raise RefusedError(
            f"the data folder {path} cannot be written: {what}; choose another one with --data"
        ) from error
