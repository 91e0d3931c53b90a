"""The parts of a process that thinks: turns with tool calls, or streams; the same for every peer.

As in `benchmarks.peers.parts` a process says that it is ready, waits for a line, and prints what it measured.
Only the standard library and uvloop are imported here: the peers' environment does not know horos.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import uvloop

from benchmarks.peers.parts import line, ready

INSTRUCTIONS = "Be brief."
MODEL = "scripted"
API_KEY = "none"
TOOL = "look_up"
TOOL_SAYS = "Find out what is known of a tag."
ANSWER = "All three are here: nothing more is known of them."
"""What `turns.yaml` answers at the end of each turn."""
WARM_TURNS = 3


@dataclass(frozen=True)
class Job:
    """One process's share: `count` turns of each agent, all agents at once.

    `address` is the model's, or for horos what stands between: Redis for turns, the gateway for streams.
    """

    address: str
    part: str
    agents: list[str]
    text: str
    count: int


class Mind(Protocol):
    """What is compared, with the settings that its makers recommend and no history from turn to turn."""

    async def open(self, job: Job) -> None: ...

    async def turn(self, text: str) -> str:
        """Ask, let the tools run, and return the final text; everything is streamed on the way."""


class Watcher(Protocol):
    """What reads a model's answer while it is made."""

    async def open(self, job: Job) -> None: ...

    def stream(self, agent: str, text: str) -> AsyncIterator[str]:
        """Ask, and yield the text as it comes."""


async def look_up(tag: str) -> str:
    """Find out what is known of a tag."""
    return f"{tag} is here"


async def turns(mind: Mind, job: Job) -> dict[str, Any]:
    """One turn after the other; the seconds of each."""

    async def checked() -> None:
        said = await mind.turn(job.text)
        if said != ANSWER:
            raise RuntimeError(f"the turn ended with {said!r}, not with what the script says")

    for _ in range(WARM_TURNS):
        await checked()
    took: list[float] = []
    meter = await ready()
    for _ in range(job.count):
        began = time.perf_counter()
        await checked()
        took.append(time.perf_counter() - began)
    return meter.read() | {"took": took}


async def streams(watcher: Watcher, job: Job) -> dict[str, Any]:
    """All agents stream at once; how old each token is when it is here, the first of each stream apart."""
    first: list[float] = []
    later: list[float] = []

    async def one(agent: str, keep: bool) -> None:
        ages: list[float] = []
        async for piece in watcher.stream(agent, job.text):
            now = time.perf_counter()
            ages += [now - float(stamp) for stamp in piece.split()]
        if keep:
            first.append(ages[0])
            later.extend(ages[1:])

    async def all_of(agent: str) -> None:
        for _ in range(job.count):
            await one(agent, keep=True)

    await together(one(agent, keep=False) for agent in job.agents)
    meter = await ready()
    await together(all_of(agent) for agent in job.agents)
    return meter.read() | {"first": first, "later": later}


async def together(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)


PARTS: dict[str, Callable[[Any, Job], Awaitable[dict[str, Any]]]] = {"turns": turns, "streams": streams}


def main(player: Callable[[], Any]) -> None:
    """Play the part that standard input's first line describes. Nothing is tidied up: the process ends."""
    job = Job(**json.loads(sys.stdin.readline()))

    async def run() -> None:
        playing = player()
        await playing.open(job)
        part = PARTS[job.part]
        print(json.dumps(await part(playing, job)), flush=True)
        await line()
        os._exit(0)

    uvloop.run(run())
