"""Ten thousand Agents, all hibernated, and an operator that starts anew: what it reads, holds and writes."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

from tests.simulator.world import World

from benchmarks.scale.counters import between, writes
from benchmarks.scale.crowd import Agent, Buses, create, until
from benchmarks.scale.processes import taken
from benchmarks.scale.rows import Row

AGENTS: Final = 10_000
READY_SECONDS: Final = 10
RSS_MIB: Final = 350
QUIET_SECONDS: Final = 4.0
PATIENCE: Final = 900.0


def ready(world: World) -> bool:
    """Whether the operator's caches are complete and Redis answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{world.probe_port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def quiet(world: World) -> None:
    """Wait until the operator has nothing to do: it hardly takes the processor for some seconds."""

    async def rests() -> bool:
        before = taken(world.operator_pid).cpu
        await asyncio.sleep(QUIET_SECONDS)
        return taken(world.operator_pid).cpu - before < QUIET_SECONDS * 0.08

    await until("the operator has nothing to do", rests, PATIENCE, every=0)


async def restart(world: World, buses: Buses, count: int, **spec: Any) -> list[Row]:
    """Fill a namespace, stop the operator, start it again and look."""
    namespace = world.names[0]
    agents: Sequence[Agent] = [(namespace, f"agent-{number}") for number in range(count)]
    seconds = await create(agents, **spec)
    print(f"{count} Agents made in {seconds:.0f} s", flush=True)

    async def known() -> bool:
        return bool(await buses[namespace].command("HLEN", buses[namespace].keys.agents) == count)

    seconds = await until("the bus knows all of them", known, PATIENCE)
    await quiet(world)
    print(f"all looked after {seconds:.0f} s later; operator {taken(world.operator_pid)}", flush=True)
    world.stop_operator()
    before = writes()
    begun = time.monotonic()
    world.start_operator()

    async def is_ready() -> bool:
        return await asyncio.to_thread(ready, world)

    rebuilt = await until("the operator is ready", is_ready, PATIENCE, every=0.1)
    at_ready = taken(world.operator_pid)
    await quiet(world)
    looked = time.monotonic() - begun - QUIET_SECONDS
    found = taken(world.operator_pid)
    written = between(before, writes())
    print(
        f"ready after {rebuilt:.1f} s {at_ready}; all looked at after {looked:.0f} s {found}; wrote {written}"
    )
    own = {what: times for what, times in written.items() if not what.endswith((" leases", " events"))}
    return [
        Row(f"{count:,} Agents, operator restart: re-list and rebuild", rebuilt, "s", READY_SECONDS),
        Row("… its memory (the most it ever was)", found.peak, "MiB", RSS_MIB),
        Row("… writes to the API server, the Lease's apart", sum(own.values()), "", 0),
        Row("… until each Agent was looked at once", looked, "s"),
        Row("… processor time until then", found.cpu, "s"),
    ]
