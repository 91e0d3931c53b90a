"""Ten thousand Agents, all hibernated, and an operator that starts anew: what it reads, holds and writes."""

from typing import Final

from tests.simulator.world import World

from benchmarks.scale.bursts import PATIENCE, asleep
from benchmarks.scale.crowd import Buses
from benchmarks.scale.operator_said import said, until_quiet, until_ready
from benchmarks.scale.processes import taken
from benchmarks.scale.rows import Row

AGENTS: Final = 10_000
READY_SECONDS: Final = 10
RSS_MIB: Final = 350


async def restart_row(world: World, buses: Buses, count: int) -> list[Row]:
    """Fill a namespace, stop the operator, start it again and look."""
    agents = [(world.names[0], f"agent-{number}") for number in range(count)]
    await asleep(world, buses, agents)
    world.stop_operator()
    world.start_operator()
    rebuilt = await until_ready(world, PATIENCE)
    at_ready = taken(world.operator_pid)
    looked = rebuilt + await until_quiet(world, count, PATIENCE)
    found, sizes = await said(world), taken(world.operator_pid)
    print(f"ready: {at_ready}; all looked at: {sizes}; {found.passes} passes; {found.writes}", flush=True)
    return [
        Row(f"{count:,} Agents, operator restart: re-list and rebuild", rebuilt, "s", READY_SECONDS),
        Row("… processor time until then", at_ready.cpu, "s"),
        Row("… its memory (the most it ever was)", sizes.peak, "MiB", RSS_MIB),
        Row("… writes to the API server, its Lease's apart", found.writes.total(), "", 0),
        Row("… until each Agent was looked at once", looked, "s"),
        Row("… processor time until then", sizes.cpu, "s"),
    ]
