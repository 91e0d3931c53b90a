"""Agents that have lived before: each is claimed and given up once, without any pod."""

from collections.abc import Sequence

from benchmarks.scale.crowd import Agent, Buses, all_of
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity


async def hibernate(buses: Buses, agents: Sequence[Agent]) -> None:
    """Give each its first life on the bus, so that none needs a pod until it is spoken to."""
    uids = {
        (namespace, name): uid
        for namespace in {namespace for namespace, _ in agents}
        for name, uid in (await Control(buses[namespace]).agents()).items()
    }

    async def one(agent: Agent) -> None:
        namespace, name = agent
        messages = MessageService(buses[namespace], Identity(name, uids[agent], f"first-life-of-{name}"))
        await messages.claim(None)
        if not await messages.retire():
            raise RuntimeError(f"{namespace}/{name} has work already")

    await all_of(one, agents)
