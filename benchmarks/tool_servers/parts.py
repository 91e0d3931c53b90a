"""The parts of a process that calls tools of MCP servers; the same with the manager and with the bare SDK."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import uvloop

from benchmarks.peers.parts import line, ready

WARM_CALLS = 50


@dataclass(frozen=True)
class Place:
    """Where a server is: a URL, or the command of one that speaks over stdio."""

    name: str
    url: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One process's share: `calls`: so many of the tool `echo`; `starts`: until `tools` are there.

    `servers` holds the fields of Place; `slowest` is the name of the one that starts last.
    """

    part: str
    servers: list[dict[str, Any]]
    count: int = 0
    tools: int = 0
    slowest: str = ""

    @property
    def places(self) -> list[Place]:
        return [Place(one["name"], one["url"], tuple(one["command"])) for one in self.servers]


class Caller(Protocol):
    """What is compared."""

    async def open(self, job: Job) -> None:
        """Connect to the first server, which has the tool `echo`."""

    async def call(self, text: str) -> str:
        """Call it, and return what a model would read."""

    async def start(self, job: Job) -> None:
        """Connect to what this one is measured with, and return when all its tools are known."""


async def calls(caller: Caller, job: Job) -> dict[str, Any]:
    """One call after the other; the seconds of each."""
    await caller.open(job)
    took: list[float] = []
    for number in range(WARM_CALLS):
        await checked(caller, number)
    meter = await ready()
    for number in range(job.count):
        began = time.perf_counter()
        await checked(caller, number)
        took.append(time.perf_counter() - began)
    return meter.read() | {"took": took}


async def checked(caller: Caller, number: int) -> None:
    text = f"number {number}"
    if (said := await caller.call(text)) != text:
        raise RuntimeError(f"the tool said {said!r}, not {text!r}")


async def starts(caller: Caller, job: Job) -> dict[str, Any]:
    """Seconds from the first connection until everything is there."""
    meter = await ready()
    await caller.start(job)
    return meter.read()


PARTS: dict[str, Callable[[Caller, Job], Awaitable[dict[str, Any]]]] = {"calls": calls, "starts": starts}


def main(caller: Callable[[], Caller]) -> None:
    """Play the part that standard input's first line describes.

    The process ends without farewell; its servers' standard input ends with it, and they with that.
    """
    job = Job(**json.loads(sys.stdin.readline()))

    async def run() -> None:
        print(json.dumps(await PARTS[job.part](caller(), job)), flush=True)
        await asyncio.shield(line())
        os._exit(0)

    uvloop.run(run())
