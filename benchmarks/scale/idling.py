"""A thousand resident agents with nothing to do: how soon all of their pods are gone."""

from typing import Final

from tests.simulator.world import World

from benchmarks.scale.bursts import PATIENCE, asleep
from benchmarks.scale.crowd import Buses, all_of, resize_pools, until
from benchmarks.scale.operator_said import said
from benchmarks.scale.rows import Row
from horos_api import metrics as words
from horos_bus.control import Control

AGENTS: Final = 1_000
IDLE_SECONDS: Final = 60
SLACK_SECONDS: Final = 10


async def idle_row(world: World, buses: Buses, count: int = AGENTS) -> list[Row]:
    """Wake all of them, then leave them alone."""
    namespace = world.names[0]
    agents = [(namespace, f"agent-{number}") for number in range(count)]
    await asleep(world, buses, agents)
    await resize_pools(world, count, idleSeconds=IDLE_SECONDS)
    await all_of(lambda agent: buses.ask(agent, f"idle-{agent[1]}"), agents)

    async def answered() -> bool:
        return await buses.answered(agents, lambda agent: f"idle-{agent[1]}") == count

    seconds = await until("all are answered", answered, PATIENCE, every=0.2)
    print(f"{count} agents are awake after {seconds:.0f} s", flush=True)
    control = Control(buses[namespace])

    async def all_left() -> bool:
        found = await control.views([name for _, name in agents])
        if any(each.holder for each in found.values()):
            return False
        told = await said(world)
        return told.total(words.AGENTS.name, namespace=namespace, residency="hibernated") == count

    took = await until("all have left and the operator knows it", all_left, PATIENCE, every=0.2)
    return [
        Row(
            f"{count:,} agents idle out, from the last answer until all pods have ended",
            took,
            "s",
            IDLE_SECONDS + SLACK_SECONDS,
            note=f"idle period {IDLE_SECONDS} s",
        )
    ]
