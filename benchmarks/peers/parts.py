"""The parts that a process of a scenario can play, the same for every peer.

A process prints a line when it is ready, waits for a line, plays its part, and prints what it measured. Only
the standard library and uvloop are imported here: the peers' environment does not know horos.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import uvloop

Handle: TypeAlias = Callable[[str], list[tuple[str, str]]]
"""What an agent does with a message: returns those that it sends on, each with its receiver."""


@dataclass(frozen=True)
class Job:
    """One process's share of a scenario."""

    address: str
    part: str
    agents: list[str]
    partners: list[str]
    count: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    in_flight: int = 1
    size: int = 200


class Peer(Protocol):
    """One process's connection to what is compared, with the settings that its makers recommend."""

    async def open(self, address: str) -> None: ...

    async def serve(self, agent: str, handle: Handle) -> None:
        """Begin to hand the agent's messages to `handle`, each acknowledged after it was handled."""

    async def send(self, to: str, body: str) -> None:
        """Send one message; returns when the other side has accepted it, where that is known."""

    async def answer(self, agent: str) -> None:
        """Begin to answer requests to the agent with what they said."""

    async def ask(self, asker: str, to: str, bodies: "Bodies") -> list[float]:
        """Ask until `bodies` has no more, so many at a time as it says; the seconds of each."""


class Crowd(Peer, Protocol):
    """A peer with groups, or topics: one message reaches all members."""

    async def attend(self, group: str, members: list[str], heard: Callable[[str], None]) -> None:
        """Begin to hand each member of a group what is posted there, acknowledged after it was heard."""

    async def post(self, group: str, body: str) -> None:
        """Post one message; returns when the other side has accepted it, where that is known."""


class Bodies:
    """So many bodies of one size, each with the moment when it was made."""

    def __init__(self, job: Job) -> None:
        self.left = job.count
        self.in_flight = job.in_flight
        self._filling = "x" * (job.size - 22)

    def next(self) -> str:
        self.left -= 1
        return stamped(self._filling)


def stamped(filling: str) -> str:
    return f"{time.perf_counter():<21.9f} {filling}"


def age(body: str) -> float:
    """Seconds since the body was made, on whatever process: Linux has one monotonic clock for all."""
    return time.perf_counter() - float(body.partition(" ")[0])


async def ask_each(ask: Callable[[str], Awaitable[object]], bodies: Bodies) -> list[float]:
    """Ask with as many workers as requests may be in flight."""
    took: list[float] = []

    async def worker() -> None:
        while bodies.left > 0:
            body = bodies.next()
            await ask(body)
            took.append(age(body))

    async with asyncio.TaskGroup() as group:
        for _ in range(bodies.in_flight):
            group.create_task(worker())
    return took


async def play(peer: Peer, job: Job) -> dict[str, Any]:
    await peer.open(job.address)
    if job.part in ("attend", "announce"):
        return await {"attend": attend, "announce": announce}[job.part](cast(Crowd, peer), job)
    part = {"listen": listen, "talk": talk, "answer": answer, "ask": ask, "hop": hop}[job.part]
    return await part(peer, job)


async def listen(peer: Peer, job: Job) -> dict[str, Any]:
    """Receive `count` messages; how long each was under way."""
    took: list[float] = []
    all_here = asyncio.Event()

    def handle(body: str) -> list[tuple[str, str]]:
        took.append(age(body))
        if len(took) == job.count:
            all_here.set()
        return []

    await peer.serve(job.agents[0], handle)
    meter = await ready()
    await all_here.wait()
    return meter.read() | {"took": took}


async def talk(peer: Peer, job: Job) -> dict[str, Any]:
    """Send `count` messages with a pause after each, so that the receiver sleeps when the next one comes."""
    meter = await ready()
    bodies = Bodies(job)
    while bodies.left > 0:
        await peer.send(job.partners[0], bodies.next())
        await asyncio.sleep(job.pause)
    return meter.read()


async def answer(peer: Peer, job: Job) -> dict[str, Any]:
    await peer.answer(job.agents[0])
    meter = await ready()
    await line()
    return meter.read()


async def ask(peer: Peer, job: Job) -> dict[str, Any]:
    meter = await ready()
    took = await peer.ask(job.agents[0], job.partners[0], Bodies(job))
    return meter.read() | {"took": took}


async def hop(peer: Peer, job: Job) -> dict[str, Any]:
    """Agents in pairs, one message between the two of each: every turn sends it back."""
    hops = 0
    filling = "x" * (job.size - 22)
    partner = dict(zip(job.agents, job.partners, strict=True))

    def handler(agent: str) -> Handle:
        def handle(body: str) -> list[tuple[str, str]]:
            nonlocal hops
            hops += 1
            return [(partner[agent], stamped(filling))]

        return handle

    for agent in job.agents:
        await peer.serve(agent, handler(agent))
    await ready()
    for agent in job.agents:
        if agent < partner[agent]:
            await peer.send(partner[agent], stamped(filling))
    await asyncio.sleep(job.seconds / 4)  # until all are on the way
    meter, before = Meter(), hops
    await asyncio.sleep(job.seconds)
    return meter.read() | {"hops": hops - before}


async def attend(peer: Crowd, job: Job) -> dict[str, Any]:
    """All members of a group hear `count` messages; how long each was under way to the last of them."""
    heard: dict[str, int] = {}
    took: list[float] = []
    all_here = asyncio.Event()

    def hear(body: str) -> None:
        heard[body] = heard.get(body, 0) + 1
        if heard[body] == len(job.agents):
            took.append(age(body))
        if len(took) == job.count:
            all_here.set()

    await peer.attend(job.partners[0], job.agents, hear)
    meter = await ready()
    await all_here.wait()
    return meter.read() | {"took": took}


async def announce(peer: Crowd, job: Job) -> dict[str, Any]:
    """Post `count` messages with a pause after each, in which all members hear it."""
    meter = await ready()
    bodies = Bodies(job)
    while bodies.left > 0:
        await peer.post(job.partners[0], bodies.next())
        await asyncio.sleep(job.pause)
    return meter.read()


class Meter:
    """Time and processor time of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), processor_seconds()

    def read(self) -> dict[str, Any]:
        return {"seconds": time.perf_counter() - self._wall, "cpu": processor_seconds() - self._cpu}


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def line() -> str:
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def ready() -> Meter:
    """Say that the process is ready, and wait until all are."""
    print("ready", flush=True)
    await line()
    return Meter()


def main(peer: Callable[[], Peer]) -> None:
    """Play the part that standard input's first line describes. Nothing is tidied up: the process ends."""
    job = Job(**json.loads(sys.stdin.readline()))

    async def run() -> None:
        print(json.dumps(await play(peer(), job)), flush=True)
        await line()
        os._exit(0)

    uvloop.run(run())
