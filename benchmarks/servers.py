"""What the peers speak through: each server a process of its own with an empty folder, made for one run."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import PROJECT, Tools

START_SECONDS = 20.0
REDIS = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
REDIS += ["--maxmemory", "1gb", "--maxmemory-policy", "noeviction", "--hash-max-listpack-value", "1024"]
"""As charts/horos/templates/redis.yaml starts it."""


@dataclass(frozen=True)
class Server:
    """A running server: where it is, and its process."""

    address: str
    pid: int


def redis(tools: Tools, folder: Path, port: int) -> tuple[list[str], str]:
    command = [tools.redis, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *REDIS]
    return command, f"redis://127.0.0.1:{port}/0"


def durable_redis(tools: Tools, folder: Path, port: int) -> tuple[list[str], str]:
    command, address = redis(tools, folder, port)
    return [*command, "--appendfsync", "always"], address


def nats(tools: Tools, folder: Path, port: int) -> tuple[list[str], str]:
    command = [tools.nats, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    return command, f"nats://127.0.0.1:{port}"


def autogen(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    address = f"127.0.0.1:{port}"
    return [tools.peers_python, "-m", "benchmarks.peers.autogen_host", address], address


SERVERS = {"redis": redis, "durable redis": durable_redis, "nats": nats, "autogen": autogen}


@contextmanager
def running(kind: str, tools: Tools) -> Iterator[Server]:
    """A server of this kind that answers on its port; ends with the block."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix=f"horos-bench-{kind}-") as folder:
        command, address = SERVERS[kind](tools, Path(folder), port)
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=PROJECT)
        try:
            wait_for_port(process, port, Path(folder) / "log")
            yield Server(address, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
