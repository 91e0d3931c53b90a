"""What the peers speak through: each server a process of its own with an empty folder, made for one run."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import PROJECT, Tools

START_SECONDS = 20.0
MINDS = PROJECT / "benchmarks" / "minds"
PORT = "HOROS_GATEWAY_PORT"
"""How the gateway is told; the others have an argument for it."""
REDIS = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
REDIS += ["--maxmemory", "1gb", "--maxmemory-policy", "noeviction", "--hash-max-listpack-value", "1024"]
"""As charts/horos/templates/redis.yaml starts it."""


@dataclass(frozen=True)
class Server:
    """A running server: where it is, and its process."""

    address: str
    port: int
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


def model(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    return scripted(tools, MINDS / "turns.yaml", port)


def tool_model(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    return scripted(tools, PROJECT / "benchmarks" / "tool_servers" / "turns.yaml", port)


def scripted(tools: Tools, script: Path, port: int) -> tuple[list[str], str]:
    command = [tools.own_python, "-m", "horos", "model-script", str(script), "--port", str(port)]
    return command, f"http://127.0.0.1:{port}/v1"


def stamping_model(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    command = [
        tools.own_python,
        "-m",
        "benchmarks.minds.stamping_model",
        str(MINDS / "stream.yaml"),
        str(port),
    ]
    return command, f"http://127.0.0.1:{port}/v1"


def gateway(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    return [tools.own_python, "-m", "horos_gateway"], f"http://127.0.0.1:{port}"


def echo(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    command = [tools.own_python, "-m", "benchmarks.tool_servers.echo", str(port)]
    return command, f"http://127.0.0.1:{port}"


def slow_tool_servers(tools: Tools, _: Path, port: int) -> tuple[list[str], str]:
    command = [tools.own_python, "-m", "benchmarks.tool_servers.slow_http", str(port), "20"]
    return command, f"http://127.0.0.1:{port}"


SERVERS = {
    "redis": redis,
    "durable redis": durable_redis,
    "nats": nats,
    "autogen": autogen,
    "model": model,
    "tool model": tool_model,
    "stamping model": stamping_model,
    "gateway": gateway,
    "echo": echo,
    "slow tool servers": slow_tool_servers,
}


@contextmanager
def running(kind: str, tools: Tools, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server of this kind that answers on its port; ends with the block."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix=f"horos-bench-{kind}-") as folder:
        command, address = SERVERS[kind](tools, Path(folder), port)
        told = os.environ | {PORT: str(port)} | dict(environment or {})
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=PROJECT, env=told)
        try:
            wait_for_port(process, port, Path(folder) / "log")
            yield Server(address, port, process.pid)
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
