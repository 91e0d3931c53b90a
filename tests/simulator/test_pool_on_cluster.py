"""A sample of `make scale`: a hundred agents on a pool of five."""

import asyncio
from typing import Any

import pytest

from horos_api.messages import NewMessage
from horos_api.names import API_VERSION
from horos_bus.sender import reply, send
from horos_operator.kube.connection import KubeConnection
from tests.bus.stage import until
from tests.simulator.replay import replaying
from tests.simulator.world import World, agent_manifest

pytestmark = pytest.mark.cluster

AGENTS = 100
SLOTS = 5


def pool_manifest(namespace: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "AgentPool", "metadata": metadata, "spec": spec}


async def test_a_hundred_agents_on_five_slots_are_all_answered_and_never_six_run(fake_world: World) -> None:
    (namespace,) = fake_world.names
    names = [f"agent-{number}" for number in range(AGENTS)]
    connection = await KubeConnection.open()
    bus = fake_world.bus(namespace)

    async def known() -> bool:
        return bool(await bus.command("HLEN", bus.keys.agents) == AGENTS)

    async def answered() -> bool:
        return all([await reply(bus, f"mid-{name}") is not None for name in names])

    try:
        async with replaying(connection) as replay:
            fake_world.apply([pool_manifest(namespace, maxRunning=SLOTS)])
            fake_world.apply([agent_manifest(namespace, name) for name in names])
            await until(known, seconds=60)
            messages = [
                NewMessage(to=name, mid=f"mid-{name}", body="Hello", kind="request") for name in names
            ]
            await asyncio.gather(*(send(bus, message) for message in messages))
            await until(answered, seconds=80)
    finally:
        await bus.aclose()
        await connection.aclose()
    assert replay.most[namespace] == SLOTS
    assert replay.made[namespace] >= AGENTS
