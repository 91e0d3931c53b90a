"""Asks an agent's process whether it is alive, as kubelet does, by the probe of its pod."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

HOST: Final = "127.0.0.1"
_ALIVE: Final = b"HTTP/1.1 200"


def free_port() -> int:
    """Find a port that nobody listens on now; a process that finds it taken ends and is started again."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


async def until_lifeless(probe: Mapping[str, Any], port: int) -> None:
    """Return when a process has not answered so often in a row as the probe bears; else never."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    failures = 0
    while failures < probe.get("failureThreshold", 3):
        await asyncio.sleep(probe.get("periodSeconds", 10))
        failures = 0 if await _alive(probe, port) else failures + 1


async def _alive(probe: Mapping[str, Any], port: int) -> bool:
    path = probe["httpGet"]["path"]
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
            reader, writer = await asyncio.open_connection(HOST, port)
            with closing(writer):
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).startswith(_ALIVE)
    except (OSError, TimeoutError, ValueError):
        return False
