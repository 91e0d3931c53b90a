"""Hibernated agents, a message each at once, and much smaller pools: who is answered, how fast."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.simulator.replay import Replay, replaying
from tests.simulator.world import World

from benchmarks.scale.births import hibernate
from benchmarks.scale.crowd import Agent, Buses, all_of, create, create_pools, resize_pools, until
from benchmarks.scale.operator_said import said, until_quiet
from benchmarks.scale.processes import taken
from benchmarks.scale.rows import Row
from horos_operator.kube.connection import KubeConnection

AGENTS: Final = 5_100
NAMESPACES: Final = 51
POOL: Final = 4
RSS_MIB: Final = 256
WRITES: Final = 3
PER_SECOND: Final = 40
PATIENCE: Final = 900.0
QUIET_AFTER: Final = 60.0
"""How long after the last answer pods may take to end, in seconds, until the writes are counted anyway."""


@dataclass(frozen=True)
class Burst:
    """What a burst came to. `seconds` is from the first message to the last answer.

    `most` is how many pods one namespace had at most at any instant.
    """

    agents: int
    answered: int
    seconds: float
    writes: dict[str, int]
    rss: float
    cpu: float
    most: int


async def asleep(world: World, buses: Buses, agents: Sequence[Agent]) -> None:
    """Make agents that have lived before and have nothing to do; their pools let nobody run yet."""
    await create_pools(world, max_running=0)
    seconds = await create(agents)
    print(f"{len(agents)} Agents made in {seconds:.0f} s", flush=True)

    async def known() -> bool:
        counts = [await buses[each].command("HLEN", buses[each].keys.agents) for each in world.names]
        return bool(sum(counts) == len(agents))

    await until("the bus knows all of them", known, PATIENCE)
    await hibernate(buses, agents)
    seconds = await until_quiet(world, len(agents), PATIENCE)
    print(f"asleep {seconds:.0f} s later: {(await said(world)).writes}", flush=True)


async def burst(world: World, buses: Buses, agents: Sequence[Agent], pool: int) -> Burst:
    """Let pools run so many, send each agent a message, and wait for the answers."""
    connection = await KubeConnection.open()
    try:
        async with replaying(connection) as replay:
            return await _burst(world, buses, agents, pool, replay)
    finally:
        await connection.aclose()


async def _burst(world: World, buses: Buses, agents: Sequence[Agent], pool: int, replay: Replay) -> Burst:
    await resize_pools(world, pool)
    await until_quiet(world, 0, PATIENCE)
    before, cpu = await said(world), taken(world.operator_pid).cpu
    begun = time.monotonic()
    await all_of(lambda agent: buses.ask(agent, _mid(agent)), agents)
    print(f"{len(agents)} messages sent in {time.monotonic() - begun:.1f} s", flush=True)
    count = 0
    told = begun

    async def all_answered() -> bool:
        nonlocal count, told
        count = await buses.answered(agents, _mid)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            size = taken(world.operator_pid)
            print(f"{told - begun:.0f} s: {count} answered; {size}", flush=True)
        return count == len(agents)

    try:
        seconds = await until("all are answered", all_answered, PATIENCE, every=1.0)
    except TimeoutError:
        seconds = math.inf
    await _settled(world)
    found, size = await said(world), taken(world.operator_pid)
    return Burst(
        agents=len(agents),
        answered=count,
        seconds=seconds,
        writes=dict((found.writes - before.writes).most_common()),
        rss=size.peak,
        cpu=size.cpu - cpu,
        most=max(replay.most.values(), default=0),
    )


async def _settled(world: World) -> None:
    try:
        await until_quiet(world, 0, QUIET_AFTER)
    except TimeoutError:
        print("the operator is still busy; its writes are counted all the same", flush=True)


def _mid(agent: Agent) -> str:
    return f"burst-{agent[1]}"


def rows(found: Burst, namespaces: int, pool: int) -> list[Row]:
    """The burst's rows of the table."""
    print(found.writes, flush=True)
    activations = max(1, found.answered)
    shape = f"{found.agents:,} agents in {namespaces} namespaces, a message each at once, {pool} slots each"
    return [
        Row(f"{shape}: answered", 100 * found.answered / found.agents, "%", 100, "at least"),
        Row("… pods that a namespace had at once, at most", found.most, "", pool),
        Row("… until the last answer", round(found.seconds, 1), "s"),
        Row("… activations a second", found.answered / found.seconds, "/s", PER_SECOND, "at least"),
        Row("… writes of the operator per activation", sum(found.writes.values()) / activations, "", WRITES),
        Row("… memory of the operator (the most it ever was)", found.rss, "MiB", RSS_MIB),
        Row("… processor time of the operator per activation", 1000 * found.cpu / activations, "ms"),
    ]


async def burst_row(world: World, buses: Buses, count: int, pool: int = POOL) -> list[Row]:
    """Measure one burst, spread evenly over the world's namespaces."""
    names = world.names
    agents = [(names[number % len(names)], f"agent-{number}") for number in range(count)]
    await asleep(world, buses, agents)
    return rows(await burst(world, buses, agents, pool), len(names), pool)
